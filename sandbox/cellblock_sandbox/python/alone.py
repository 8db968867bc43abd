"""`threading` and `random` with less to do after a fork, where each cell pays for it.

`threading`'s hook costs 0.3 ms and a hundred copied pages. It forgets the threads, and renews the locks, that
a fork leaves behind. A zygote has one thread and holds no lock. So that it is the first to import the module,
this file is imported first. `random`'s is a method in Python around one in C, which costs 0.05 ms.
"""

from __future__ import annotations

import os
import sys
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


@contextmanager
def random_seeded_plainly() -> Iterator[None]:
    """Have `random`, if it is imported meanwhile, seeded after a fork by the method in C alone."""

    def plainly(**hooks: _Hook) -> None:
        inner = getattr(sys.modules.get("random"), "_inst", None)
        if inner is not None and hooks == {"after_in_child": inner.seed}:
            hooks = {"after_in_child": super(type(inner), inner).seed}
        register(**hooks)

    register, os.register_at_fork = os.register_at_fork, plainly  # type: ignore[assignment]
    try:
        yield
    finally:
        os.register_at_fork = register
        if "random" in sys.modules:  # what the method in Python does beside; a package may have drawn numbers
            sys.modules["random"]._inst.gauss_next = None


def give_back_hook() -> None:
    """Have the hook called after all where a package has started a thread, which cells have to forget."""
    if threading.active_count() > 1:
        for hooks in _hooks:
            os.register_at_fork(**hooks)
