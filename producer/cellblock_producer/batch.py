"""Calls that are sent in one write, and whose replies come back in the same order."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .core import Call
from .errors import CellblockError

MAX_CALLS = 128
MAX_CHARS = 64 * 1024
"""Bounds of one batch, so that neither side's buffers fill up, and workers have the first jobs of many while
the rest are written down; a single larger call goes alone."""

AnyCall = Call[Any]


class Batch:
    """Filled by the reader of the connection; waited for by the thread that sent it."""

    __slots__ = ("_answered", "_gate", "again", "calls", "done", "failure")

    def __init__(self, calls: Sequence[AnyCall]) -> None:
        self.calls = calls
        self.again: list[AnyCall] = []
        """Calls that the server does not know by name; send them again, spelled out."""
        self.failure: CellblockError | None = None
        self.done = False
        """Whether every call is answered, or the batch has failed."""
        self._answered = 0
        # One thread waits, once: a lock wakes it for a tenth of what an Event takes.
        self._gate = threading.Lock()
        self._gate.acquire()

    def feed(self, reply: object) -> bool:
        """Take the next reply. True when it was the last one."""
        call = self.calls[self._answered]
        self._answered += 1
        if not call.take(reply):
            call.spell_out()
            self.again.append(call)
        if self._answered < len(self.calls):
            return False
        self._finish()
        return True

    def fail(self, failure: CellblockError) -> None:
        """Tell the waiting thread that no more replies will come."""
        self.failure = failure
        self._finish()

    def wait(self, seconds: float) -> bool:
        """Wait until `done`; not again when that is known. False when the time is over first."""
        return self._gate.acquire(timeout=max(0.0, seconds))

    def _finish(self) -> None:
        self.done = True
        self._gate.release()


def split(calls: Iterable[AnyCall]) -> Iterator[list[AnyCall]]:
    """Cut calls into batches of bounded size, taking them one by one."""
    chunk: list[AnyCall] = []
    chars = 0
    for call in calls:
        size = sum(len(part) for part in call.command if isinstance(part, str))
        if chunk and (len(chunk) == MAX_CALLS or chars + size > MAX_CHARS):
            yield chunk
            chunk, chars = [], 0
        chunk.append(call)
        chars += size
    if chunk:
        yield chunk
