"""The folder that the processes of one worker share: metrics, tenants that have a label, and troubles.

    cellblock-watch-XXXX/   lock       held by all of them, for as long as one of them lives
                            *.db       prometheus-client's files, for each slot and for the main process
                            tenants    those that have a label of their own, a line each
                            trouble-N  why slot N cannot run code; gone when it can

It lies in memory where the host has /dev/shm. Who is killed leaves it behind, and the next worker removes it.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "cellblock-watch-"
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of mode 0700 is made there
_LONGEST: Final = 500  # characters of a reason

OTHER: Final = "other"
"""Label of the tenants that have none of their own."""


class Folder:
    """Made by the main process before it forks; `close` removes it."""

    def __init__(self, tenants: int) -> None:
        """`tenants`: how many have a label of their own."""
        parent = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        _remove_left_behind(parent)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._most = tenants
        self._known: set[str] = set()

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def label(self, tenant: str) -> str:
        """The tenant's label: its name for the first so many of this worker, else `other`."""
        if tenant in self._known:
            return tenant
        if len(self._known) < self._most:
            self._learn(tenant)
        return tenant if tenant in self._known else OTHER

    def trouble(self, slot: int, why: str) -> None:
        """Note why a slot cannot run code."""
        with suppress(OSError):
            (self.path / f"trouble-{slot}").write_text(why[:_LONGEST], encoding="utf-8")

    def no_trouble(self, slot: int) -> None:
        """Note that it can."""
        with suppress(OSError):
            (self.path / f"trouble-{slot}").unlink(missing_ok=True)

    def troubles(self) -> list[str]:
        """What is wrong with slots, each reason once."""
        reasons = set()
        for note in self.path.glob("trouble-*"):
            with suppress(OSError):
                reasons.add(note.read_text(encoding="utf-8"))
        return sorted(reasons)

    def _learn(self, tenant: str) -> None:
        """Read what the other processes know, and add this one while there is room."""
        try:
            with (self.path / "tenants").open("a+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                self._known = set(file.read().split())
                if tenant not in self._known and len(self._known) < self._most:
                    file.write(f"{tenant}\n")
                    self._known.add(tenant)
        except OSError:
            return  # then it has no label of its own


def _remove_left_behind(parent: Path) -> None:
    """Remove the folders of workers that are gone: nobody holds their lock."""
    for left in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, or just being made or removed
            lock = os.open(left / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)
