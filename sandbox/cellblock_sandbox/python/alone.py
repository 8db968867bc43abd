"""`threading` without its hook after a fork, which costs each cell 0.3 ms and a hundred copied pages.

The hook forgets the threads, and renews the locks, that a fork leaves behind. A zygote has one thread and
holds no lock. So that it is the first to import the module, this file is imported first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_Hook = Callable[[], object]
_hooks: list[dict[str, _Hook]] = []


@contextmanager
def _hooks_kept() -> Iterator[None]:
    def keep(**hooks: _Hook) -> None:
        _hooks.append(hooks)

    register, os.register_at_fork = os.register_at_fork, keep  # type: ignore[assignment]
    try:
        yield
    finally:
        os.register_at_fork = register


with _hooks_kept():
    import threading


def give_back_hook() -> None:
    """Have the hook called after all where a package has started a thread, which cells have to forget."""
    if threading.active_count() > 1:
        for hooks in _hooks:
            os.register_at_fork(**hooks)
