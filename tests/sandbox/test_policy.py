"""The compiled filter, run by an interpreter of our own: what the kernel would answer, call by call.

Whatever is asked here, the filter in two parts is asked the same, and must answer the same.
"""

import errno
import os
import struct
from functools import cache

import pyseccomp
import pytest
from cellblock_sandbox.policy import SELF, Policy, compile_filter, compile_in_two

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
NATIVE = {"x86_64": X86_64, "aarch64": AARCH64}[os.uname().machine]
HIGH = 1 << 32  # the kernel cuts most arguments to their lower half


Steps = list[tuple[int, int, int, int]]


@cache
def programs(threads: bool = True, executable_memory: bool = False) -> list[Steps]:
    """The whole filter, the zygote's part and the cell's."""
    policy = Policy(threads=threads, executable_memory=executable_memory)
    return [
        [*struct.iter_unpack("=HBBI", part)] for part in (compile_filter(policy), *compile_in_two(policy))
    ]


def number(name: str) -> int:
    return int(pyseccomp.resolve_syscall(pyseccomp.system_arch(), name))


def answer(call: str | int, *args: int, arch: int = NATIVE, **policy: bool) -> int:
    """What the filter answers."""
    nr = number(call) if isinstance(call, str) else call
    padded = [arg % 2**64 for arg in (*args, 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("=iIQ6Q", nr, arch, 0, *padded)
    whole, inherited, own = (run(steps, data) for steps in programs(**policy))
    # The lower the answer, the stricter; where both refuse, the errno of the filter that came last counts.
    assert whole == (inherited if strictness(inherited) < strictness(own) else own), (call, args)
    return whole


def strictness(answer: int) -> int:
    action = answer & 0xFFFF0000
    return action - 2**32 if action & 0x80000000 else action


def run(steps: Steps, data: bytes) -> int:
    """A classic BPF machine with the instructions that libseccomp writes."""
    at, accumulator = 0, 0
    while True:
        code, if_true, if_false, k = steps[at]
        at += 1
        match code:
            case 0x20:  # load a word
                accumulator = struct.unpack_from("=I", data, k)[0]
            case 0x54:  # and
                accumulator &= k
            case 0x05:  # jump
                at += k
            case 0x15:  # jump if equal
                at += if_true if accumulator == k else if_false
            case 0x25:  # if greater
                at += if_true if accumulator > k else if_false
            case 0x35:  # if greater or equal
                at += if_true if accumulator >= k else if_false
            case 0x45:  # if any bit
                at += if_true if accumulator & k else if_false
            case 0x06:  # return
                return k
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


@pytest.mark.parametrize("arch", {X86_64, I386, AARCH64} - {NATIVE})
def test_calls_of_another_architecture_kill(arch: int) -> None:
    assert {answer(nr, arch=arch) for nr in range(500)} == {KILL}


@pytest.mark.skipif(NATIVE != X86_64, reason="x32 is of x86-64")
def test_calls_of_the_x32_interface_kill() -> None:
    assert {answer(0x40000000 | nr) for nr in range(600)} == {KILL}


def test_numbers_beyond_the_table_are_unknown() -> None:
    assert {answer(nr) for nr in (*range(600, 1000), 0x3FFFFFFF)} == {ENOSYS}


NEVER = """
    accept accept4 acct add_key bind bpf chmod chown chroot clock_settime clone3 connect copy_file_range
    delete_module execve execveat fallocate fanotify_init fchmod fchmodat fchmodat2 fchown fchownat flock
    fork fsconfig fsmount fsopen ftruncate init_module inotify_init1 io_submit io_uring_enter
    io_uring_register io_uring_setup ioperm iopl ioprio_set kcmp kexec_load keyctl landlock_create_ruleset
    landlock_restrict_self link linkat listen lsetxattr mbind memfd_create memfd_secret migrate_pages
    mincore mkdir mkdirat mknod mknodat mlock mlockall modify_ldt mount mount_setattr move_mount move_pages
    mq_open msgget msync name_to_handle_at open_by_handle_at open_tree openat2 perf_event_open personality
    pidfd_getfd pidfd_open pidfd_send_signal pivot_root pkey_mprotect preadv2 process_madvise
    process_mrelease process_vm_readv process_vm_writev ptrace pwrite64 pwritev2 quotactl reboot
    remap_file_pages rename renameat renameat2 request_key rmdir rt_sigqueueinfo rt_tgsigqueueinfo
    sched_setaffinity sched_setattr sched_setscheduler seccomp semget sendmmsg sendmsg recvmsg setdomainname
    sethostname setgid setgroups setns setpgid setpriority setresuid setsid setsockopt setuid setxattr shmat
    shmget socket splice statfs swapon symlink symlinkat sync sysfs syslog tee timer_create tkill truncate
    umount2 unlink unlinkat unshare userfaultfd utime utimensat vfork vmsplice
"""


@pytest.mark.parametrize("name", [name for name in NEVER.split() if number(name) >= 0])
def test_never_allowed_whatever_the_arguments(name: str) -> None:
    values = (0, 1, 2, SELF, -1, HIGH, 0x10000)
    assert ALLOW not in {answer(name, a, b, c) for a in values for b in values for c in values}


CLOCKS = ("clock_gettime", "clock_getres", "clock_nanosleep")
OTHERS_CLOCK = ~1234 << 3 | 2

CONDITIONS = [
    *[(name, (clock,), ALLOW) for name in CLOCKS for clock in (*range(12), HIGH | 2)],
    *[(name, (OTHERS_CLOCK,), ENOSYS) for name in CLOCKS],
    *[(name, (OTHERS_CLOCK % 2**32,), ENOSYS) for name in CLOCKS],
    *[("futex", (0, one | flags), ALLOW) for one in (0, 1, 3, 4, 5, 9, 10) for flags in (0, 128, 384)],
    *[("futex", (0, one | flags), ENOSYS) for one in (2, 6, 7, 8, 11, 12, 13) for flags in (0, 128, HIGH)],
    ("getpriority", (0, 0), ALLOW),
    *[("pipe2", (0, flags), ALLOW) for flags in (0, os.O_CLOEXEC | os.O_NONBLOCK, os.O_DIRECT)],
    *[("pipe2", (0, os.O_EXCL | flags), ENOSYS) for flags in (0, os.O_CLOEXEC, HIGH)],
    *[("getpriority", given, EPERM) for given in ((0, 1), (1, 0), (2, 0), (HIGH, 0), (0, HIGH), (2, 1))],
    ("openat", (-100, 0, os.O_RDONLY), ALLOW),
    ("openat", (-100, 0, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY), ALLOW),
    ("openat", (-100, 0, os.O_WRONLY), EPERM),
    ("openat", (-100, 0, os.O_RDWR), EPERM),
    ("openat", (-100, 0, 3), EPERM),
    ("openat", (-100, 0, HIGH | os.O_WRONLY), EPERM),
    ("openat", (-100, 0, os.O_CREAT), EPERM),
    ("openat", (-100, 0, os.O_TRUNC), EPERM),
    ("openat", (-100, 0, os.O_TMPFILE | os.O_RDWR), EPERM),
    ("open", (0, os.O_RDONLY), ALLOW),
    ("open", (0, os.O_RDWR | os.O_CREAT), EPERM),
    ("mmap", (0, 4096, 3, 0x22), ALLOW),
    ("mmap", (0, 4096, 1, 0x02), ALLOW),
    ("mmap", (0, 4096, 5, 0x02), ALLOW),
    ("mmap", (0, 4096, 7, 0x22), EPERM),
    ("mmap", (0, 4096, 6, 0x22), EPERM),
    ("mmap", (0, 4096, 3, 0x21), EPERM),
    ("mmap", (0, 4096, 3, 0x23), EPERM),
    ("mmap", (0, 4096, 3, HIGH | 0x21), EPERM),
    ("mprotect", (0, 4096, 3), ALLOW),
    ("mprotect", (0, 4096, 5), EPERM),
    ("mprotect", (0, 4096, 4), EPERM),
    ("clone", (0x3D0F00,), ALLOW),  # as pthread_create does
    ("clone", (17,), EPERM),
    ("clone", (0x8000 | 17,), EPERM),
    ("clone", (0x100,), EPERM),
    ("clone", (0x3D0F00 | 0x2000,), ENOSYS),  # CLONE_PTRACE
    ("clone", (0x3D0F00 | 0x10000000,), ENOSYS),  # CLONE_NEWUSER
    ("clone", (0x3D0F00 | 0x80,), ENOSYS),  # CLONE_NEWTIME
    ("clone", (0x10000,), ENOSYS),
    ("kill", (SELF, 9), ALLOW),
    ("kill", (1, 9), EPERM),
    ("kill", (0, 9), EPERM),
    ("kill", (-SELF, 9), EPERM),
    ("kill", (HIGH | SELF, 9), EPERM),
    ("tgkill", (SELF, 7, 9), ALLOW),
    ("tgkill", (1, 1, 9), EPERM),
    ("prlimit64", (0, 7), ALLOW),
    ("prlimit64", (1, 7), EPERM),
    ("prlimit64", (HIGH, 7), EPERM),
    ("sched_getaffinity", (0,), ALLOW),
    ("sched_getaffinity", (1,), EPERM),
    ("getpgid", (0,), ALLOW),
    ("getpgid", (1,), EPERM),
    ("prctl", (15,), ALLOW),
    ("prctl", (16,), ALLOW),
    ("prctl", (1, 0), EPERM),
    ("prctl", (4, 1), EPERM),
    ("prctl", (22, 2), EPERM),
    ("prctl", (HIGH | 15,), EPERM),
    ("fcntl", (0, 3), ALLOW),
    ("fcntl", (0, 6), EPERM),
    ("fcntl", (0, 8, 1), EPERM),
    ("fcntl", (0, 1024), EPERM),
    ("fcntl", (0, 1031), EPERM),
    ("fcntl", (0, HIGH | 3), ENOSYS),
    ("ioctl", (0, 0x5401), ALLOW),
    ("ioctl", (0, 0x5412), ENOSYS),  # TIOCSTI
    ("ioctl", (0, 0x541C), ENOSYS),  # TIOCLINUX
    ("ioctl", (0, HIGH | 0x5401), ENOSYS),
    ("socketpair", (1, 1), ALLOW),
    ("socketpair", (1, 1 | 0x80800), ALLOW),
    ("socketpair", (1, 2), EPERM),
    ("socketpair", (1, 5), EPERM),
    ("socketpair", (1, HIGH | 2), EPERM),
    ("socketpair", (HIGH | 1, 1), EPERM),
    ("socketpair", (2, 1), EPERM),
    ("sendto", (3, 0, 0, 0, 0, 0), ALLOW),
    ("sendto", (3, 0, 0, 0, 0x1000, 16), EPERM),
    ("getsockopt", (3, 1, 4), ALLOW),
    ("getsockopt", (3, 1, 17), EPERM),  # SO_PEERCRED
    ("getsockopt", (3, 1, 77), EPERM),  # SO_PEERPIDFD
    ("getsockopt", (3, 6, 4), EPERM),
    ("getsockopt", (3, HIGH | 1, 4), EPERM),
]


@pytest.mark.parametrize(("name", "args", "expected"), CONDITIONS)
def test_conditions(name: str, args: tuple[int, ...], expected: int) -> None:
    if number(name) < 0:
        pytest.skip("this architecture has no such call")
    assert answer(name, *args) == expected


def test_a_runtime_without_threads_cannot_start_them() -> None:
    assert answer("clone", 0x3D0F00, threads=False) == EPERM


def test_a_runtime_with_a_jit_may_execute_what_it_wrote() -> None:
    assert answer("mmap", 0, 4096, 7, 0x22, executable_memory=True) == ALLOW
    assert answer("mprotect", 0, 4096, 5, executable_memory=True) == ALLOW
    assert answer("mmap", 0, 4096, 3, 0x21, executable_memory=True) == EPERM


def test_the_filter_has_a_place_for_the_cells_own_pid() -> None:
    whole, inherited, own = ({step[3] for step in steps} for steps in programs())
    assert SELF in whole & own
    assert SELF not in inherited


def test_every_call_gets_the_same_answer_from_the_filter_in_two_parts() -> None:
    values = (0, 1, 2, 15, 16, 22, SELF, -1, HIGH, HIGH | SELF, 0x100, 0x10000, 0x3D0F00, 0x3D0F80)
    for nr in range(600):
        for first in values:
            answer(nr, first, 1, 2, 0x22)


def test_a_small_filter_is_left_for_the_cell() -> None:
    _, inherited, own = programs()
    assert len(own) < len(inherited) / 10
