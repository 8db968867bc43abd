"""A control group (cgroup v2) for one zygote and its cells: the kernel's own bound of all that they hold.

base, a group that holds no process itself ──> cellblock-…, one for each zygote: memory.max, pids.max, cpu.max

It is the last bound, above those of the cells: it counts what no rlimit does (pipes, sockets, page tables,
stacks of the kernel's) and leaves no time between two looks.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import select
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from cellblock_sandbox.launch.plan import Layer

NAME: Final = "cgroup"
HOW: Final = (
    "a cgroup v2 that is ours to divide and holds no process itself: in a systemd unit Delegate=yes and "
    "DelegateSubgroup=worker, elsewhere one named by CELLBLOCK_CGROUP, with its memory and pids controllers"
)

_PREFIX: Final = "cellblock-"
_OURS: Final = re.compile(_PREFIX + r"\d+-[0-9a-f]{8}")  # cellblock-gateway.service is somebody else's
_MOUNT: Final = Path("/sys/fs/cgroup")
_CONTROLLERS: Final = ("memory", "pids", "cpu")
_REQUIRED: Final = {"memory", "pids"}
_END_S: Final = 5.0
_TRIES: Final = 10
# Of a slot: the cell that runs, the one before it, which may still be on its way out, and the standby.
_CELLS: Final = 3
_JOBS: Final = 2
_CELL_BYTES: Final = (
    32 << 20
)  # beyond its job's memory: what the owner's looks let pass, and the kernel's part
_THREADS_BESIDE: Final = 16  # an interpreter's own
_CPU_MAX: Final = "200000 100000"  # one core for the job and one for the next standby


class NoCgroup(Exception):
    """None can be had here; the message says why."""


class Cgroup:
    """One zygote's group; made before it starts, ended after it."""

    def __init__(self, base: Path) -> None:
        """Make one below `base`; raises NoCgroup."""
        self._kills = 0
        self._memory_mb = self._threads = 0
        self._floor = 0
        self._lock = -1
        try:
            enabled = _enable(base)
            sweep(base)
            self.path, self._lock = _make(base)
            if "cpu" in enabled:
                self._write("cpu.max", _CPU_MAX)
            with suppress(FileNotFoundError):  # a kernel without swap
                self._write("memory.swap.max", "0")
        except OSError as error:
            self.end()
            raise NoCgroup(f"the host refuses it: {error.strerror} ({error.filename})") from error
        self.controllers = tuple(name for name in _CONTROLLERS if name in enabled)

    def take(self, pid: int) -> None:
        """Put a process in, and with it all that it will fork; raises NoCgroup."""
        try:
            self._write("cgroup.procs", str(pid))
        except OSError as error:
            refusal = f"the host does not let a process be moved into it: {error.strerror}"
            raise NoCgroup(refusal) from error

    def warm(self) -> None:
        """Remember what the zygote holds now that it is warm: it counts beside the cells."""
        self._floor = int(self._read("memory.current"))

    def allow(self, memory_mb: int, threads: int) -> None:
        """Have room for jobs of so much; the group keeps the size that the largest wanted. Raises OSError."""
        if memory_mb > self._memory_mb:
            self._memory_mb = memory_mb
            cells = _JOBS * (memory_mb << 20) + _CELLS * (self._floor + _CELL_BYTES)
            self._write("memory.max", str(self._floor + cells))
        if threads > self._threads:
            self._threads = threads
            self._write("pids.max", str(_JOBS * threads + (_CELLS + 1) * _THREADS_BESIDE))

    def killed_one(self) -> bool:
        """Whether the kernel has killed a process in it for want of memory since we last asked."""
        before, self._kills = self._kills, self._count("memory.events", "oom_kill")
        return self._kills > before

    def end(self) -> None:
        """Kill whoever is left in it and remove it; nothing happens where it is gone."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
            _remove(self.path)

    def _count(self, name: str, key: str) -> int:
        fields = dict(line.split() for line in self._read(name).splitlines())
        return int(fields.get(key, 0))

    def _read(self, name: str) -> str:
        return (self.path / name).read_text()

    def _write(self, name: str, value: str) -> None:
        (self.path / name).write_text(value)


def find_base(given: Path | None = None) -> Path:
    """The group that ours go below: `given`, or what systemd delegated to us; raises NoCgroup."""
    if given is not None:
        if not (given / "cgroup.controllers").is_file():
            raise NoCgroup(f"{given} is no cgroup v2")
        return given
    if not (_MOUNT / "cgroup.controllers").is_file():
        raise NoCgroup("there is no cgroup v2 at /sys/fs/cgroup")
    own = _MOUNT / _own().lstrip("/")
    for folder in (own, own.parent):
        if _delegated(folder):
            return folder
    raise NoCgroup("none is delegated to us")


def sweep(base: Path) -> None:
    """Clear away the groups of owners that died."""
    for folder in filter(lambda each: _OURS.fullmatch(each.name), base.glob(f"{_PREFIX}*")):
        with suppress(OSError):  # its owner lives, or it is gone meanwhile, or another owner's to remove
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(lock)


def layer(cgroup: Cgroup | None, refusal: str) -> Layer:
    """What to tell of it."""
    return Layer(
        name=NAME, on=cgroup is not None, detail=", ".join(cgroup.controllers) if cgroup else refusal
    )


def _own() -> str:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line.removeprefix("0::")
    raise NoCgroup("this process is in no cgroup v2")


def _delegated(folder: Path) -> bool:
    with suppress(OSError):  # no such mark, no such folder
        return os.getxattr(folder, "user.delegate") == b"1"
    return False


def _enable(base: Path) -> set[str]:
    """Have the controllers below `base` that can be had; raises OSError, or NoCgroup without the required."""
    there = set((base / "cgroup.controllers").read_text().split())
    if missing := _REQUIRED - there:
        raise NoCgroup(f"{base} has no controller {' and '.join(sorted(missing))}")
    control = base / "cgroup.subtree_control"
    for name in _CONTROLLERS:
        if name in there - set(control.read_text().split()):
            try:
                control.write_text(f"+{name}")
            except OSError as error:
                if name in _REQUIRED:
                    busy = error.errno == errno.EBUSY
                    raise NoCgroup(f"{base} holds processes itself" if busy else str(error)) from error
    return set(control.read_text().split())


def _make(base: Path) -> tuple[Path, int]:
    """A group and a descriptor that locks it: who finds one unlocked may clear it away. Raises OSError."""
    for _ in range(_TRIES):  # also before we have locked it
        path = base / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        path.mkdir()
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return path, lock
    raise BlockingIOError(errno.EAGAIN, "others clear it away", str(base))


def _remove(folder: Path) -> None:
    """Kill what is in it, and remove it when nobody is any more."""
    deadline = time.monotonic() + _END_S
    with suppress(OSError):  # Linux 5.14; else those in it end with their owner
        (folder / "cgroup.kill").write_text("1")
    while True:
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                return  # it is gone; or it stays for the next sweep
            _await_change(folder)
        else:
            return


def _await_change(folder: Path) -> None:
    """Until something is told of it, such as that nobody is in it any more, or a little while."""
    with suppress(OSError), (folder / "cgroup.events").open() as events:
        events.read()
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        poll.poll(50)
