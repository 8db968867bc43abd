"""The warm interpreter that cells are forked from; it never sees a byte of anybody's code.

owner ──order + 3 descriptors──> fork ──"forked" + pidfd──> owner      (control socket, packets)
                                   └── cell ends ──"exited", status, CPU, memory──> owner

An order is four numbers: which cell is wanted, in how many milliseconds, whether it is to rehearse, and which
cell has answered and goes before it is made (0: none).
"""

from __future__ import annotations

import _thread
import base64
import gc
import importlib
import json
import os
import select
import signal
import site
import socket
import struct
import sys
import time
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from typing import TYPE_CHECKING, Any, Final

from . import alone, channel, faults, harness, native, refusals
from .native import NativeLock

if TYPE_CHECKING:
    from .lock import Lock

_CONTROL: Final = 3
_CONFIG_BYTES: Final = 1 << 17
_DESCRIPTORS: Final = 64  # its ceiling
_REHEARSALS: Final = 20  # it makes its code faster from the eighth time on, in several steps
_FORK_TRIES: Final = 200
_FORK_PAUSE_S: Final = 0.01
# Counts against a job's memory whether used or not; libc's 8 MB would be most of it.
_THREAD_STACK: Final = 1 << 20

# The talk with the owner in ready-made pieces and by plain calls: what a zygote writes to between two forks,
# the reference count of a function included, it has to copy again after each.
_ORDER_BYTES: Final = 64
_PASSED: Final = struct.Struct("3i")  # channel, stdout, stderr
_PASSED_BYTES: Final = socket.CMSG_LEN(_PASSED.size)
_PIDFD: Final = struct.Struct("i")
_FORKED: Final = b"forked %d"
_EXITED: Final = b"exited %d %d %d %d"  # which, its status, CPU ns, peak KB


class Borrowed:
    """Finds top-level packages by name in folders that hold others too, which stay unseen."""

    def __init__(self, places: dict[str, str]) -> None:
        """`places` maps a package's name to its folder, or a module's to its file."""
        self._places = places

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ANN401
        """As `importlib.abc.MetaPathFinder` has it."""
        place = self._places.get(name)
        if place is None or path is not None:
            return None
        if place.endswith((".py", ".so")):
            return spec_from_file_location(name, place)
        return spec_from_file_location(name, f"{place}/__init__.py", submodule_search_locations=[place])


def main(live: Callable[[int], object] | None = None) -> None:
    """Warm up as the owner says, then serve it until it goes; `live` is the life of a cell that is locked."""
    with socket.socket(fileno=_CONTROL) as control:
        config = json.loads(control.recv(_CONFIG_BYTES))
        try:
            lock = warm(config)
            lock.apply_to_zygote()
        except Exception as error:
            control.send(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
            os._exit(1)
        os.dup2(0, 2)  # the owner reads what went wrong at the start; from here on there is no word to say
        control.send(b"{}")
        (native.serve if isinstance(lock, NativeLock) else Zygote(control, lock).serve)(live or _live)


def warm(config: dict[str, Any]) -> NativeLock | Lock:
    """Import what jobs will want, and freeze the heap; returns the lock for the cells."""
    os.environ.clear()
    os.environ["PYTHONTZPATH"] = ""  # else zoneinfo loads all that Python's build knew, for one folder
    sys.path[:0] = config["path"]
    sys.meta_path.append(Borrowed(config["borrowed"]))
    faults.hide([*config["path"], *map(os.path.dirname, config["borrowed"].values())])
    site.setquit()
    with alone.random_seeded_plainly():
        for name in config["preload"]:
            importlib.import_module(name)
    os.environ.clear()
    if "zoneinfo" in sys.modules:
        sys.modules["zoneinfo"].reset_tzpath(())  # the host's zones may be seen and not read: tzdata has them
    lock = _kind_of_lock()(
        inherited=base64.b64decode(config["inherited_filter"]),
        own=base64.b64decode(config["filter"]),
        self_marker=config["self_marker"],
        nested_landlock=config["nested_landlock"],
    )
    alone.give_back_hook()
    _thread.stack_size(_THREAD_STACK)
    harness.use_standard_streams()
    refusals.watch()
    for name in [name for name in sys.modules if name.split(".")[0] == __package__]:
        del sys.modules[name]  # the code may have a module of that name; ours is reached by nobody
    sys.argv[:] = ["node.py"]
    gc.collect()
    lock.release_memory()
    gc.disable()
    for _ in range(_REHEARSALS):  # what the interpreter learns and caches here, no cell has to
        lock.rehearse()
        reseed()
        if native.cell is None:
            channel.rehearse()
        harness.rehearse()
    gc.freeze()
    return lock


def _kind_of_lock() -> type[NativeLock | Lock]:
    if native.cell is not None:
        return native.NativeLock
    from .lock import Lock  # with ctypes, which would be in each cell

    return Lock


class Zygote:
    """Forks cells on command, tells of each its pidfd and in the end how it went."""

    def __init__(self, control: socket.socket, lock: Lock) -> None:
        self._control = control
        self._lock = lock
        self._pid = os.getpid()
        self._cells: dict[int, tuple[int, int]] = {}  # pidfd -> (seq, pid)
        self._later: tuple[float, int, int, int, tuple[int, int, int]] | None = None  # an order: when, seq, …
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self, live: Callable[[int], object]) -> None:
        """Until the owner is gone."""
        self._live = live
        while True:
            patience = None if self._later is None else max(0.0, self._later[0] - time.monotonic()) * 1000
            events = self._poll.poll(patience)
            for descriptor, _ in events:
                if descriptor == _CONTROL:
                    self._command()
                else:
                    self._reap(descriptor)
            if not events:
                self._fork_now()

    def _command(self) -> None:
        message, ancillary, _, _ = self._control.recvmsg(_ORDER_BYTES, _PASSED_BYTES)
        if not message:
            os._exit(0)
        self._fork_now()
        if message != b"now":
            seq, delay_ms, rehearse, done = map(int, message.split())
            ((_, _, passed),) = ancillary
            self._later = (time.monotonic() + delay_ms / 1000, seq, rehearse, done, _PASSED.unpack(passed))
            if delay_ms == 0:
                self._fork_now()

    def _fork_now(self) -> None:
        if self._later is None:
            return
        (_, seq, rehearse, done, descriptors), self._later = self._later, None
        for other, pid in self._cells.values():
            if other == done:
                os.kill(pid, signal.SIGKILL)  # we have not reaped it, so the number is its own
        pid = self._forked()
        if pid == 0:
            self._become_cell(rehearse, *descriptors)
        pidfd = os.pidfd_open(pid)
        passed = (socket.SOL_SOCKET, socket.SCM_RIGHTS, _PIDFD.pack(pidfd))
        self._control.sendmsg((_FORKED % seq,), (passed,))
        self._cells[pidfd] = (seq, pid)
        self._poll.register(pidfd, select.POLLIN)
        for descriptor in descriptors:
            os.close(descriptor)

    def _forked(self) -> int:
        """A fork; where a cell that was killed has still all the processes that we may have, it ends soon."""
        for _ in range(_FORK_TRIES):
            try:
                return os.fork()
            except BlockingIOError:  # EAGAIN
                time.sleep(_FORK_PAUSE_S)
        return os.fork()

    def _become_cell(self, rehearse: int, talk: int, stdout: int, stderr: int) -> None:
        try:
            # An end of input of its own: what cells share, even the flags of /dev/null, carries words.
            stdin, _ = os.pipe()
            for source, target in ((stdin, 0), (stdout, 1), (stderr, 2), (talk, channel.CHANNEL)):
                os.dup2(source, target)
            self._control.detach()
            self._lock.apply(self._pid)
            os.closerange(channel.CHANNEL + 1, _DESCRIPTORS)
            gc.enable()
            self._live(rehearse)
        finally:
            os._exit(1)

    def _reap(self, pidfd: int) -> None:
        seq, pid = self._cells.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status, usage = os.wait4(pid, 0)
        cpu_ns = int((usage.ru_utime + usage.ru_stime) * 1e9)
        self._control.send(_EXITED % (seq, status, cpu_ns, usage.ru_maxrss))


def _live(rehearse: int) -> None:
    """The life of a cell that is locked. Where its job waits already, a rehearsal would only cost."""
    reseed()
    if rehearse:
        harness.rehearse()
    harness.serve(native.cell or channel)


def reseed() -> None:
    """Give the cell random numbers of its own; `random` sees to itself after a fork, numpy does not."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
