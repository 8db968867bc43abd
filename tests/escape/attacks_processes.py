"""Attacks on and by other processes."""

from tests.escape.attack import ENOSYS, EPERM, Attack

ONLY_EPERM = frozenset({EPERM})

PROCESSES = [
    Attack(
        name="start a process",
        code="""
def attack():
    tried("fork", os.fork)
    tried("posix_spawn", os.posix_spawn, sys.executable, [sys.executable], {})
    tried("execv", os.execv, sys.executable, [sys.executable, "-c", "1"])
    call("fork")
    call("clone", signal.SIGCHLD, 0, 0, 0, 0)
    call("clone", 0x8000 | signal.SIGCHLD, 0, 0, 0, 0)  # beside oneself
    call("clone", 0x4000 | 0x100 | signal.SIGCHLD, 0, 0, 0, 0)  # as vfork does
    call("clone", 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)  # in a user namespace
    call("clone", 0x10000 | 0x800 | 0x100 | 0x2000, 0, 0, 0, 0)  # a thread with CLONE_PTRACE
""",
        proofs=9,
    ),
    Attack(
        name="a shell",
        code="""
def attack():
    status = os.system("echo out > /tmp/new")
    evidence.append(["system", "errno", 1] if status == 127 << 8 else ["system", "got", status])
    import subprocess
    tried("Popen", subprocess.Popen, ["/bin/sh", "-c", "true"])
    tried("shell", subprocess.run, "true", shell=True)
""",
        proofs=3,
    ),
    Attack(
        name="kill others",
        code="""
def attack():
    for name, pid in (("parent", os.getppid()), ("group", 0), ("all", -1), ("zygote", w["zygote"]),
                      ("owner", w["owner"]), ("stranger", w["stranger"]), ("first", 1)):
        tried(name, os.kill, pid, signal.SIGKILL)
    tried("killpg", os.killpg, os.getpgrp(), signal.SIGKILL)
""",
        errnos=ONLY_EPERM,
        proofs=8,
    ),
    Attack(
        name="kill every number",
        code="""
def attack():
    came = set()
    for pid in set(range(-5000, 5000)) - {os.getpid()}:
        came.add(ctypes.get_errno() if libc.kill(pid, signal.SIGKILL) else "it")
    evidence.extend(["kill", "errno" if number != "it" else "got", number] for number in came)
""",
        errnos=ONLY_EPERM,
    ),
    Attack(
        name="signal by other calls",
        code="""
def attack():
    for pid in (os.getppid(), w["zygote"], w["stranger"]):
        call("tgkill", pid, pid, signal.SIGKILL)
        call("tkill", pid, signal.SIGKILL)
        call("rt_sigqueueinfo", pid, signal.SIGKILL, ctypes.create_string_buffer(128))
        call("pidfd_open", pid, 0)
        call("kill", pid + (1 << 32), signal.SIGKILL)  # the kernel looks at the lower half only
    call("pidfd_open", os.getpid(), 0)
""",
        proofs=16,
    ),
    Attack(
        name="change others",
        code="""
def attack():
    import resource
    for pid in (os.getppid(), w["zygote"], w["stranger"]):
        call("prlimit64", pid, resource.RLIMIT_CPU, struct.pack("QQ", 1, 1), 0)
        call("sched_setaffinity", pid, 8, struct.pack("Q", 1))
        call("sched_setscheduler", pid, 5, struct.pack("i", 0))
        call("ioprio_set", 1, pid, 0)
        tried("setpriority", os.setpriority, os.PRIO_PROCESS, pid, 19)
""",
        proofs=15,
    ),
    Attack(
        name="tell from clocks what others do",
        code="""
def attack():
    room = ctypes.create_string_buffer(16)
    for pid in (os.getppid(), w["zygote"], w["owner"], w["stranger"], 1):
        for kind in (0, 1, 2, 4, 6):  # used, in user mode, scheduled; of the process and of a thread
            clock = (~pid << 3) | kind
            call("clock_gettime", clock, room)
            call("clock_getres", clock, room)
            call("clock_nanosleep", clock, 0, bytes(16), 0)
            call("clock_gettime", clock % 2**32, room)
""",
        errnos=frozenset({ENOSYS}),
        proofs=100,
    ),
    Attack(
        name="tell who is there by a lock that names its holder",
        code="""
def attack():
    for pid in (os.getppid(), w["zygote"], w["owner"], w["stranger"], 1, 4_000_000):
        for operation in (6, 8, 13, 6 | 128, 13 | 128, 6 | 256):  # FUTEX_LOCK_PI, TRYLOCK_PI, LOCK_PI2
            word = ctypes.c_uint32(pid)
            call("futex", ctypes.byref(word), operation, 0, bytes(16), 0, 0)
    for operation in (2, 7, 11, 12):  # FD, UNLOCK_PI, WAIT_REQUEUE_PI, CMP_REQUEUE_PI
        call("futex", ctypes.byref(word), operation, 1, bytes(16), ctypes.byref(word), 0)
""",
        errnos=frozenset({ENOSYS}),
        proofs=40,
    ),
    Attack(
        name="ask for the rank of others",
        code="""
def attack():
    for pid in (os.getppid(), w["zygote"], w["owner"], w["stranger"], 1 << 32):
        for name in ("getpgid", "getsid", "sched_getaffinity", "sched_getscheduler"):
            call(name, pid, 8, bytes(8))
        for kind in (0, 1, 2, 1 << 32):
            call("getpriority", kind, pid)
    for kind in (1, 2):
        call("getpriority", kind, 0)
""",
        errnos=ONLY_EPERM,
        proofs=42,
    ),
    Attack(
        name="signal and change a sibling",
        code="""
def attack():
    for pid in {os.getpid() + step for step in range(-20, 21)} - {os.getpid()}:
        call("kill", pid, signal.SIGKILL)
        call("tgkill", pid, pid, signal.SIGKILL)
        call("prlimit64", pid, 0, struct.pack("QQ", 1, 1), 0)
        call("sched_setaffinity", pid, 8, struct.pack("Q", 1))
""",
        proofs=160,
    ),
    Attack(
        name="ask for the peer of the channel",
        code="""
def attack():
    channel = socket.socket(fileno=os.dup(3))
    tried("its ids", channel.getsockopt, socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    tried("its groups", channel.getsockopt, socket.SOL_SOCKET, 59, 64)
    tried("its pidfd", channel.getsockopt, socket.SOL_SOCKET, 77)
    tried("its pidfd with messages", channel.setsockopt, socket.SOL_SOCKET, 76, 1)
    channel.detach()
""",
        errnos=ONLY_EPERM,
        proofs=4,
    ),
]
