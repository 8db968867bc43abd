"""Attacks on and by other processes."""

from tests.escape.attack import EPERM, Attack

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
