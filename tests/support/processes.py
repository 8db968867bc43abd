"""Processes by their number and when they began: a number alone may be another's by the time one looks."""

from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process as it was seen."""

    pid: int
    began: str
    """What the system says of when it did; "" where it was gone by then."""

    @property
    def lives(self) -> bool:
        """Whether it is there yet; one that nobody has waited for is not."""
        status = _status(self.pid)
        return status != [] and status[0] != "Z" and status[-1] == self.began


def seen(pid: int) -> Process:
    """Look at a process, to know it again."""
    return Process(pid, (_status(pid) or [""])[-1])


def _status(pid: int) -> list[str]:
    """Return what /proc says of a process, from its state to when it began; nothing where it is gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return status.rpartition(")")[2].split()[:20]
