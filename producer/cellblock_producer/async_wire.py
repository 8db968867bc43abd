"""One RESP3 connection of an asyncio client: sends posts, answers them in order, hands on what is pushed.

It is a plain asyncio protocol: bytes are parsed as they come, in the loop, without a task of their own.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, cast

import hiredis
from redis.connection import DefaultParser
from redis.exceptions import AuthenticationError, InvalidResponse, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from .connection import HEARTBEAT_S
from .core import Call, Command, Core
from .errors import CellblockError, Refused, Unreachable
from .post import AnyPost, Post
from .scripts import OF_CLIENTS
from .slot import Slot

MAX_UNANSWERED = 512
"""Calls that may be under way; those that come later wait in line until the server has caught up."""

_MORE = object()
_CLOCK_S = 0.001
"""A timer may go off this much too early."""


class AsyncWire(asyncio.Protocol):
    """Owns the posts that it has sent: each is answered, or fails when the connection ends."""

    def __init__(
        self,
        core: Core,
        server: str,
        timeout: float,
        *,
        room: Callable[[], None],
        lost: Callable[["AsyncWire", CellblockError], None],
    ) -> None:
        """`room` is called when more may be sent, `lost` once, when the connection has ended."""
        self._loop = asyncio.get_running_loop()
        self._core = core
        self._server = server
        self._timeout = timeout
        self._room = room
        self._lost = lost
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=DefaultParser.parse_error,
            notEnoughData=_MORE,
        )
        self._transport: asyncio.Transport | None = None
        self._gone = self._loop.create_future()
        self._expected: deque[AnyPost] = deque()
        self._again: list[AnyPost] = []
        self._paused = False
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._failure: CellblockError | None = None
        self._asking: list[Post[Slot]] | None = None

    @property
    def ended(self) -> bool:
        """Whether the connection is of no more use."""
        return self._failure is not None

    @property
    def room(self) -> int:
        """How many more calls may be sent now."""
        return 0 if self._paused else MAX_UNANSWERED - len(self._expected)

    def send(self, posts: Sequence[AnyPost], packed: Iterable[bytes]) -> None:
        """Write posts, which `packed` has as bytes, in one go; they fail where the connection has ended."""
        if self._failure is not None:
            _fail_all(posts, self._failure)
            return
        assert self._transport is not None, "sent only when connected"
        if not self._expected:
            self._heard = self._loop.time()  # from now on the server has something to say
        self._expected.extend(posts)
        self._transport.write(b"".join(packed))

    async def ask(self, calls: Sequence[Call[Any]]) -> None:
        """Send calls and wait for their answers. Raises Unreachable or Refused when the connection ends."""
        posts = [Post(partial(_same, call)) for call in calls]
        self.send(posts, [post.pack() for post in posts])
        for post in posts:
            await post.answered()
            if self.ended:
                post.get()

    async def greet(self, commands: Iterable[Command]) -> None:
        """Send `commands`, subscribe, load the scripts: one round trip. Raises Unreachable and Refused."""
        needed = [_plain(*command) for command in (*commands, ("SUBSCRIBE", self._core.channel))]
        loads = [_plain("SCRIPT", "LOAD", script.text) for script in OF_CLIENTS]
        await self.ask([*needed, *loads])  # scripts that cannot be loaded are sent with the first call
        for call in needed:
            call.get()

    def begin_to_ask(self) -> None:
        """From now on, ask for what does not come unasked."""
        self._asking = []
        self._ask()

    def end(self, failure: CellblockError) -> None:
        """End the connection at once; what is unanswered fails."""
        if self._failure is not None:
            return
        self._failure = failure
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        unanswered = [*self._again, *self._expected]
        self._again.clear()
        self._expected.clear()
        _fail_all(unanswered, failure)
        self._lost(self, failure)

    async def gone(self) -> None:
        """Wait until an ended connection has been given back to the system."""
        if self._transport is not None:
            await self._gone

    # What follows is called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to watch the connection."""
        self._transport = cast("asyncio.Transport", transport)
        if self.ended:
            self._transport.abort()
            return
        self._heard = self._loop.time()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everyone."""
        self._fail(str(exc) if exc else "the connection was closed")
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        """Hold back what is in line: the server takes less than we send."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on sending."""
        self._paused = False
        self._room()

    def data_received(self, data: bytes) -> None:
        """Take replies and pushes."""
        self._heard = self._loop.time()
        try:
            self._reader.feed(data)
            while not self.ended and (frame := self._reader.gets()) is not _MORE:
                self._take(frame)
        except AuthenticationError as error:
            self.end(Refused(str(error)))
        except RedisError as error:
            self._fail(str(error))
        if self._again:
            again, self._again = self._again, []
            self.send(again, [post.pack() for post in again])
        self._ask()
        self._room()

    def _take(self, frame: object) -> None:
        if isinstance(frame, hiredis.PushNotification) and frame[0] != b"subscribe":
            self._core.pushed(frame)
            return
        if isinstance(frame, RedisConnectionError):
            raise frame
        if not self._expected:
            raise RedisConnectionError("an answer came that nobody had asked for")
        post = self._expected.popleft()
        if not post.take(frame):
            self._again.append(post)

    def _ask(self) -> None:
        if self._asking is None or self.ended or not all(post.done for post in self._asking):
            return
        self._core.recovered(post.call for post in self._asking if post.call is not None)
        self._asking = [Post(partial(_same, call)) for call in self._core.questions(self._loop.time())]
        if self._asking:
            self.send(self._asking, [post.pack() for post in self._asking])

    def _fail(self, reason: str) -> None:
        self.end(Unreachable(self._server, reason))

    def _watch(self) -> None:
        # One timer for everything, never moved: it looks how things stand and is set anew.
        self._ask()
        now = self._loop.time()
        due = self._heard + (self._timeout if self._expected else HEARTBEAT_S)
        if now + _CLOCK_S >= due:
            if self._expected:
                self._fail(f"it has not answered for {self._timeout:g} s")
                return
            pulse = Post(self._core.ping)
            self.send([pulse], [pulse.pack()])
            due = now + self._timeout
        self._timer = self._loop.call_at(min(due, now + min(self._timeout, HEARTBEAT_S)), self._watch)


def _fail_all(posts: Iterable[AnyPost], failure: CellblockError) -> None:
    for post in posts:
        post.fail(failure)


def _plain(*command: str | int) -> Call[None]:
    return Call(command, lambda _: None)


def _same(call: Call[Any]) -> Call[Any]:
    return call
