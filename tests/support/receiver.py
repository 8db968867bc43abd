"""A receiver of webhooks: a real HTTP server on loopback that keeps what comes and answers as it is told."""

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self


class Received(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """`answers`: the statuses of the first requests, in order; after them, 204.

    A status of 3xx sends whoever follows it to `/followed`.
    """

    def __init__(
        self,
        *answers: int,
        tls: ssl.SSLContext | None = None,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._answers = list(answers)
        self._news = threading.Condition()
        self._received: list[Received] = []
        self._server = _Server((address, port), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def origin(self, host: str = "localhost") -> str:
        return f"{self._scheme}://{host}:{self.port}"

    @property
    def received(self) -> list[Received]:
        with self._news:
            return list(self._received)

    def wait_for(self, times: int, within_s: float = 30) -> list[Received]:
        """Wait until so many requests have come, and return all."""
        with self._news:
            assert self._news.wait_for(lambda: len(self._received) >= times, within_s), self._received
            return list(self._received)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, request: Received) -> int:
        with self._news:
            self._received.append(request)
            self._news.notify_all()
            return self._answers.pop(0) if self._answers else 204

    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver.take(Received(self.path, headers, body))
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{receiver.origin()}/followed")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                receiver.take(Received(self.path, {}, b""))

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that do not like our certificate."""
