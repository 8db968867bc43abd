"""The HTTP server of a worker: metrics for Prometheus, health for whoever starts and stops it. Read only.

GET /metrics                      Prometheus's text format
GET /live, /ready, /startup       200 or 503, {"ok": …, "why": […]}
"""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from .health import Health

_TIMEOUT_S = 10.0


class Server:
    """Serves in threads of its own until `close`."""

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry, health: Health) -> None:
        """Raises OSError where the address cannot be had; port 0 is any that is free."""
        self._http = _Http(address, _Handler)
        self._http.registry, self._http.health = registry, health
        self._thread = threading.Thread(target=self._http.serve_forever, name="cellblock-http", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = cast("tuple[str, int]", self._http.server_address[:2])
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop serving."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def try_address(address: tuple[str, int]) -> None:
    """Raise OSError where the address cannot be had; leaves nothing open that the pool would inherit."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(address)
        except OSError as error:
            raise OSError(f"CELLBLOCK_HTTP: {address[0]}:{address[1]}: {error.strerror or error}") from None


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    registry: CollectorRegistry
    health: Health


class _Handler(BaseHTTPRequestHandler):
    timeout = _TIMEOUT_S
    server_version, sys_version = "cellblock", ""

    def do_GET(self) -> None:
        server = cast("_Http", self.server)
        match self.path:
            case "/metrics":
                self._send(200, CONTENT_TYPE_LATEST, generate_latest(server.registry))
            case "/live" | "/ready" | "/startup":
                why = getattr(server.health, self.path[1:])()
                body = json.dumps({"ok": not why, "why": why}).encode() + b"\n"
                self._send(503 if why else 200, "application/json", body)
            case _:
                self._send(404, "text/plain; charset=utf-8", b"/metrics, /live, /ready, /startup\n")

    def log_message(self, *_: object) -> None:
        """Say nothing of each look."""

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
