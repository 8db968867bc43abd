"""How a worker that is told to end does so in bounded time.

    SIGTERM or Ctrl-C --> takes no more jobs, finishes those in hand --> exits with 0
       `-- the grace time is over, or the signal comes again --> hands back those in hand --> exits with 0

Celery's warm shutdown waits for as long as jobs go on, and a second SIGTERM is nothing to it; its cold one,
for which SIGQUIT stands, stops what runs.
"""

# ruff: noqa: ANN401 - what Celery passes is not typed

import logging
import os
import signal
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

from celery import signals

_log = logging.getLogger(__name__)


class Shutdown:
    """Belongs to the main process; all of it but the timer runs in signal handlers of its main thread."""

    def __init__(self, grace_s: float) -> None:
        """`grace_s`: for how many seconds jobs in hand may go on after the first signal."""
        self._grace_s = grace_s
        self._timer: threading.Timer | None = None
        self._times = count()

    def watch(self) -> None:
        """Wait for the worker to be told to end."""
        # Celery tells of each signal in the handler of it, and holds this lock as it does: stock, a second
        # signal that came meanwhile would wait for it in the same thread, for ever.
        signals.worker_shutting_down.lock = threading.RLock()  # type: ignore[attr-defined]
        signals.worker_shutting_down.connect(self._told, weak=False)

    def done(self) -> None:
        """Stop the clock: the worker has nothing in hand any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _told(self, *, how: str, **_: Any) -> None:
        if how != "Warm":
            return
        # One signal may come in the middle of another's handler, this one: each is counted in one step.
        if next(self._times) > 0:  # told twice before we could listen for it
            self._again()
        else:
            _handle(self._again)
            self._timer = threading.Timer(self._grace_s, self._overdue)
            self._timer.daemon = True  # who is done earlier does not wait for it
            self._timer.start()

    def _again(self, *_: object) -> None:
        _handle(_nothing)  # once: a third signal would stop the handing back
        os.kill(os.getpid(), signal.SIGQUIT)

    def _overdue(self) -> None:
        _log.warning("jobs in hand go on for longer than %g s and are handed back", self._grace_s)
        os.kill(os.getpid(), signal.SIGQUIT)


def _handle(handler: Callable[..., object]) -> None:
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, handler)


def _nothing(*_: object) -> None:
    pass
