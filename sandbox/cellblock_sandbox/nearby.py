"""On which core a cell wakes up: to wake a core that sleeps takes a virtual machine half as long as a job."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_current_core: Final = ctypes.CDLL(None).sched_getcpu


def wake_here(pid: int, wake: Callable[[], object]) -> None:
    """Call `wake`, so that the process that it wakes does so on our core, which is awake.

    It stays there as long as nothing draws it elsewhere, but may go. Where we may not say so (another user's
    process, without CAP_SYS_NICE), it wakes where the kernel wants it.
    """
    try:
        allowed = os.sched_getaffinity(pid)
        os.sched_setaffinity(pid, {_current_core()})
    except OSError:
        wake()
        return
    try:
        wake()
    finally:
        with suppress(OSError):  # it is gone already
            os.sched_setaffinity(pid, allowed)
