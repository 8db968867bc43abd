"""Random system calls, made inside Python cells: any number, arguments that have meant trouble before."""

from collections.abc import Iterable

from cellblock_sandbox import policy

CODE = r'''
import ctypes, os, random, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

def words(rng, w, pages):
    """Arguments: nothing, small numbers, descriptors, flags, bounds, processes, places in memory."""
    place = rng.choice(pages)
    return rng.choice([
        0, 0, 1, 2, 3, -1, -100, rng.randrange(10), rng.randrange(10), rng.randrange(64), rng.randrange(600),
        1 << rng.randrange(64), (1 << rng.randrange(64)) - 1, rng.getrandbits(64), 4096, 0x7FFFFFFF,
        0xFFFFFFFF, os.getpid(), w["owner"], w["zygote"] or 0, w["stranger"], w["tcp_port"], id(rng),
        place, place, place, place + rng.randrange(4096),
    ])

def some_pages(rng, w):
    """Memory that looks like paths, addresses, sets of flags, frames and pointers to one another."""
    contents = [w[name].encode() + bytes(64) for name in ("secret_file", "folder", "stream_path")]
    contents += [(w["folder"] + "/new").encode() + bytes(64)]
    contents += [b"\x01\x00" + w["stream_path"].encode() + bytes(64)]
    contents += [b"\x01\x00" + w["abstract"].encode("latin-1")]
    contents += [b"\x02\x00" + w["tcp_port"].to_bytes(2, "big") + b"\x7f\0\0\1"]
    contents += [bytes(4096), rng.randbytes(256), b"\xff" * 64, (1).to_bytes(8, "little") * 16]
    contents += [b"\x00\x00\x00\x02{}", b"\x00\x00\x00\x0e" + b'{"outputs":{}}']
    buffers = [ctypes.create_string_buffer(content, 4096) for content in contents]
    pages = [ctypes.addressof(buffer) for buffer in buffers]
    table = ctypes.create_string_buffer(4096)
    for at in range(0, 4096, 8):
        ctypes.memmove(ctypes.addressof(table) + at, rng.choice(pages).to_bytes(8, "little"), 8)
    return [*pages, ctypes.addressof(table)], [*buffers, table]

def work(seed, w):
    rng = random.Random(seed)
    pages, kept = some_pages(rng, w)
    numbers = w["numbers"]
    if w["swarm"]:  # a few calls again and again come to states that all of them together do not
        numbers = rng.sample(numbers, min(w["swarm"], len(numbers)))
    for _ in range(w["calls"]):
        number = rng.choice(numbers)
        arguments = [ctypes.c_long(ctypes.c_long(words(rng, w, pages)).value) for _ in range(6)]
        libc.syscall(ctypes.c_long(number), *arguments)

def main(**w):
    threads = [threading.Thread(target=work, args=(f"{w['seed']}-{n}", w)) for n in range(w["threads"])]
    for thread in threads:
        thread.start()
    work(w["seed"], w)
    return {"made": w["calls"]}
'''

# What waits until the time of a cell is over, or ends it at once.
_NO_ANSWER = """
    pause ppoll poll select pselect6 rt_sigsuspend rt_sigtimedwait futex futex_waitv wait4 waitid epoll_wait
    epoll_pwait epoll_pwait2 nanosleep clock_nanosleep read readv recvfrom
    exit exit_group rt_sigreturn munmap mremap brk mprotect rt_sigaction sigaltstack
"""
# What is allowed with some arguments, beside what the policy always allows.
_CONDITIONAL = """
    mmap open openat clone kill tgkill prctl getpgid getsid prlimit64 sched_getaffinity sched_getscheduler
    sched_getparam sched_getattr fcntl ioctl socketpair sendto getsockopt
"""
_ALL = 600
_X32 = 0x4000_0000


def choices() -> list[list[int]]:
    """Sets of calls' numbers: all there are, those that a cell survives, those that it may make, x32's."""
    answered = set(range(_ALL)) - _numbers(_NO_ANSWER.split())
    survived = answered - _numbers(policy._DEADLY)
    allowed = answered & _numbers((*policy._ALLOWED, *_CONDITIONAL.split()))
    return [[*range(_ALL)], sorted(survived), sorted(allowed), [*range(_X32, _X32 + _ALL)]]


def _numbers(names: Iterable[str]) -> set[int]:
    import pyseccomp

    return {pyseccomp.resolve_syscall(pyseccomp.system_arch(), name) for name in names}
