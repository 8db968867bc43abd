"""Attacks on the bounds: memory, clocks, threads, output, and the owner's patience."""

from cellblock_sandbox import Limits, Verdict

from tests.escape.attack import Attack

SHORT = Limits(wall_ms=400, cpu_ms=300, memory_mb=64)
SMALL = Limits(wall_ms=5_000, cpu_ms=5_000, memory_mb=64)
_NOT_PERMITTED = frozenset({1})

MEMORY = [
    Attack(
        name="memory that no limit counts",
        code="""
def attack():
    import mmap
    for flags in (mmap.MAP_SHARED | mmap.MAP_ANONYMOUS, mmap.MAP_ANONYMOUS, 3 | mmap.MAP_ANONYMOUS):
        tried(f"mmap {flags}", mmap.mmap, -1, 1 << 20, flags)
    tried("memfd", os.memfd_create, "x")
    call("memfd_secret", 0)
    call("shmget", 0, 1 << 20, 0o600 | 0o1000)
    call("semget", 0, 1, 0o600 | 0o1000)
    fd = os.open(os.__file__, os.O_RDONLY)
    tried("a file", mmap.mmap, fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ)
    by_libc("mlockall", libc.mlockall(3))
    pipe, _ = os.pipe()
    import fcntl
    tried("larger pipes", fcntl.fcntl, pipe, 1031, 1 << 20)
""",
        proofs=10,
    ),
    Attack(
        name="take memory and make it read-only",
        code="""
def attack():
    import mmap, time
    kept = []
    while True:
        memory = mmap.mmap(-1, 16 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 3)
        place = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        ctypes.memset(place, 1, 16 << 20)
        if libc.mprotect(ctypes.c_void_p(place), 16 << 20, 1):
            raise MemoryError
        kept.append(memory)
""",
        verdict=Verdict.MEMORY_LIMIT,
        limits=SMALL,
    ),
    Attack(
        name="page tables of sparse reads",
        code="""
def attack():
    import mmap
    kept = []
    while True:
        memory = mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 1)
        kept.append(memory)
        for place in range(0, 1 << 30, 1 << 21):
            memory[place]
""",
        verdict=Verdict.MEMORY_LIMIT,
        limits=SMALL,
    ),
    Attack(
        name="take memory in threads",
        code="""
def attack():
    import threading
    def eat():
        kept = []
        while True:
            kept.append(bytearray(1 << 20))
    threads = [threading.Thread(target=eat, daemon=True) for _ in range(4)]
    threading.excepthook = lambda _: os.kill(os.getpid(), signal.SIGSTOP)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
""",
        verdict=Verdict.TIMEOUT,
        limits=SHORT,
    ),
    Attack(
        name="raise its own limits",
        code="""
def attack():
    import resource
    for name in ("DATA", "AS", "CPU", "NOFILE", "FSIZE", "CORE", "MEMLOCK", "STACK", "MSGQUEUE",
                 "SIGPENDING"):
        number = getattr(resource, "RLIMIT_" + name, {"MSGQUEUE": 12, "SIGPENDING": 11}.get(name))
        soft, hard = resource.getrlimit(number)
        for wanted in ((soft, hard + 1), (hard + 1, hard + 1), (-1, -1)):
            try:
                resource.setrlimit(number, wanted)
                evidence.append([name, "got", wanted])
            except ValueError:  # Python's word for EPERM
                evidence.append([name, "errno", 1])
""",
        errnos=_NOT_PERMITTED,
        proofs=30,
    ),
]

CLOCKS = [
    Attack(
        name="ignore every signal and loop",
        code="""
def attack():
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        pass
""",
        verdict=Verdict.CPU_LIMIT,
        limits=Limits(wall_ms=5_000, cpu_ms=200),
    ),
    Attack(
        name="loop in threads",
        code="""
def attack():
    import hashlib, threading
    for _ in range(3):
        threading.Thread(target=lambda: [hashlib.sha256(bytes(1 << 24)) for _ in range(10_000)]).start()
    while True:
        pass
""",
        verdict=Verdict.CPU_LIMIT,
        limits=Limits(wall_ms=9_000, cpu_ms=200),
    ),
    Attack(
        name="stop itself",
        code="def attack(): os.kill(os.getpid(), signal.SIGSTOP)",
        verdict=Verdict.TIMEOUT,
        limits=SHORT,
    ),
    Attack(
        name="sleep in a signal handler that calls itself",
        code="""
def attack():
    import time
    signal.signal(signal.SIGALRM, lambda *_: time.sleep(60))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    time.sleep(60)
""",
        verdict=Verdict.TIMEOUT,
        limits=SHORT,
    ),
    Attack(
        name="more threads than allowed",
        code="""
def attack():
    import threading, time
    for _ in range(40):
        threading.Thread(target=time.sleep, args=(60,)).start()
    time.sleep(60)
""",
        verdict=Verdict.BLOCKED,
        limits=Limits(threads=20),
    ),
    Attack(
        name="answer and stay",
        code="""
def attack():
    os.write(3, frame(b'{"outputs": {"a": 1}}'))
    while True:
        pass
""",
        outputs={"a": 1},
    ),
    Attack(
        name="leave threads behind",
        code="""
def attack():
    import atexit, threading, time
    atexit.register(time.sleep, 60)
    threading.Thread(target=time.sleep, args=(60,)).start()
    os._exit = lambda _: time.sleep(60)
    evidence.append(["threads", "errno", 1])
""",
    ),
]

# The first thread ends and another goes on: /proc/PID/status, where the owner looks, is that of the first.
# The owner, who sees nothing any more, ends it.
LEFT_BEHIND = [
    Attack(
        name="loop in another thread alone",
        code="""
def attack():
    import threading
    def spin():
        while True:
            pass
    threading.Thread(target=spin).start()
    call("exit", 0)
""",
        verdict=Verdict.CRASHED,
        limits=Limits(wall_ms=60_000, cpu_ms=60_000),
    ),
    Attack(
        name="take memory in another thread alone",
        code="""
def attack():
    import mmap, threading
    def eat():
        kept = []
        while True:
            memory = mmap.mmap(-1, 4 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 3)
            place = ctypes.addressof(ctypes.c_char.from_buffer(memory))
            ctypes.memset(place, 1, 4 << 20)
            libc.mprotect(ctypes.c_void_p(place), 4 << 20, 1)
            kept.append(memory)
    threading.Thread(target=eat).start()
    call("exit", 0)
""",
        verdict=Verdict.CRASHED,
        limits=Limits(wall_ms=60_000, cpu_ms=60_000, memory_mb=64),
    ),
]

OUTPUT = [
    Attack(
        name="print without end",
        code="""
def attack():
    while True:
        os.write(1, bytes(1 << 16))
        os.write(2, bytes(1 << 16))
""",
        verdict=Verdict.CPU_LIMIT,
        limits=Limits(cpu_ms=200, output_bytes=1000),
    ),
    Attack(
        name="print in tiny packets",
        code="""
def attack():
    import fcntl
    fcntl.fcntl(1, fcntl.F_SETFL, os.O_DIRECT)
    while True:
        os.write(1, b"x")
""",
        verdict=Verdict.CPU_LIMIT,
        limits=Limits(cpu_ms=200),
    ),
    Attack(
        name="an answer without end",
        code="""
def attack():
    os.write(3, struct.pack("!I", 1 << 20))
    while True:
        os.write(3, b" " * 4096)
""",
        verdict=Verdict.INVALID_OUTPUT,  # the first that it announced is complete, and all spaces
        limits=Limits(cpu_ms=200, wall_ms=9_000),
    ),
    Attack(
        name="announce an answer of 4 GB",
        code="def attack(): [os.write(3, b'\\xff' * 4096) for _ in range(10**6)]",
        verdict=Verdict.OUTPUT_LIMIT,
    ),
    Attack(
        name="an answer beyond the limit, past the harness",
        code="""
def attack():
    os.write(3, frame(b'{"outputs": {"a": "' + b"x" * 2000 + b'"}}'))
    os._exit(0)
""",
        verdict=Verdict.OUTPUT_LIMIT,
        limits=Limits(output_bytes=1000),
    ),
    Attack(
        name="half an answer",
        code="""
def attack():
    import time
    os.write(3, struct.pack("!I", 100) + b"{")
    time.sleep(60)
""",
        verdict=Verdict.TIMEOUT,
        limits=SHORT,
    ),
    Attack(
        name="close everything",
        code="""
def attack():
    import time
    os.closerange(0, 1000)
    time.sleep(60)
""",
        verdict=Verdict.TIMEOUT,
        limits=SHORT,
    ),
]
