"""The processes of a pool, by /proc: pool process, its zygotes, their cells, and the memory of each."""

from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class SlotUse:
    """What a pool process and all that it started use."""

    cells: int
    """Cells that live, the standbys included."""
    memory_bytes: int
    """Proportional set size where the kernel shows it, else anonymous memory."""


def slot_use(pid: int) -> SlotUse:
    """Look at a pool process; what ends meanwhile counts as nothing."""
    zygotes = _children(pid)
    cells = [cell for zygote in zygotes for cell in _children(zygote)]
    return SlotUse(len(cells), sum(_memory(each) for each in (pid, *zygotes, *cells)))


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in (_PROC / str(pid) / "task").iterdir():
            found += [int(child) for child in (thread / "children").read_text().split()]
    except OSError:
        pass
    return found


def _memory(pid: int) -> int:
    return _kib(pid, "smaps_rollup", "Pss:") or _kib(pid, "status", "RssAnon:")


def _kib(pid: int, file: str, field: str) -> int:
    try:
        for line in (_PROC / str(pid) / file).read_text(errors="replace").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) << 10
    except (OSError, IndexError, ValueError):
        pass
    return 0
