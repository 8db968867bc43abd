"""Opens the one connection of a client: from the URL to a subscribed RESP3 connection."""

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any, Self, cast

import redis.connection
from redis.connection import AbstractConnection
from redis.exceptions import ResponseError

from .scripts import OF_CLIENTS

HEARTBEAT_S = 10.0
"""Seconds of silence after which the server is asked whether it is still there."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


class Push(list[bytes]):
    """A frame that the server sent unasked, between the replies."""


class Wire:
    """An open connection. One thread reads; any thread writes, one at a time."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection: Any = connection  # redis-py annotates little of it
        # redis-py's own way to send closes the connection when it fails, and its way to read opens it
        # again: the reader would find itself on a connection that is not subscribed. So write here.
        self._socket = cast("socket.socket", self._connection._sock)

    @classmethod
    def open(cls, make: Callable[[], Any], channel: str) -> Self:
        """Connect, subscribe to `channel` and load the scripts. Raises redis-py's errors."""
        connection = make()
        try:
            connection.connect()
            # The default handler would write every Result to the debug log.
            connection._parser.set_pubsub_push_handler(Push)
            wire = cls(connection)
            wire._subscribe(channel)
        except BaseException:
            connection.disconnect()
            raise
        return wire

    def send(self, commands: list[tuple[str | int, ...]]) -> None:
        """Write commands in one go. Raises OSError."""
        pack = self._connection.pack_command
        self._socket.sendall(b"".join(part for command in commands for part in pack(*command)))

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to read. Raises redis-py's errors."""
        return bool(self._connection.can_read(seconds))

    def read(self) -> object:
        """Read one reply (an error is returned) or one Push. Raises redis-py's errors."""
        try:
            return self._connection.read_response(disconnect_on_error=False, push_request=True)
        except ResponseError as error:
            return error

    def hang_up(self) -> None:
        """End the connection, from any thread; the reader finds it ended."""
        with suppress(OSError):  # it has ended already
            # Not the TLS socket's own shutdown, which would touch what the reader is using.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give everything back; for the reader only."""
        self._connection.disconnect()

    def _subscribe(self, channel: str) -> None:
        self.send([*(("SCRIPT", "LOAD", script.text) for script in OF_CLIENTS), ("SUBSCRIBE", channel)])
        for _ in OF_CLIENTS:
            self.read()  # without the right to load scripts, they are sent with the first call
        answer = self.read()
        if isinstance(answer, ResponseError):
            raise answer


def pauses() -> Iterator[float]:
    """Yield the seconds to wait after each attempt to connect that fails, without end."""
    pause = _FIRST_PAUSE_S
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients out
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def connection_factory(
    url: str, timeout: float, family: ModuleType = redis.connection
) -> tuple[Callable[[], Any], str]:
    """Return what makes unconnected connections to `url`, and the server's name without any secret.

    `family`: redis-py's module of the connections to make, `redis.connection` or `redis.asyncio.connection`.
    Raises ValueError where the URL is none that redis-py understands, or the timeout is not above 0.
    """
    if timeout <= 0:
        raise ValueError("timeout must be above 0")
    options: dict[str, Any] = dict(family.parse_url(url))
    kind = options.pop("connection_class", family.Connection)
    options.pop("max_connections", None)  # there is always one
    options |= {
        "protocol": 3,
        "decode_responses": False,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
    }
    try:
        kind(**options)
    except TypeError as error:
        raise ValueError(f"the URL has an option that redis-py does not know: {error}") from None
    server = options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
    return lambda: kind(**options), str(server)
