"""Celery's way to Redis: kombu's transport with the door of envelope.py in front of it, and leases behind.

    BRPOP -> wake-up        -> Holding.take  -> admit -> Celery      a job of our clients
          -> stock message  -> admit -> Holding.adopt -> the same    from here on it is not lost either
                                   `--> on_refused

A stock message gets its place in its tenant's line, and what is next is taken, which may be another: it is a
wake-up, too, and no tenant gets ahead of the others by sending messages that way.

kombu pops a message before it looks at it, and what it then cannot read raises in the event loop: the
worker stops (not JSON), reconnects (a field is missing) or logs the whole body. With the door in between it
only ever meets messages that it can read. Its own way to remember what it has delivered is not used: leases
do it, see leases.py in the producer.
"""

# ruff: noqa: ANN401 - what Celery and kombu pass is not typed

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from typing import Any

import kombu.transport
import redis
from celery.worker import state
from cellblock_producer.keys import TOKEN
from cellblock_producer.leases import Delivery, Lease, Stray
from kombu.transport import redis as stock
from kombu.transport import virtual

from . import remote
from .envelope import Admitted, Refused, admit
from .holding import Holding

ALIAS = "cellblock-redis"
"""The URL scheme under which kombu finds this transport; `cellblock-redis+socket` for a unix socket."""
LEASE_HEADER = "lease"
"""Our own header, which the door lets nobody write: by what right we hold the message."""
FRESH_HEADER = "fresh"
"""Another: whether its jobs were new when it was submitted and none of them was begun since."""

_TOKEN = TOKEN.encode()
COMMANDS = f"{__name__}.commands"
"""Name of the logger for what remote control was told."""

_commands = logging.getLogger(COMMANDS)


def register() -> None:
    """Make the scheme known to kombu; the stock schemes stay as they are."""
    kombu.transport.TRANSPORT_ALIASES.setdefault(ALIAS, f"{__name__}:Transport")


class Message(virtual.Message):
    """A message whose body is plain JSON.

    kombu's own JSON turns objects such as {"__type__": "uuid", "__value__": …} into Python objects, or
    raises on them; an input of a job may look like that.
    """

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        super().__init__(payload, channel, **options)
        # Remote control's own messages come without a lease, and are not acknowledged.
        self.lease = Lease(*self.headers.pop(LEASE_HEADER, ("", "")))
        self.fresh = bool(self.headers.pop(FRESH_HEADER, False))
        # Whether there is nothing left to close at the ack: who wants no result from Celery has its message
        # closed in the round trip of the last Result; for others, Celery writes one after that.
        self.closed = bool(self.headers.get("ignore_result"))
        self.delay_ms = 0
        self.lost = False  # it has cost a process that had begun no job of it

    def _decode(self) -> Any:
        return json.loads(self.body or "")


class QoS(virtual.QoS):
    """Counts what is being worked on, for the prefetch limit, and ends or gives back the leases."""

    channel: "Channel"
    _delivered: Any
    _on_collect: Any
    _flush: Callable[[], None]

    def can_consume(self) -> bool:
        """Say whether one more may be popped."""
        return not self.channel.holding.full_hands and bool(super().can_consume())

    def ack(self, delivery_tag: str) -> None:
        """End a message."""
        message = self._delivered.get(delivery_tag)
        if message is not None:
            end = self.channel.holding.drop if message.closed else self.channel.holding.close
            end(message.lease)
        super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """End a message, or give it back."""
        message = self._delivered.get(delivery_tag)
        if message is not None and requeue:
            self.channel.holding.release(message.lease, message.delay_ms, lost=message.lost)
        elif message is not None:
            self.channel.holding.close(message.lease)
        super().ack(delivery_tag)

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Give everything back at the end; when Redis went away, only what has not reached the pool.

        The jobs that run go on then, and of the others Celery forgets what it has not given to the pool.
        """
        self._on_collect.cancel()
        self._flush()
        holding, lost = self.channel.holding, self.channel.connection_lost
        started = [request.message for request in state.active_requests] if lost else []
        for tag, message in list(self._delivered.items()):
            if message not in started:
                (holding.forsake if lost else holding.hand_back)(message.lease)
                super().ack(tag)


class Channel(stock.Channel):
    """A channel that delivers admitted messages only."""

    QoS = QoS  # type: ignore[assignment]
    Message = Message
    from_transport_options = (
        *stock.Channel.from_transport_options,
        "holding",
        "on_refused",
        "on_hopeless",
        "lost_most",
    )
    holding: Holding
    on_refused: Callable[[Refused], bool]
    on_hopeless: Callable[[Admitted], bool]
    lost_most: int
    pool: Any
    client: Any
    connection_errors: tuple[type[BaseException], ...]
    _in_poll: Any
    _expires: dict[str, int]
    _queue_cycle: Any
    _flush_brpop_reauth: Callable[[], None]
    _closing: bool

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

    def _basic_cancel(self, consumer_tag: str) -> Any:
        """Stop taking; what the server pops for us meanwhile is not kept while the jobs in hand end."""
        done = super()._basic_cancel(consumer_tag)  # type: ignore[misc]
        if self._in_poll and not self.active_queues:
            with suppress(Empty, *self.connection_errors):
                self._brpop_read()
        return done

    def _brpop_read(self, **options: Any) -> bool:
        """Take what was popped. Raises Empty where nothing comes of it."""
        try:
            popped = self._popped(options)
            if popped:
                queue, item = popped[0].decode().rsplit(self.sep, 1)[0], popped[1]
                self._queue_cycle.rotate(queue)
                envelope = self._deliverable(queue, item)
                if envelope is not None:
                    self.connection._deliver(envelope, queue)
                    return True
            raise Empty
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        """Push a message; an answer of remote control so that it expires, as who asked may be gone."""
        if queue.endswith(f".{remote.REPLY_EXCHANGE}"):
            self._expires[queue] = remote.REPLY_FOR_MS
        try:
            super()._put(queue, message, **options)
        finally:
            self._expires.pop(queue, None)

    def _handle_message(self, client: Any, r: Any) -> dict[str, Any]:
        """Have what remote control is told pass its door, too; kombu leaves alone what has no data."""
        told: dict[str, Any] = super()._handle_message(client, r)  # type: ignore[misc]
        if told["type"] in (b"message", b"pmessage") and told["data"]:
            told["data"] = remote.admit(told["data"])
            if told["data"] is None:
                _commands.warning("dropped a message of remote control that is no command")
        return told

    def _popped(self, options: dict[str, Any]) -> Any:
        try:
            return self.client.parse_response(self.client.connection, "BRPOP", **options)
        except self.connection_errors:
            self.client.connection.disconnect()  # so that the next turn of the loop connects
            raise

    def _deliverable(self, queue: str, item: bytes) -> dict[str, Any] | None:
        """Return what is to be delivered, held by us, if anything is."""
        wanted = queue in self.active_queues
        if item == _TOKEN:
            if not wanted:
                self.holding.wake_another(queue)
                return None
            delivery = self.holding.take(queue)
            return None if delivery is None else self._taken(queue, delivery)
        verdict = admit(item, queue)
        if isinstance(verdict, Refused):
            self.on_refused(verdict)
            return None
        stray = Stray(verdict.tenant, json.dumps(verdict.envelope), verdict.jobs, verdict.priority)
        if not wanted:
            self.holding.put_by(queue, stray)
            return None
        delivery = self.holding.adopt(queue, stray)
        return None if delivery is None else self._taken(queue, delivery)

    def _taken(self, queue: str, delivery: Delivery) -> dict[str, Any] | None:
        verdict = admit(delivery.message, queue)
        if isinstance(verdict, Admitted) and delivery.lost < self.lost_most:
            verdict.envelope["headers"] |= {LEASE_HEADER: delivery.lease, FRESH_HEADER: delivery.fresh}
            return verdict.envelope
        answered = self.on_refused(verdict) if isinstance(verdict, Refused) else self.on_hopeless(verdict)
        # Where Redis would not record the answer, it comes back.
        (self.holding.close if answered else self.holding.drop)(delivery.lease)
        return None


class Transport(stock.Transport):
    """The transport that the URL scheme `cellblock-redis` names."""

    Channel = Channel
