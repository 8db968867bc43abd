"""Attacks of somebody with native code, here by ctypes: what reaches beyond what Python has names for."""

from cellblock_sandbox import Limits, Verdict

from tests.escape.attack import CLOSED, ENOSYS, EPERM, Attack

ECHILD, ENXIO, EINVAL = 10, 6, 22

NATIVE = [
    Attack(
        name="a call of the 32-bit interface",
        code="""
def attack():
    # int 0x80 stands by chance somewhere in every large library, so nothing has to be written to jump there.
    start = ctypes.cast(libc.getpid, ctypes.c_void_p).value
    text = ctypes.string_at(start, 400_000)
    place = text.index(b"\\xcd\\x80")
    ctypes.CFUNCTYPE(ctypes.c_long)(start + place)()
""",
        verdict=Verdict.BLOCKED,
    ),
    Attack(
        name="calls that the newest kernels have",
        code="""
def attack():
    # cachestat fchmodat2 map_shadow_stack futex_* statmount lsm_* mseal *xattrat open_tree_attr file_*
    for number in range(451, 480):
        by_libc(number, libc.syscall(ctypes.c_long(number), 0, 0, 0, 0, 0, 0))
""",
        errnos=frozenset({ENOSYS}),
        proofs=29,
    ),
    Attack(
        name="1,500 threads in a small job",
        code="""
def attack():
    import _thread, time
    _thread.stack_size(32768)
    try:
        for _ in range(1500):
            _thread.start_new_thread(time.sleep, (60,))
    except RuntimeError:
        pass
    time.sleep(60)
""",
        verdict=Verdict.BLOCKED,
        limits=Limits(wall_ms=20_000, memory_mb=256),
    ),
    Attack(
        name="400 MB of shared anonymous memory",
        code="""
def attack():
    for flags in (0x21, 0x23, 0x28, 0x4021, 0x8021):  # SHARED, VALIDATE, DROPPABLE; NORESERVE, POPULATE
        call("mmap", 0, 400 << 20, 3, flags, -1, 0)
""",
        proofs=5,
    ),
    Attack(
        name="a program made in memory",
        code="""
def attack():
    for flags in (0, 1, 2, 8, 16):  # CLOEXEC, ALLOW_SEALING, NOEXEC_SEAL, EXEC
        call("memfd_create", b"program", flags)
    call("memfd_secret", 0)
    call("execveat", 3, b"", 0, 0, 0x1000)
    call("execveat", -100, sys.executable.encode(), 0, 0, 0)
    call("uselib", b"/bin/sh")
""",
        proofs=8,
    ),
    Attack(
        name="objects of System V and POSIX that outlive a process",
        code="""
def attack():
    for key in (0, 0x5EED):
        call("shmget", key, 4096, 0o1666)
        call("semget", key, 1, 0o1666)
        call("msgget", key, 0o1666)
    call("shmat", 0, 0, 0)
    call("shmctl", 0, 0, 0)
    call("semop", 0, bytes(6), 1)
    call("msgsnd", 0, bytes(16), 1, 0)
    call("msgrcv", 0, ctypes.create_string_buffer(16), 1, 0, 0)
    call("mq_open", b"new", 0o102, 0o600, 0)
    call("mq_unlink", b"new")
""",
        proofs=13,
    ),
    Attack(
        name="locks that others wait for",
        code="""
def attack():
    own = os.open(os.__file__, os.O_RDONLY)
    lock = struct.pack("hhqqi4x", 0, 0, 0, 0, 0)
    for fd in (own, 1, 3):
        for operation in (1, 2, 5, 6):
            call("flock", fd, operation)
        for command in (5, 6, 7, 36, 37, 38, 1024, 1025):  # GETLK SETLK SETLKW, OFD_*, SETLEASE GETLEASE
            call("fcntl", fd, command, lock)
""",
        proofs=36,
    ),
    Attack(
        name="signals by what descriptors tell",
        code="""
def attack():
    own = os.open(os.__file__, os.O_RDONLY)
    for fd in (own, 0, 1, 3):
        for command in (8, 9, 10, 11, 15, 16, 1026, 1031, 1032, 1033):
            call("fcntl", fd, command, os.getppid())
    call("timer_create", 0, struct.pack("qiii44x", 0, 9, 4, os.getppid()), ctypes.create_string_buffer(8))
    call("mq_notify", 3, 0)
    call("signalfd4", -1, bytes(8), 8, 0)
""",
        proofs=43,
    ),
    Attack(
        name="controls of devices and files",
        code="""
def attack():
    own = os.open(os.__file__, os.O_RDONLY)
    room = ctypes.create_string_buffer(256)
    for fd in (own, 0, 1, 3):
        # TIOCSTI TIOCLINUX TIOCOUTQ FIOASYNC FIOQSIZE FIBMAP FIGETBSZ FICLONE, flags of a file, its socket's
        # path, its namespace's owner, a pipe for notifications, its peer's credentials
        for request in (0x5412, 0x541C, 0x5411, 0x5452, 0x5460, 1, 2, 0x40049409, 0x80086601, 0x40086602,
                        0x89E0, 0xB701, 0x5760, 0x8902, 0x8904):
            call("ioctl", fd, request, room)
    pair = ctypes.create_string_buffer(8)
    call("pipe2", pair, 0x80)
    call("pipe2", pair, 0x80 | os.O_CLOEXEC)
""",
        proofs=62,
    ),
    Attack(
        name="wait for processes that are not its children",
        code="""
def attack():
    room = ctypes.create_string_buffer(256)
    for pid in (-1, 0, os.getppid(), w["zygote"], w["owner"], w["stranger"]):
        for options in (0, 1, 0x40000000, 0x80000000):
            call("wait4", pid, room, options, room)
    for kind in (0, 1, 2, 3):  # all, a process, a group, a descriptor of one
        for ident in (0, 3, os.getppid(), w["zygote"]):
            call("waitid", kind, ident, room, 4 | 1, room)
""",
        errnos=frozenset({ECHILD, EINVAL, 9, 3}),
        proofs=40,
    ),
    Attack(
        name="descriptors and namespaces by their links in /proc",
        code="""
def attack():
    for pid in (os.getppid(), w["zygote"], w["owner"], w["stranger"]):
        for name in ("fd/0", "fd/1", "fd/3", "ns/net", "ns/user", "exe", "root/etc/passwd", "cwd", "task",
                     "maps"):
            tried(name, lambda: os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY)) or "opened")
    for name in ("self/fd/3", "self/mem", "self/exe/x", "self/root/etc/passwd", "self/environ",
                 "thread-self/mem", "self/attr/current", "self/oom_score_adj",
                 "self/timerslack_ns", "self/pagemap"):
        tried(name, lambda: os.close(os.open(f"/proc/{name}", os.O_RDONLY)) or "opened")
        tried(name, lambda: os.close(os.open(f"/proc/{name}", os.O_WRONLY)) or "opened")
""",
        errnos=CLOSED | {ENXIO, 20},
        proofs=60,
    ),
    Attack(
        name="page tables in one call",
        code="""
def attack():
    for size in (1 << 36, 1 << 33, 1 << 30):
        libc.syscall(ctypes.c_long(w["nr"]["mmap"]), 0, ctypes.c_long(size), 1, 0x8022, -1, 0)  # MAP_POPULATE
    kept = []
    while True:
        kept.append(bytearray(1 << 20))
""",
        verdict=Verdict.MEMORY_LIMIT,
        limits=Limits(wall_ms=9_000, cpu_ms=9_000, memory_mb=64),
    ),
    Attack(
        name="a pile of mappings and descriptors",
        code="""
def attack():
    place = libc.syscall(ctypes.c_long(w["nr"]["mmap"]), 0, ctypes.c_long(1 << 28), 1, 0x22, -1, 0)
    came = 0
    while came == 0 and place < 1 << 47:  # every second page apart, until the kernel has enough of it
        came = libc.mprotect(ctypes.c_void_p(place), 4096, 0)
        place += 8192
        if place % (1 << 28) == 0:
            break
    opened = 0
    try:
        while True:
            socket.socketpair()[0].detach()
            opened += 1
    except OSError as error:
        evidence.append(["sockets", "errno", error.errno])
""",
        errnos=frozenset({24}),
        limits=Limits(wall_ms=9_000, cpu_ms=9_000, memory_mb=64),
    ),
    Attack(
        name="a stack that grows where nobody looks",
        code="""
def attack():
    import threading
    threading.stack_size(512 << 20)
    try:
        threading.Thread(target=int).start()
    except RuntimeError:
        evidence.append(["stack", "errno", 1])
    for flags in (0x122, 0x40022, 0x2022, 0x20022):  # GROWSDOWN, HUGETLB, LOCKED, STACK
        came = libc.syscall(ctypes.c_long(w["nr"]["mmap"]), 0, ctypes.c_long(1 << 30), 3, flags, -1, 0)
        by_libc(flags, came)
""",
        errnos=frozenset({EPERM, 11, 12}),
        proofs=4,
        limits=Limits(memory_mb=64),
    ),
]
