"""The final system-call filter of a cell: the only file that knows seccomp.

An allow-list. What is known and refused answers EPERM, so that honest code sees an ordinary error; what the
table does not know answers ENOSYS, so that libc falls back to an older call; what no honest program does
kills. Conditions on one call are disjoint, since libseccomp gives overlapping ones no order.
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any, Final

from cellblock_sandbox.errors import SandboxUnavailable

# A cell's pid is known only after the fork: it puts its own where the compiled filter holds this number.
SELF: Final = 0x5EED_C311


def _names(text: str) -> tuple[str, ...]:
    """The words of `text` but for its comments."""
    return tuple(word for line in text.splitlines() for word in line.split("#")[0].split())


_ALLOWED: Final = _names("""
    # reading and writing what is open, and looking at names
    read write readv writev pread64 close close_range lseek fstat newfstatat stat lstat statx access
    faccessat faccessat2 readlink readlinkat getcwd getdents getdents64
    # memory of its own (mmap, mprotect and madvise have conditions, below)
    munmap mremap brk
    # signals, waiting and time
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait rt_sigpending rt_sigsuspend sigaltstack pause
    futex_waitv sched_yield nanosleep restart_syscall gettimeofday time times timerfd_create
    timerfd_settime timerfd_gettime setitimer getitimer alarm
    # facts about itself and the machine
    getrusage sysinfo uname getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid
    getgroups getpgrp getrandom getcpu getrlimit setrlimit umask
    # threads and the end
    set_robust_list rseq set_tid_address exit exit_group wait4 waitid
    # descriptors between its own threads
    poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
    eventfd eventfd2 pipe dup dup2 dup3 recvfrom shutdown getsockname getpeername
""")

_REFUSED: Final = _names("""
    # other processes
    execve execveat fork vfork tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal
    pidfd_getfd membarrier
    # network; messages with descriptors count against all of a user's processes on the host
    socket connect bind listen accept accept4 setsockopt sendmsg recvmsg sendmmsg recvmmsg
    # changes to files
    creat truncate ftruncate fallocate rename renameat renameat2 unlink unlinkat rmdir mkdir mkdirat link
    linkat symlink symlinkat mknod mknodat chmod fchmod fchmodat chown fchown lchown fchownat utime utimes
    utimensat futimesat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr sync syncfs
    fsync fdatasync sync_file_range flock
    # what else tells of files, watches them or moves between them
    getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr chdir fchdir chroot statfs fstatfs ustat
    quotactl sendfile copy_file_range splice tee vmsplice pwrite64 preadv pwritev preadv2 pwritev2
    readahead fadvise64 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_init
    fanotify_mark lookup_dcookie
    # memory that is shared, locked or placed
    memfd_create memfd_secret shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd
    msgrcv msgctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr mincore mlock
    mlock2 mlockall munlock munlockall msync remap_file_pages mbind set_mempolicy get_mempolicy
    migrate_pages move_pages
    # another identity or rank
    setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid setpgid setsid capget
    capset personality setpriority ioprio_set ioprio_get sched_setaffinity sched_setscheduler
    sched_setparam sched_setattr seccomp arch_prctl landlock_create_ruleset landlock_add_rule
    landlock_restrict_self
    # kernel objects that outlive a look at them
    signalfd signalfd4 timer_create timer_settime timer_gettime timer_getoverrun timer_delete io_setup
    io_destroy io_submit io_cancel io_getevents
    # the machine
    acct syslog sysfs vhangup sethostname setdomainname settimeofday clock_settime adjtimex clock_adjtime
""")

_DEADLY: Final = _names("""
    ptrace process_vm_readv process_vm_writev kcmp bpf perf_event_open userfaultfd keyctl add_key
    request_key mount umount2 pivot_root setns unshare open_by_handle_at name_to_handle_at swapon swapoff
    reboot kexec_load kexec_file_load init_module finit_module delete_module iopl ioperm modify_ldt fsopen
    fsconfig fsmount fspick move_mount open_tree mount_setattr
""")

# What a zygote does to make a cell, beside clone and prctl; all of it is refused in the cell.
_MAKES_CELLS: Final = ("sendmsg", "recvmsg", "pidfd_open", "landlock_restrict_self", "seccomp")

# What else an advice may do: fill page tables without end and unkillably (MADV_GUARD_INSTALL), fill memory at
# once, share it. They answer EINVAL, as on a kernel that does not know them.
# NORMAL RANDOM SEQUENTIAL WILLNEED DONTNEED FREE DONTFORK DOFORK HUGEPAGE NOHUGEPAGE DONTDUMP DODUMP COLD
_ADVICE: Final = (0, 1, 2, 3, 4, 8, 10, 11, 14, 15, 16, 17, 20)
_NO_ADVICE: Final = tuple(set(range(max(_ADVICE))) - set(_ADVICE))
_PROT_WRITE, _PROT_EXEC = 2, 4
_ODD_MAPPINGS: Final = (0x100, 0x40000)  # MAP_GROWSDOWN, which escapes RLIMIT_DATA, and MAP_HUGETLB
_MAP_TYPE, _MAP_PRIVATE = 3, 2
# What opens for anything but reading; the last is __O_TMPFILE.
_WRITING: Final = (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, 0o20000000)
# Numbers of the kernel's sched.h. glibc and musl start threads with all of the first and none of the second.
_CLONE_THREAD: Final = 0x10000
_THREAD: Final = 0x100 | 0x200 | 0x400 | 0x800 | _CLONE_THREAD  # VM FS FILES SIGHAND THREAD
_NO_THREAD: Final = 0x80 | 0xF000 | 0x2_0000 | 0x80_0000 | 0xFE00_0000
_ARCH_SET_FS: Final = 0x1002
_FCNTLS: Final = (0, 1, 2, 3, 4, 1030)  # DUPFD GETFD SETFD GETFL SETFL DUPFD_CLOEXEC
_NO_FCNTLS: Final = (*range(5, 17), *range(1024, 1030), *range(1031, 1044))  # locks, owners, leases, seals
_IOCTLS: Final = (0x5401, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS FIONREAD FIONBIO FIONCLEX FIOCLEX
# WAIT WAKE REQUEUE CMP_REQUEUE WAKE_OP WAIT_BITSET WAKE_BITSET. Those with priority inheritance name their
# holder by a number, which may be anybody's: they tell whether it exists and change its rank. No libc uses
# them unasked.
_FUTEXES: Final = (0, 1, 3, 4, 5, 9, 10)
_FUTEX_COMMAND: Final = 0x7F
# The machine's clocks and one's own; any other number is another process's CPU clock, to read or to wait for.
_OTHER_CLOCKS: Final = 0xFFFF_FFF0
_CLOCKS: Final = ("clock_gettime", "clock_getres", "clock_nanosleep")
_PR_NAMES: Final = (15, 16)  # PR_SET_NAME PR_GET_NAME
_SOCK_TYPE: Final = 0xF
# SO_TYPE SO_ERROR SO_SNDBUF SO_RCVBUF SO_ACCEPTCONN SO_PROTOCOL SO_DOMAIN; another is a pidfd of the peer.
_SOCKET_FACTS: Final = (3, 4, 7, 8, 30, 38, 39)
_NO_SOCKET_FACTS: Final = tuple(set(range(100)) - set(_SOCKET_FACTS))
_CTL_OPTIMIZE: Final = 8  # libseccomp's SCMP_FLTATR_CTL_OPTIMIZE


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What one language's cells need beside what all have."""

    threads: bool  # may start threads after the filter
    executable_memory: bool  # may execute memory that it wrote (a JIT)
    whole_forks: bool = False  # its interpreter asks that memory be left out of forks, and must not get it
    execs: bool = False  # its cells start their interpreter themselves, after the filter


def compile_filter(policy: Policy) -> bytes:
    """The filter as an array of `struct sock_filter`, with SELF in place of the cell's pid.

    It says what holds in a cell; `compile_in_two` gives what is installed, and tests hold the two against
    each other, call by call. Raises SandboxUnavailable where libseccomp is missing.
    """
    table = _Table()
    table.allow_all(_ALLOWED)
    _refuse(table, policy)
    _memory(table, policy)
    _waiting(table)
    _opening(table)
    _processes(table, policy)
    _descriptors(table)
    _sockets(table)
    return table.compiled()


def compile_early_filter(policy: Policy) -> bytes:
    """What a zygote has on from before its interpreter starts, as `compile_filter` gives it; empty for none.

    V8 marks its pages MADV_DONTFORK, so that a fork of it would find holes: it is told that it did.
    """
    if not policy.whole_forks:
        return b""
    table = _Table(allow_the_rest=True)
    table.pretend("madvise", (2, "EQ", mmap.MADV_DONTFORK))
    return table.compiled()


@cache
def compile_in_two(policy: Policy) -> tuple[bytes, bytes]:
    """The same filter in two parts: a large one for the zygote and a small one, with SELF, for each cell.

    Of two filters' answers the kernel takes the stricter one. The first lets pass what a zygote needs to make
    cells; the second refuses just that. So the kernel has little to compile when a cell installs its own.
    """
    inherited, own = _Table(), _Table(allow_the_rest=True)
    inherited.allow_all(_ALLOWED)
    _refuse(inherited, policy, besides=_MAKES_CELLS)
    inherited.allow_all((*_MAKES_CELLS, "prctl", "kill", "tgkill"))
    _memory(inherited, policy)
    _waiting(inherited)
    _opening(inherited)
    _allow_threads(inherited)
    inherited.allow("clone", (0, "MASKED_EQ", _CLONE_THREAD, 0))
    _others(inherited)
    _descriptors(inherited)
    _sockets(inherited)
    own.refuse_all(_MAKES_CELLS)
    if policy.threads:
        own.refuse("clone", (0, "MASKED_EQ", _CLONE_THREAD, 0))
    else:
        own.refuse("clone")
    _self(own)
    return inherited.compiled(), own.compiled()


class _Table:
    """libseccomp's rule table; a condition is (argument, operator, number[, masked value])."""

    def __init__(self, *, allow_the_rest: bool = False) -> None:
        try:
            import pyseccomp
        except (ImportError, OSError, RuntimeError) as error:
            raise SandboxUnavailable(
                f"libseccomp is missing ({error}); install the package libseccomp2"
            ) from error
        self._lib: Any = pyseccomp
        rest = pyseccomp.ALLOW if allow_the_rest else pyseccomp.ERRNO(errno.ENOSYS)
        self._filter: Any = pyseccomp.SyscallFilter(rest)
        self._filter.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
        # A binary tree instead of a list: the kernel, which runs the filter once for every call there is when
        # it is installed, takes 0.16 ms for it instead of 0.56.
        self._filter.set_attr(_CTL_OPTIMIZE, 2)
        self._architecture = pyseccomp.system_arch()

    def allow(self, name: str, *conditions: tuple[Any, ...]) -> None:
        self._add(self._lib.ALLOW, name, conditions)

    def refuse(self, name: str, *conditions: tuple[Any, ...]) -> None:
        self._add(self._lib.ERRNO(errno.EPERM), name, conditions)

    def disown(self, name: str, *conditions: tuple[Any, ...]) -> None:
        self._add(self._lib.ERRNO(errno.EINVAL), name, conditions)  # as if this kernel did not know of it

    def pretend(self, name: str, *conditions: tuple[Any, ...]) -> None:
        self._add(self._lib.ERRNO(0), name, conditions)  # done, says the kernel, and does nothing

    def allow_all(self, names: Iterable[str]) -> None:
        for name in names:
            self.allow(name)

    def refuse_all(self, names: Iterable[str]) -> None:
        for name in names:
            self.refuse(name)

    def kill_all(self, names: Iterable[str]) -> None:
        for name in names:
            self._add(self._lib.KILL_PROCESS, name, ())

    def _add(self, action: int, name: str, conditions: tuple[tuple[Any, ...], ...]) -> None:
        if self._lib.resolve_syscall(self._architecture, name) < 0:
            return  # this architecture has no such call
        arguments = [
            self._lib.Arg(number, getattr(self._lib, operator), *values)
            for number, operator, *values in conditions
        ]
        self._filter.add_rule(action, name, *arguments)

    def compiled(self) -> bytes:
        with os.fdopen(os.memfd_create("filter"), "r+b") as file:
            self._filter.export_bpf(file)
            file.seek(0)
            return file.read()


def _refuse(table: _Table, policy: Policy, besides: tuple[str, ...] = ()) -> None:
    """Refuse or kill what is known, but for `besides`."""
    if policy.execs:
        besides = (*besides, "execve", "arch_prctl")
        table.allow("execve")
        table.allow("arch_prctl", (0, "EQ", _ARCH_SET_FS))  # libc's first step in a new program
        table.refuse("arch_prctl", (0, "NE", _ARCH_SET_FS))
    table.refuse_all(name for name in _REFUSED if name not in besides)
    table.kill_all(_DEADLY)


def _memory(table: _Table, policy: Policy) -> None:
    """Private memory only: what is shared escapes RLIMIT_DATA. Written or executable, not both."""
    for advice in _ADVICE:
        table.allow("madvise", (2, "EQ", advice))
    for advice in _NO_ADVICE:
        table.disown("madvise", (2, "EQ", advice))
    table.disown("madvise", (2, "GT", max(_ADVICE)))
    private = (3, "MASKED_EQ", _MAP_TYPE | sum(_ODD_MAPPINGS), _MAP_PRIVATE)
    for odd in (*_ODD_MAPPINGS, sum(_ODD_MAPPINGS)):
        table.refuse("mmap", (3, "MASKED_EQ", _MAP_TYPE | sum(_ODD_MAPPINGS), _MAP_PRIVATE | odd))
    for shared in {0, 1, 2, 3} - {_MAP_PRIVATE}:
        table.refuse("mmap", (3, "MASKED_EQ", _MAP_TYPE, shared))
    if policy.executable_memory:
        table.allow("mmap", private)
        table.allow("mprotect")
        return
    both = _PROT_WRITE | _PROT_EXEC
    for protection in (0, _PROT_WRITE, _PROT_EXEC):
        table.allow("mmap", (2, "MASKED_EQ", both, protection), private)
    table.refuse("mmap", (2, "MASKED_EQ", both, both), private)
    table.allow("mprotect", (2, "MASKED_EQ", _PROT_EXEC, 0))
    table.refuse("mprotect", (2, "MASKED_EQ", _PROT_EXEC, _PROT_EXEC))


def _waiting(table: _Table) -> None:
    """Clocks and futexes that are nobody else's; others are answered as on a kernel without them."""
    for command in _FUTEXES:
        table.allow("futex", (1, "MASKED_EQ", _FUTEX_COMMAND, command))
    for name in _CLOCKS:
        table.allow(name, (0, "MASKED_EQ", _OTHER_CLOCKS, 0))


def _opening(table: _Table) -> None:
    """Files are opened for reading only, whatever Landlock says of them."""
    mask = sum(_WRITING)
    for name, flags in (("open", 1), ("openat", 2)):
        table.allow(name, (flags, "MASKED_EQ", mask, 0))
        for count in range(1, len(_WRITING) + 1):
            for bits in combinations(_WRITING, count):
                table.refuse(name, (flags, "MASKED_EQ", mask, sum(bits)))


def _processes(table: _Table, policy: Policy) -> None:
    """Threads at most, and nobody but oneself wherever a call names a process."""
    if policy.threads:
        _allow_threads(table)
        table.refuse("clone", (0, "MASKED_EQ", _CLONE_THREAD, 0))
    else:
        table.refuse("clone")
    for name in ("kill", "tgkill"):
        table.allow(name, (0, "EQ", SELF))
    for option in _PR_NAMES:
        table.allow("prctl", (0, "EQ", option))
    _self(table)
    _others(table)


def _allow_threads(table: _Table) -> None:
    table.allow("clone", (0, "MASKED_EQ", _THREAD | _NO_THREAD, _THREAD))


def _self(table: _Table) -> None:
    for name in ("kill", "tgkill"):
        table.refuse(name, (0, "NE", SELF))
    table.refuse("prctl", (0, "LT", min(_PR_NAMES)))
    table.refuse("prctl", (0, "GT", max(_PR_NAMES)))


def _others(table: _Table) -> None:
    for name in (
        "getpgid",
        "getsid",
        "prlimit64",
        "sched_getaffinity",
        "sched_getscheduler",
        "sched_getparam",
        "sched_getattr",
    ):
        table.allow(name, (0, "EQ", 0))
        table.refuse(name, (0, "NE", 0))
    table.allow("getpriority", (0, "EQ", 0), (1, "EQ", 0))
    table.refuse("getpriority", (0, "EQ", 0), (1, "NE", 0))
    table.refuse("getpriority", (0, "NE", 0))  # of a group or a user


def _descriptors(table: _Table) -> None:
    """Descriptors may be copied and asked about; pipes are for bytes, not for the kernel's notifications."""
    table.allow("pipe2", (1, "MASKED_EQ", os.O_EXCL, 0))
    for command in _FCNTLS:
        table.allow("fcntl", (1, "EQ", command))
    for command in _NO_FCNTLS:
        table.refuse("fcntl", (1, "EQ", command))
    for request in _IOCTLS:
        table.allow("ioctl", (1, "EQ", request))


def _sockets(table: _Table) -> None:
    """A pair of sockets must be a stream, and tells of itself but not of its peer.

    A datagram pair can be pointed at any socket's path, and Landlock does not cover those.
    """
    table.allow("socketpair", (0, "EQ", socket.AF_UNIX), (1, "MASKED_EQ", _SOCK_TYPE, socket.SOCK_STREAM))
    for kind in set(range(_SOCK_TYPE + 1)) - {socket.SOCK_STREAM}:
        table.refuse("socketpair", (0, "EQ", socket.AF_UNIX), (1, "MASKED_EQ", _SOCK_TYPE, int(kind)))
    table.refuse("socketpair", (0, "NE", socket.AF_UNIX))
    # To the peer, not to an address; and in the band.
    table.allow("sendto", (3, "MASKED_EQ", socket.MSG_OOB, 0), (4, "EQ", 0))
    table.refuse("sendto", (3, "MASKED_EQ", socket.MSG_OOB, socket.MSG_OOB), (4, "EQ", 0))
    table.refuse("sendto", (4, "NE", 0))
    for fact in _SOCKET_FACTS:
        table.allow("getsockopt", (1, "EQ", socket.SOL_SOCKET), (2, "EQ", fact))
    for fact in _NO_SOCKET_FACTS:
        table.refuse("getsockopt", (1, "EQ", socket.SOL_SOCKET), (2, "EQ", fact))
    table.refuse("getsockopt", (1, "NE", socket.SOL_SOCKET))
