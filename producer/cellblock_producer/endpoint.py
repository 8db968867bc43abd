"""Where an asyncio client connects and how it logs in, read from a URL."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, Self

import redis.asyncio.connection

from .connection import connection_factory
from .core import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What a URL says. redis-py reads it, so that it means the same to both clients."""

    server: str
    """The name of the server, without any secret."""
    path: str | None
    host: str
    port: int
    tls: Callable[[], SSLContext] | None
    username: str
    password: str = field(repr=False)
    client_name: str
    db: int

    @classmethod
    def read(cls, url: str, timeout: float) -> Self:
        """Read `url`. Raises ValueError where it is none that redis-py understands."""
        make, server = connection_factory(url, timeout, redis.asyncio.connection)
        said: Any = make()  # a connection of redis-py, which is never connected
        tls = getattr(said, "ssl_context", None)
        return cls(
            server=server,
            path=getattr(said, "path", None),
            host=getattr(said, "host", ""),
            port=getattr(said, "port", 0),
            tls=None if tls is None else tls.get,
            username=said.username or "",
            password=said.password or "",
            client_name=said.client_name or "",
            db=said.db,
        )

    async def connect(self, protocol: asyncio.Protocol) -> None:
        """Connect `protocol`. Raises OSError, or UnicodeError for a host that cannot be one."""
        loop = asyncio.get_running_loop()
        if self.path is not None:
            await loop.create_unix_connection(lambda: protocol, self.path)
            return
        context = None if self.tls is None else self.tls()
        await loop.create_connection(lambda: protocol, self.host, self.port, ssl=context)

    def greeting(self) -> Iterator[Command]:
        """Yield the commands that a new connection begins with."""
        known = self.username or self.password
        yield ("HELLO", 3, *(("AUTH", self.username or "default", self.password) if known else ()))
        if self.client_name:
            yield ("CLIENT", "SETNAME", self.client_name)
        if self.db:
            yield ("SELECT", self.db)
