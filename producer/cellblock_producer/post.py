"""One call on its way through an asyncio client: made when it is its turn, answered once, or dropped."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

import hiredis

from .core import Call

T = TypeVar("T")


class Post(Generic[T]):
    """Waits in a line as a way to make its call, so that lines of any length hold no message twice."""

    __slots__ = ("_dropped", "_failure", "_make", "call", "done", "since", "then")

    def __init__(self, make: Callable[[], Call[T]], *, since: float = 0.0) -> None:
        """`since`: when it was put into the line, by the clock of the loop."""
        self.since = since
        self.call: Call[T] | None = None
        self.done = False
        """Whether it is answered or has failed."""
        self.then: Callable[[], object] | None = None
        """Called once it is done, in the loop; it must not raise."""
        self._make = make
        self._failure: Exception | None = None
        self._dropped = False

    def pack(self) -> bytes:
        """Return the command as it goes over the wire. Raises what making the call raises."""
        if self.call is None:
            self.call = self._make()
        command: Any = self.call.command  # hiredis annotates a tuple of one
        packed: bytes = hiredis.pack_command(command)
        return packed

    def take(self, reply: object) -> bool:
        """Read the reply. False when the call must be sent again, spelled out."""
        call = self.call
        assert call is not None, "answered only when sent"
        if not self._dropped and not call.take(reply):
            call.spell_out()
            return False
        self._finish()
        return True

    def fail(self, failure: Exception) -> None:
        """Take the reason why there will be no reply."""
        self._failure = failure
        self._finish()

    def drop(self) -> None:
        """Care no more for the reply: nobody waits for it, and nothing comes of it in the client."""
        self._dropped, self.then = True, None

    async def answered(self) -> None:
        """Wait until it is done."""
        if not self.done:
            future = asyncio.get_running_loop().create_future()
            self.then = partial(wake, future)
            await future

    def get(self) -> T:
        """Return the answer. Raises what the answer meant instead, or the failure."""
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        assert self.call is not None, "read only when done"
        return self.call.get()

    def _finish(self) -> None:
        self.done = True
        then, self.then = self.then, None
        if then is not None:
            then()


AnyPost = Post[Any]


def wake(future: "asyncio.Future[None]") -> None:
    """Let whoever awaits `future` go on, if it still does."""
    if not future.done():
        future.set_result(None)
