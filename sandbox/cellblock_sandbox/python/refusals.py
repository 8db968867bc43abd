"""What the code tried last that the sandbox refuses, in the words of its author.

Python announces such attempts to audit hooks before it makes the system call. What is noted here only words
a message; the refusal itself is the kernel's.
"""

from __future__ import annotations

import errno
import socket
import sys
from typing import Final

_FILE: Final = "open the file {}"
_CHANGE: Final = "change files ({})"
_PROCESS: Final = "start another process"
_NETWORK: Final = "open a network connection"
_ATTEMPTS: Final = {
    "open": _FILE,
    "os.listdir": "list the folder {}",
    "os.scandir": "list the folder {}",
    "os.chdir": "enter the folder {}",
    "ctypes.dlopen": "load the library {}",
    "mmap.__new__": "share memory",
    "os.fork": _PROCESS,
    "os.forkpty": _PROCESS,
    "os.system": _PROCESS,
    "os.exec": _PROCESS,
    "os.posix_spawn": _PROCESS,
    "os.spawn": _PROCESS,
    "pty.spawn": _PROCESS,
    "subprocess.Popen": _PROCESS,
    "os.kill": "signal another process",
    "os.killpg": "signal another process",
    "socket.__new__": _NETWORK,
    "socket.connect": _NETWORK,
    "socket.bind": "listen on the network",
    "socket.getaddrinfo": "look up a host on the network",
    "socket.gethostbyname": "look up a host on the network",
    "socket.gethostbyaddr": "look up a host on the network",
} | dict.fromkeys(
    (
        *(
            "os.remove",
            "os.rename",
            "os.mkdir",
            "os.rmdir",
            "os.link",
            "os.symlink",
            "os.truncate",
            "os.utime",
        ),
        *("os.chmod", "os.chown", "os.setxattr", "os.removexattr"),
    ),
    _CHANGE,
)
_MODULES: Final = (".py", ".pyc", ".so")  # opened by imports, which are no attempts
_OF_FILES: Final = ("open", "os.listdir", "os.scandir", "os.chdir")
_ERRNOS: Final = {errno.EPERM, errno.EACCES, errno.ENOSYS}

_last: list[tuple[str, str]] = []


def watch() -> None:
    """Note from now on what is tried."""
    sys.addaudithook(_note)


def forget() -> None:
    """Forget what was noted so far."""
    _last.clear()


def refusal_behind(error: BaseException) -> str | None:
    """What a refusal that surfaced as `error` was of, as a sentence; None where it was none."""
    if type(error).__name__ == "URLError":  # urllib's, which wraps the one we look for
        error = getattr(error, "reason", error)
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.ENOENT and "temporary directory" in str(error.strerror):  # tempfile's own words
        return _sentence("make a temporary file")
    event, argument = _last[-1] if _last else ("", "")
    missing = error.errno == errno.ENOENT and error.filename is not None
    # Where the cell has a root of its own, the host's files are not even there.
    if not (error.errno in _ERRNOS or missing or isinstance(error, socket.gaierror)):
        return None
    attempt = _ATTEMPTS.get(event, "do something")
    if error.filename is None and event in _OF_FILES:
        attempt = "do something"  # it names no file, so the file noted last is not what it is about
    named = attempt.format(argument)
    # Python announces no look at a file's metadata, so what was noted last may be about another file.
    if (
        error.filename is not None
        and (not event or "{}" in attempt)
        and repr(error.filename)[:200] not in named
    ):
        named = f"reach the file {error.filename!r:.200}"
    return _sentence(named)


def _sentence(attempt: str) -> str:
    return f"this code node tried to {attempt}, which is not allowed"


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in _ATTEMPTS:
        argument = arguments[0] if arguments else ""
        if event == "open" and str(argument).endswith(_MODULES):
            return
        _last[:] = [(event, repr(argument)[:200] if isinstance(argument, str | bytes) else event)]
