"""Calls of the scripts through redis-py; the clients have a way of their own, in core.py.

call, call_all  --one by one, or a pipeline-->  redis-py  -->  Redis
Line            --written in one go, read when wanted-------->
                `--whatever goes wrong-->  redis-py, once more
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from hiredis import pack_command
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from .scripts import Script

_ONCE = Retry(NoBackoff(), 0)


class Step(NamedTuple):
    """A script and what it is called with."""

    script: Script
    keys: tuple[str, ...]
    args: tuple[str | int, ...]


class Line:
    """One connection for scripts, kept by one thread: redis-py takes as long for a command as the server.

    Whatever goes wrong on it is left to redis-py, which says everything once more, as often as its client
    is set to: so it is for scripts that may be told twice.
    """

    def __init__(self, redis: "Redis") -> None:
        """`redis`: makes the connection, and is there when it fails."""
        self._redis = redis
        self._connection: Any = None
        self._known: set[str] = set()  # the scripts that the server was told on this connection
        self._steps: Sequence[Step] = ()
        self._replies: list[Any] | None = None

    def send(self, steps: Sequence[Step]) -> None:
        """Write scripts; `receive` what they answer before more is sent. Never fails: `receive` does."""
        if self._steps:
            self.close()  # somebody was interrupted, and never read the answers
        self._steps = steps
        self._write()

    @property
    def under_way(self) -> bool:
        """Whether what was sent is on the connection; else `receive` says it anew."""
        return bool(self._steps) and self._connection is not None

    def answered(self) -> bool:
        """Say, at once, whether `receive` would not wait."""
        if self._replies is None and self._connection is not None:
            try:
                if self._connection.can_read():
                    self._read()
            except RedisError:
                self.close()
            if self._replies and any(isinstance(reply, NoScriptError) for reply in self._replies):
                self._write()  # the server has forgotten its scripts
        return self._replies is not None

    def word(self) -> bytes:
        """Return the first word of the last answer, of those that are there; empty for an error."""
        last = self._replies[-1] if self._replies else None
        return bytes(last[0]) if isinstance(last, list) else b""

    def receive(self) -> list[list[Any]]:
        """Return what each script answers, in words. Errors of redis-py pass through, when all have run."""
        if self._replies is None and self._connection is not None:
            try:
                self._read()
            except RedisError:
                self.close()
        steps, replies = self._steps, self._replies
        self._steps, self._replies = (), None
        if replies is None or any(isinstance(reply, Exception) for reply in replies):
            return [call(self._redis, steps[0])] if len(steps) == 1 else call_all(self._redis, steps)
        return [_words(reply) for reply in replies]

    def close(self) -> None:
        """End the connection; the next `send` makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _write(self) -> None:
        self._replies = None
        try:
            if self._connection is None:
                self._connection = self._redis.connection_pool.make_connection()
                self._connection.retry = _ONCE  # the patience is the client's
                self._known.clear()
            self._connection.send_packed_command([b"".join(map(self._pack, self._steps))])
        except RedisError:
            self.close()

    def _pack(self, step: Step) -> bytes:
        script, keys, args = step
        known = script.sha in self._known
        self._known.add(script.sha)
        said = ("EVALSHA", script.sha) if known else ("EVAL", script.text)
        words: tuple[Any, ...] = (*said, len(keys), *keys, *args)
        return bytes(pack_command(words))

    def _read(self) -> None:
        replies: list[Any] = []
        for _ in self._steps:
            try:
                replies.append(self._connection.read_response())
            except ResponseError as error:
                replies.append(error)
                if isinstance(error, NoScriptError):
                    self._known.clear()
        self._replies = replies


def call(redis: "Redis | Line", step: Step) -> list[Any]:
    """Run one script. Returns its words, the first of them as bytes; errors of redis-py pass through."""
    if isinstance(redis, Line):
        redis.send((step,))
        return redis.receive()[0]
    reply: object
    try:
        reply = redis.evalsha(step.script.sha, len(step.keys), *step.keys, *step.args)
    except NoScriptError as error:
        reply = error
    return _settle(redis, step, reply)


def call_all(redis: "Redis | Line", steps: Sequence[Step]) -> list[list[Any]]:
    """Run scripts one after the other, in one round trip. Raises the first error, after all have run."""
    if isinstance(redis, Line):
        redis.send(steps)
        return redis.receive()
    pipe = redis.pipeline(transaction=False)
    for step in steps:
        pipe.evalsha(step.script.sha, len(step.keys), *step.keys, *step.args)
    replies = pipe.execute(raise_on_error=False)
    return [_settle(redis, step, reply) for step, reply in zip(steps, replies, strict=True)]


def _settle(redis: "Redis", step: Step, reply: object) -> list[Any]:
    """Read a reply. Where the server does not have the script, send it the text."""
    if isinstance(reply, NoScriptError):
        reply = redis.eval(step.script.text, len(step.keys), *step.keys, *step.args)
    if isinstance(reply, Exception):
        raise reply
    return _words(reply)


def _words(reply: object) -> list[Any]:
    word, *rest = cast("list[Any]", reply)
    return [word.encode() if isinstance(word, str) else word, *rest]  # a client may decode responses
