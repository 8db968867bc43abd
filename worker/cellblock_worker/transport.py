"""Celery's way to Redis: kombu's transport with the door of envelope.py in front of it.

    BRPOP -> Client.parse_response -> admit -> kombu -> Celery
                                         `--> on_refused

kombu pops a message before it looks at it, and what it then cannot read raises in the event loop: the
worker stops (not JSON), reconnects (a field is missing) or logs the whole body. With the door in between it
only ever meets messages that it can read. The same holds for what it puts back after a time-out.
"""

# ruff: noqa: ANN401 - what Celery and kombu pass is not typed

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import kombu.transport
import redis
from kombu.transport import redis as stock
from kombu.transport.virtual import Message as StockMessage

from .envelope import JOBS_HEADER, Admitted, Refused, admit

ALIAS = "cellblock-redis"
"""The URL scheme under which kombu finds this transport; `cellblock-redis+socket` for a unix socket."""

_log = logging.getLogger(__name__)


def register() -> None:
    """Make the scheme known to kombu; the stock schemes stay as they are."""
    kombu.transport.TRANSPORT_ALIASES.setdefault(ALIAS, f"{__name__}:Transport")


class Client(redis.Redis):
    """A Redis client whose BRPOP replies pass through `door`."""

    def __init__(self, *, door: Callable[[list[bytes]], list[bytes] | None], **options: Any) -> None:
        super().__init__(**options)
        self._door = door

    def parse_response(self, connection: Any, command_name: str | bytes, **options: Any) -> Any:
        """Read a reply; a refused message is as good as none."""
        reply = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        return self._door(reply) if command_name == "BRPOP" and reply else reply


class Message(StockMessage):
    """A message whose body is plain JSON.

    kombu's own JSON turns objects such as {"__type__": "uuid", "__value__": …} into Python objects, or
    raises on them; an input of a job may look like that.
    """

    def _decode(self) -> Any:
        return json.loads(self.body or "")


class QoS(stock.QoS):
    """Keeps the messages that are being worked on, and puts them back."""

    channel: "Channel"
    unacked_index_key: str
    _remove_from_indices: Callable[..., Any]

    def append(self, message: Any, delivery_tag: str) -> None:
        """Keep a message that is being delivered; that of a batch comes back later, by its size.

        The index holds when each message was delivered, and those come back whose time lies long enough ago.
        """
        super().append(message, delivery_tag)
        more = (message.headers.get(JOBS_HEADER, 1) - 1) * self.channel.seconds_per_job
        if more > 0:
            with self.channel.conn_or_acquire() as client:
                client.zincrby(self.unacked_index_key, more, delivery_tag)

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: redis.Redis | None = None) -> Iterator[Any]:
        """Yield a pipeline, without MULTI and EXEC: both of its commands go out in one write anyway."""
        if pipe is not None:
            yield pipe
        else:
            with self.channel.conn_or_acquire(client) as connected:
                yield connected.pipeline(transaction=False)

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Put everything back at the end; not when Redis went away, since the jobs go on meanwhile."""
        if self.channel.connection_lost:
            self.restore_at_shutdown = False
        super().restore_unacked_once(stderr)

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Put one message back; what is unreadable there is dropped, or else it would block the others."""
        try:
            super().restore_by_tag(tag, client=client, leftmost=leftmost)
        except (TypeError, ValueError):
            self._remove_from_indices(tag).execute()
            _log.warning("dropped an unreadable entry among the messages being worked on")


class Channel(stock.Channel):
    """A channel that delivers admitted messages only."""

    QoS = QoS
    Message = Message
    from_transport_options = (*stock.Channel.from_transport_options, "on_refused", "seconds_per_job")
    on_refused: Callable[[Refused], None]
    seconds_per_job = 0.0
    _q_for_pri: Callable[..., str]
    conn_or_acquire: Callable[..., Any]
    pool: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        self._parameters: dict[bool, dict[str, Any]] = {}
        self._kept: tuple[Any, redis.Redis] | None = None
        super().__init__(*args, **options)

    @property
    def connection_lost(self) -> bool:
        """Whether kombu closes this channel because its connection to Redis broke."""
        return self.connection is None or self.connection.client is None

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        # Jobs are acknowledged on the channel that they came by, also when their connection broke meanwhile.
        # By then kombu has forgotten where it led, and a stock worker ends with an AttributeError.
        if asynchronous not in self._parameters:
            self._parameters[asynchronous] = super()._connparams(asynchronous)  # type: ignore[misc]
        return dict(self._parameters[asynchronous])

    def _create_client(self, asynchronous: bool = False) -> Any:
        """Return a client of the pool; kombu makes one for each message, for as much as the command costs."""
        if asynchronous:
            return super()._create_client(asynchronous)  # type: ignore[misc]
        if self._kept is None or self._kept[0] is not self.pool:
            self._kept = self.pool, super()._create_client()  # type: ignore[misc]
        return self._kept[1]

    def _get_client(self) -> Callable[..., redis.Redis]:
        return partial(Client, door=self._door)

    def _door(self, reply: list[bytes]) -> list[bytes] | None:
        key, item = reply
        verdict = admit(item, key.decode().rsplit(self.sep, 1)[0])
        if isinstance(verdict, Admitted):
            return [key, json.dumps(verdict.envelope).encode()]
        self.on_refused(verdict)
        return None

    def _do_restore_message(
        self, payload: Any, exchange: str, routing_key: str, pipe: Any, leftmost: bool = False
    ) -> None:
        """Put `payload` back on its queue, unread: the door will judge it. The stock method logs some."""
        if not isinstance(routing_key, str):
            raise TypeError("no name of a queue")
        match payload:
            case {"properties": {"delivery_info": dict() as info}}:
                info["redelivered"] = True
        push = pipe.lpush if leftmost else pipe.rpush
        push(self._q_for_pri(routing_key, self._get_message_priority(payload)), json.dumps(payload))


class Transport(stock.Transport):
    """The transport that the URL scheme `cellblock-redis` names."""

    Channel = Channel
