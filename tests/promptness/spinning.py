"""Finds the cell that is busy, among the processes of a worker."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.sandbox.running import children

SPIN = "def main():\n    while True: pass"
_BUSY_TICKS = 5
_AT_MOST_S = 60.0


@contextmanager
def busy_cell(worker_pid: int) -> Iterator[int]:
    """Wait until a cell computes; a pidfd of it."""
    before = _ticks(worker_pid)
    give_up = time.monotonic() + _AT_MOST_S
    while time.monotonic() < give_up:
        for pid, ticks in _ticks(worker_pid).items():
            if ticks - before.get(pid, 0) >= _BUSY_TICKS and not children(pid):
                pidfd = os.pidfd_open(pid)
                try:
                    yield pidfd
                finally:
                    os.close(pidfd)
                return
        time.sleep(0.01)
    raise AssertionError("no cell was busy")


def _ticks(worker_pid: int) -> dict[int, int]:
    found = {}
    for pid in children(worker_pid):
        with suppress(OSError):
            found[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
    return found
