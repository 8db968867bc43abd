"""Keeps the one connection of an asyncio client: who calls gets in line, one write takes many of the line.

    callers  --post-->  line  --pump, once in a turn of the loop-->  AsyncWire  -->  Redis
    callers  <--Post.then--  AsyncWire  <--replies in the order of the commands, pushes between them

While somebody calls or a job is outstanding, a task connects, subscribes, and asks for every outstanding job;
only then does the line move. A lost connection fails the calls on it. At rest there is no task at all.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from .async_wire import AsyncWire
from .batch import split
from .connection import pauses
from .core import Call, Core
from .endpoint import Endpoint
from .errors import CellblockError, ClientClosed, Refused, Unreachable
from .post import AnyPost, Post

T = TypeVar("T")

_CALLS_AT_ONCE = 64
_BYTES_AT_ONCE = 256 * 1024
"""Bounds of what is made and written in one turn of the loop, so that others have their turn."""
_CLOCK_S = 0.001


class AsyncLink:
    """Belongs to the loop that uses it first."""

    def __init__(self, url: str, core: Core, *, timeout: float) -> None:
        self._endpoint = Endpoint.read(url, timeout)
        self._core = core
        self._timeout = timeout
        self._pid = os.getpid()
        self._owner: asyncio.AbstractEventLoop | None = None
        self._line: deque[AnyPost] = deque()
        self._wire: AsyncWire | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._pumping = False
        self._expiry: asyncio.TimerHandle | None = None
        self._down_since = 0.0
        self._trouble = ""
        self._closed = ""

    @property
    def server(self) -> str:
        """The name of the server, without any secret."""
        return self._endpoint.server

    @property
    def active(self) -> bool:
        """Whether there is anything that must be closed, and this process may close it."""
        return os.getpid() == self._pid and (self._wire is not None or self._connecting is not None)

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop. Raises ClientClosed when the client cannot be used in it, or at all."""
        loop = self._own_loop()
        if self._closed:
            raise ClientClosed(self._closed)
        return loop

    def post(self, make: Callable[[], Call[T]], then: Callable[[Post[T]], object] | None = None) -> Post[T]:
        """Put a call into the line; `then` is called with it when it is done. Raises ClientClosed."""
        post = Post(make, since=self.loop().time())
        if then is not None:
            post.then = partial(then, post)
        self._line.append(post)
        self._move()
        return post

    async def answer(self, post: Post[T]) -> T:
        """Wait for the answer; who is cancelled meanwhile has it dropped.

        Raises Unreachable when there is no connection for `timeout` seconds, when it is lost, or when nothing
        comes over it for `timeout` seconds; Refused, ClientClosed, and what the answer means.
        """
        try:
            await post.answered()
        finally:
            if not post.done:
                self.drop(post)
        return post.get()

    def drop(self, post: AnyPost) -> None:
        """Care no more for a call; if it is still in line it is not made."""
        post.drop()
        with suppress(ValueError):  # it has been sent
            self._line.remove(post)
        if not self._wanted:
            self._stop_connecting()

    async def close(self) -> None:
        """End the connection; calls and jobs that wait fail with ClientClosed."""
        if os.getpid() != self._pid:
            return  # the connection is the parent's
        self._own_loop()
        wire, task = self._wire, self._connecting
        self._end(ClientClosed("the client was closed"))
        if task is not None:
            await asyncio.wait({task})
        if wire is not None:
            await wire.gone()

    def forsake(self) -> None:
        """Have everything ended soon; from any thread, for a client that was forgotten."""
        if self._owner is not None:
            with suppress(RuntimeError):  # the loop is closed, and has nothing to end
                self._owner.call_soon_threadsafe(self._end, ClientClosed("the client was forgotten"))

    @property
    def _wanted(self) -> bool:
        return bool(self._line) or self._core.waits

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        if os.getpid() != self._pid:
            raise ClientClosed("the client was made before this process was forked")
        loop = asyncio.get_running_loop()
        if self._owner is None:
            self._owner = loop
        elif self._owner is not loop:
            raise ClientClosed("the client belongs to another event loop")
        return loop

    def _move(self) -> None:
        assert self._owner is not None, "moves only when used"
        if self._wire is None:
            self._want_connection(self._owner)
        elif self._line and not self._pumping:
            self._pumping = True
            self._owner.call_soon(self._pump)

    def _pump(self) -> None:
        """Send what is in line, as far as there is room."""
        self._pumping = False
        wire = self._wire
        if wire is None:
            return
        posts: list[AnyPost] = []
        packed: list[bytes] = []
        most, size = min(_CALLS_AT_ONCE, wire.room), 0
        while self._line and len(posts) < most and size < _BYTES_AT_ONCE:
            post = self._line.popleft()
            try:
                packed.append(post.pack())
            except Exception as error:  # a job that cannot be written concerns its caller only
                post.fail(error)
                continue
            posts.append(post)
            size += len(packed[-1])
        if posts:
            wire.send(posts, packed)
        if wire.room:
            self._move()

    def _want_connection(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._connecting is None:
            self._connecting = loop.create_task(self._connect(), name="cellblock-connect")
        if self._line and self._expiry is None:
            self._expiry = loop.call_later(self._timeout, self._expire, loop)

    def _stop_connecting(self) -> None:
        task, self._connecting = self._connecting, None
        if task is not None:
            task.cancel()

    async def _connect(self) -> None:
        """Try until there is a connection, or nobody wants one."""
        try:
            for pause in pauses():
                if await self._try() or not self._wanted:
                    return
                await asyncio.sleep(pause)
        except Exception:
            self._end(ClientClosed("the client met an error of its own"))
            raise
        finally:
            if self._connecting is asyncio.current_task():
                self._connecting = None

    async def _try(self) -> bool:
        wire = AsyncWire(self._core, self._endpoint.server, self._timeout, room=self._room, lost=self._lost)
        try:
            async with asyncio.timeout(self._timeout):
                await self._endpoint.connect(wire)
            await wire.greet(self._endpoint.greeting())
            for chunk in split(self._core.recover()):
                await wire.ask(chunk)
                self._core.recovered(chunk)
            if not wire.ended:
                self._wire = wire
                wire.begin_to_ask()
        except (CellblockError, OSError, UnicodeError) as error:
            self._note(error)
        finally:
            if self._wire is not wire:
                wire.end(ClientClosed("the connection was given up"))
                await wire.gone()
        self._room()
        return self._wire is wire

    def _note(self, error: Exception) -> None:
        self._trouble = error.reason if isinstance(error, Unreachable) else str(error)
        if isinstance(error, Refused):
            self._fail_line(error)

    def _room(self) -> None:
        if self._line and self._wire is not None:
            self._move()

    def _lost(self, wire: AsyncWire, failure: CellblockError) -> None:
        if wire is not self._wire:
            return  # one that was still being set up
        assert self._owner is not None, "there is a connection only when used"
        self._wire = None
        self._note(failure)
        self._down_since = self._owner.time()
        if self._wanted and not self._closed:
            self._want_connection(self._owner)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail the calls that have waited for a connection long enough."""
        self._expiry = None
        if self._wire is not None:
            return
        now = loop.time()
        while self._line:
            due = max(self._line[0].since, self._down_since) + self._timeout
            if due > now + _CLOCK_S:
                self._expiry = loop.call_at(due, self._expire, loop)
                return
            reason = self._trouble or f"no connection in {self._timeout:g} s"
            self._line.popleft().fail(Unreachable(self._endpoint.server, reason))
        if not self._wanted:
            self._stop_connecting()

    def _fail_line(self, failure: CellblockError) -> None:
        while self._line:
            self._line.popleft().fail(failure)

    def _end(self, failure: ClientClosed) -> None:
        self._closed = self._closed or failure.reason
        self._fail_line(failure)
        self._stop_connecting()
        if self._expiry is not None:
            self._expiry.cancel()
        if self._wire is not None:
            self._wire.end(failure)
        self._core.abandon(failure)
