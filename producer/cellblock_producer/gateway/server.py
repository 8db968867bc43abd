"""Serves a gateway until it is told to end, and ends it in order.

SIGTERM: no new connections; who waits for a job by its id is answered 202 at once, others go on
after drain_s: the others are told that the gateway is shutting down; then connections end
"""

import asyncio
import resource
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import uvicorn
from fastapi import FastAPI

from .gateway import Gateway
from .one_write import OneWriteProtocol
from .settings import GatewaySettings

_BACKLOG: Final = 4096
_LAST_S: Final = 5
_KEEP_ALIVE_S: Final = 30


class _Server(uvicorn.Server):
    """uvicorn's, which tells the gateway before it waits for open requests."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway, started: Callable[[str], object]) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._say = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._say(_address(self))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        waits = self._gateway.waits
        waits.close()
        rest = asyncio.get_running_loop().call_later(self._gateway.settings.drain_s, _close_all, waits.close)
        try:
            await super().shutdown(sockets)
        finally:
            rest.cancel()


def serve(app: FastAPI, settings: GatewaySettings, started: Callable[[str], object]) -> bool:
    """Serve until SIGTERM or SIGINT; `started` is called with the URL. Returns whether it had started."""
    _raise_limit_of_files()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        backlog=_BACKLOG,
        loop="uvloop",
        http=OneWriteProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.drain_s) + _LAST_S,
    )
    server = _Server(config, app.state.gateway, started)
    # uvicorn sends itself the signal again when it is done, which would end the process by it.
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: None)
    with suppress(SystemExit):
        server.run()
    return server.started


def _close_all(close: Callable[..., None]) -> None:
    close(all_of_them=True)


def _address(server: uvicorn.Server) -> str:
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _raise_limit_of_files() -> None:
    """A connection is an open file, and there are to be thousands."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # it stays as it is
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
