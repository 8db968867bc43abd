"""What `cell.c` does of a zygote's part and of a cell's, where it could be built and loaded."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

# None where it could not be: then `zygote.Zygote`, `lock.Lock` and `channel` do the same.
try:
    cell: Any = importlib.import_module(".cell", __package__)
except ImportError:
    cell = None


class NativeLock:
    """`lock.Lock`, but that nothing of it is Python's."""

    def __init__(self, *, inherited: bytes, own: bytes, self_marker: int, nested_landlock: bool) -> None:
        """As `lock.Lock` has them."""
        self._arguments = (inherited, own, self_marker, nested_landlock)

    def apply_to_zygote(self) -> None:
        """Lock the calling zygote and make ready what locks its cells; where that fails, it ends."""
        cell.lock_zygote(*self._arguments)

    def rehearse(self) -> None:
        """There is nothing to rehearse."""

    def release_memory(self) -> None:
        """As `lock.Lock` does."""
        cell.release_memory()


def serve(live: Callable[[int], object]) -> None:
    """Until the owner is gone; in each cell it calls `live`."""
    rehearse = cell.serve()
    try:
        live(rehearse)
    finally:
        os._exit(1)
