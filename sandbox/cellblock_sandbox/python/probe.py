"""Tries, in a cell, what code must not be able to do and what it must; a code node of the self-test's."""

import ctypes
import errno
import mmap
import os
import signal
import socket
import threading
from collections.abc import Callable

_REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOENT, errno.EROFS}


def main(secret: str) -> dict[str, bool]:
    """What was tried, and whether it went as it must."""
    zygote = os.getppid()
    return {
        "read a file of the host": refused(open, secret),
        "list the root of the host": refused(os.listdir, "/") or "etc" not in os.listdir("/"),  # noqa: PTH208
        "write a file": refused(open, "/cellblock", "w"),
        "make a folder": refused(os.mkdir, "/cellblock"),
        "open a socket": refused(socket.socket),
        "open a local socket": refused(socket.socket, socket.AF_UNIX),
        "pair datagram sockets": refused(socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM),
        "fork": refused(os.fork),
        "start a program": refused(os.execv, "/bin/sh", ["sh"]),
        "signal its zygote": refused(os.kill, zygote, 0),
        "signal a group": refused(os.killpg, 0, signal.SIGCONT),
        "move its zygote to another core": refused(os.sched_setaffinity, zygote, {0}),
        "change its user": refused(os.setuid, 0),
        "share memory": refused(mmap.mmap, -1, 4096),
        "make a file in memory": refused(os.memfd_create, "cellblock"),
        "set options of its process": refused(set_dumpable),
        "see an environment": not os.environ,
        "see descriptors beyond its own": descriptors() == [0, 1, 2, 3],
        "(allowed) compute": sum(range(100)) == 4950,
        "(allowed) run a thread": runs_a_thread(),
        "(allowed) draw random numbers": len(os.urandom(8)) == 8,
        "(allowed) read a file of its runtime": os.stat(os.__file__).st_size > 0,  # noqa: PTH116
    }


def refused(attempt: Callable[..., object], *arguments: object) -> bool:
    """Whether it ends in an error that a refusal has."""
    try:
        attempt(*arguments)
    except OSError as error:
        return error.errno in _REFUSED
    return False


def set_dumpable() -> None:
    """prctl(PR_SET_DUMPABLE, 1), after which others of the same user could look into us."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(4, ctypes.c_ulong(1), 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "prctl")


def descriptors() -> list[int]:
    """The numbers of those that are open."""
    return [number for number in range(64) if not is_closed(number)]


def is_closed(number: int) -> bool:
    """Whether there is no descriptor of that number."""
    try:
        os.fstat(number)
    except OSError as error:
        return error.errno == errno.EBADF
    return False


def runs_a_thread() -> bool:
    """Whether a thread can be started, and ends."""
    ran: list[int] = []
    thread = threading.Thread(target=ran.append, args=(1,))
    thread.start()
    thread.join()
    return ran == [1]
