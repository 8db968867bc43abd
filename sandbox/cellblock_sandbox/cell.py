"""The owner's end of one cell: a channel for the job and its answer, two pipes for what it prints.

A cell is in this order: asked for, *forked* (its pidfd is here), *ready* (locked and rehearsed), busy, gone.
"""

from __future__ import annotations

import _socket
import os
import re
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cellblock_sandbox.python.channel import READY

_STATUS: Final = ("VmSize", "VmHWM", "VmRSS", "RssAnon", "RssShmem", "VmData", "VmPTE", "VmSwap", "Threads")
# In the order of the file, each at the start of a line: the first one holds a name that the cell chooses.
_IN_STATUS: Final = re.compile("".join(rf"\n{name}:\s+(\d+)(?s:.*?)" for name in _STATUS).encode())
_PID: Final = re.compile(rb"\nPid:\s+(\d+)")
_PROC_BYTES: Final = 32 << 10  # more than either file has, with a thousand groups


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A process's memory in bytes, and its number of threads, as /proc/PID/status has them."""

    address_space: int
    resident: int
    peak: int  # the most that was ever resident
    own: int  # anonymous and shared memory, swapped out or not, and page tables: what its limit is about
    data: int
    threads: int


@dataclass(frozen=True, kw_only=True)
class Exit:
    """What the zygote, its parent, reports of a cell that is gone."""

    status: int
    cpu_ns: int
    peak_kb: int


class Cell:
    """Descriptors of one cell; closed by `close`, at the latest when the sandbox is."""

    def __init__(self, seq: int, *, put_off: bool = False) -> None:
        """`put_off` says that it was asked for later than at once."""
        self.seq = seq
        self.put_off = put_off
        # Without the class around it, which asks the kernel what they are.
        self.channel, self._inner_channel = _socket.socketpair()
        self.stdout, self._inner_stdout = os.pipe()
        self.stderr, self._inner_stderr = os.pipe()
        for descriptor in (self.stdout, self.stderr):
            os.set_blocking(descriptor, False)
        self.channel.setblocking(False)
        self.pidfd = -1
        self.pid = 0  # by our own pid namespace; 0, which is nobody's, also for one that is gone
        self.exit: Exit | None = None
        self.ready_ns: int | None = None  # CPU nanoseconds that it had used when it got ready
        self._status = -1  # its file in /proc, once it was looked at
        self._ready = b""
        self._killed = False
        self._closed = False

    def inner_descriptors(self) -> list[int]:
        """What the cell gets: channel, stdout, stderr."""
        return [self._inner_channel.fileno(), self._inner_stdout, self._inner_stderr]

    def forked(self, pidfd: int) -> None:
        """Take the pidfd that the zygote passed, and learn the pid behind it."""
        if self._closed:
            os.close(pidfd)  # nobody waited for it; it sees the end of its channel and goes
            return
        self.pidfd = pidfd
        found = _PID.search(_content(f"/proc/self/fdinfo/{pidfd}"))
        if found is not None:  # else it is gone already, and its zygote will say how
            self.pid = int(found[1])

    def let_go_of_inner(self) -> None:
        """Close our copies of what the cell got."""
        self._inner_channel.close()
        os.close(self._inner_stdout)
        os.close(self._inner_stderr)

    def read_ready(self) -> bool:
        """Take the word that the cell is ready, with the CPU time it has used; False: not all of it came."""
        with suppress(BlockingIOError):
            self._ready += self.channel.recv(READY.size - len(self._ready))
        if len(self._ready) < READY.size:
            return False
        self.ready_ns = int(READY.unpack(self._ready)[0])
        return True

    def kill(self) -> None:
        """End it, however it is."""
        if self.pidfd >= 0 and self.exit is None and not self._killed:
            self._killed = True
            with suppress(ProcessLookupError):  # it is gone already, and its zygote will say how
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def stop(self) -> None:
        """Let it do nothing more; its end is still to come."""
        if self.pidfd >= 0 and self.exit is None and not self._killed:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGSTOP)

    def memory(self) -> Memory | None:
        """What it holds now, None when it is gone or a zombie."""
        try:
            if self._status < 0:
                self._status = os.open(f"/proc/{self.pid}/status", os.O_RDONLY | os.O_CLOEXEC)
            found = _IN_STATUS.search(os.pread(self._status, _PROC_BYTES, 0))
        except OSError:
            return None
        if found is None:
            return None
        size, peak, resident, anonymous, shared, data, tables, swapped, threads = map(int, found.groups())
        return Memory(
            address_space=size << 10,
            resident=resident << 10,
            peak=peak << 10,
            own=(anonymous + shared + swapped + tables) << 10,
            data=data << 10,
            threads=threads,
        )

    def close(self) -> None:
        """Kill it and close what is ours."""
        self.kill()
        self.leave()

    def leave(self) -> None:
        """Close what is ours; its zygote was told to end it."""
        self._closed = True
        self.channel.close()
        for descriptor in (self.stdout, self.stderr, self.pidfd, self._status):
            if descriptor >= 0:
                os.close(descriptor)
        self.stdout = self.stderr = self.pidfd = self._status = -1


def _content(path: str) -> bytes:
    """A small file of /proc: by three calls, since it is on the straight path of a job."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, _PROC_BYTES)
    finally:
        os.close(file)
