"""Attacks by raw system calls: that kill, that the table does not know, that would loosen the locks."""

from cellblock_sandbox import Verdict

from tests.escape.attack import ENOSYS, EPERM, Attack

DEADLY = """
    ptrace process_vm_readv process_vm_writev kcmp bpf perf_event_open userfaultfd keyctl add_key
    request_key mount umount2 pivot_root setns unshare open_by_handle_at init_module swapon reboot
    move_mount
"""

KILLED = [
    Attack(name=f"call {name}", code=f"def attack(): call('{name}', 0, 0, 0, 0, 0)", verdict=Verdict.BLOCKED)
    for name in DEADLY.split()
]

CALLS = [
    *KILLED,
    Attack(
        name="calls that are newer than the table",
        code="""
def attack():
    for name in ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "openat2",
                 "process_madvise", "process_mrelease", "quotactl_fd", "pkey_mprotect"):
        call(name, 0, 0, 0, 0, 0)
""",
        errnos=frozenset({ENOSYS}),
        proofs=9,
    ),
    Attack(
        name="a call of the x32 interface",
        code="def attack(): by_libc('x32 getpid', libc.syscall(ctypes.c_long(0x40000000 + 39)))",
        verdict=Verdict.BLOCKED,
    ),
    Attack(
        name="a call by a number far beyond the table",
        code="def attack(): by_libc('?', libc.syscall(ctypes.c_long(100_000)))",
        errnos=frozenset({ENOSYS}),
    ),
    Attack(
        name="prctl",
        code="""
def attack():
    for what, option, value in (("pdeathsig", 1, 0), ("dumpable", 4, 1), ("keepcaps", 8, 1),
                                ("seccomp", 22, 2), ("capbset", 23, 0), ("tsc", 26, 1),
                                ("securebits", 28, 0), ("mm", 35, 1), ("subreaper", 36, 1),
                                ("ambient", 47, 2), ("ptracer", 0x59616D61, -1)):
        by_libc(what, libc.prctl(option, ctypes.c_ulong(value % 2**64), 0, 0, 0))
""",
        errnos=frozenset({EPERM}),
        proofs=11,
    ),
    Attack(
        name="another filter",
        code="""
def attack():
    program = struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", 1, ctypes.addressof(buffer))
    call("seccomp", 1, 0, header)
    call("seccomp", 1, 8, header)  # to be notified
""",
        proofs=2,
    ),
    Attack(
        name="another identity",
        code="""
def attack():
    tried("setuid", os.setuid, 0)
    tried("setresuid", os.setresuid, 0, 0, 0)
    tried("setgid", os.setgid, 0)
    tried("setgroups", os.setgroups, [0])
    tried("setsid", os.setsid)
    tried("setpgid", os.setpgid, 0, 0)
    call("personality", 0x0400000)
""",
        proofs=7,
    ),
    Attack(
        name="machine code",
        code="""
def attack():
    import mmap
    tried("writable and executable", mmap.mmap, -1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)
    memory = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 3)
    place = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    call("mprotect", place, 4096, 5)
    call("mprotect", place, 4096, 7)
    text = ctypes.cast(libc.getpid, ctypes.c_void_p).value & ~4095
    call("mprotect", text, 4096, 7)
""",
        proofs=4,
    ),
    Attack(
        name="rank and affinity",
        code="""
def attack():
    tried("nice", os.nice, -5)
    tried("nicer", os.nice, 5)
    tried("setpriority", os.setpriority, os.PRIO_USER, 0, 5)
    tried("affinity", os.sched_setaffinity, 0, {0})
    tried("scheduler", os.sched_setscheduler, 0, os.SCHED_IDLE, os.sched_param(0))
    call("ioprio_set", 1, 0, 0)
""",
        proofs=6,
    ),
]
