"""`cellblock up`: the whole stack on this machine, until Ctrl-C.

private server (or --redis URL) <── worker: metrics and health by HTTP
                     ^     ^─────── gateway, where it is installed
                     └───────────── Flower, behind a password made for this run
"""

import secrets
import signal
import socket
import tempfile
import threading
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from cellblock_worker.cli.exits import NOT_AVAILABLE, leave, read_settings
from cellblock_worker.cli.options import RedisOption
from cellblock_worker.cli.parts import Part, part
from cellblock_worker.embedded import EmbeddedServer, EmbeddedServerError

_GATEWAY: Final = "cellblock_producer.gateway"
_PATIENCE_S: Final = 120.0
_LOOK_S: Final = 0.2
_STOP_S: Final = 5.0
_LOCAL: Final = "127.0.0.1"


def up(
    redis: RedisOption = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "-c", help="Pool processes; the cores by default.")
    ] = None,
    port: Annotated[int, typer.Option(help="Of the gateway; 0 for any that is free.")] = 8194,
    flower_port: Annotated[int, typer.Option(help="Of Flower; 0 for any that is free.")] = 5555,
    metrics_port: Annotated[int, typer.Option(help="Of metrics and health; 0 for any that is free.")] = 9808,
) -> None:
    """Run server, worker, gateway and Flower on this machine until Ctrl-C, which leaves nothing behind.

    Everything listens on loopback. The server is the embedded one, and forgets, unless --redis names another.
    Exit code 0: it was ended; 3: a part did not start, or ended by itself.
    """
    out = Console(highlight=False, soft_wrap=True)
    ended = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: ended.set())
    settings = read_settings(redis_url=redis, concurrency=concurrency)
    with ExitStack() as stack:
        url = settings.redis_url if redis else _embedded(stack)
        common = {"CELLBLOCK_REDIS_URL": url, "CELLBLOCK_CONCURRENCY": str(settings.concurrency)}
        out.print(f"Redis    {url}", markup=False)
        started = _Started(stack, out, ended)
        metrics = _free(metrics_port)
        # It finishes the jobs in hand, each of which has its limit.
        stop_s = settings.wall_ms / 1000 + _STOP_S
        environ = {**common, "CELLBLOCK_HTTP": f"{_LOCAL}:{metrics}", "CELLBLOCK_EVENTS": "sparing"}
        told = f"http://{_LOCAL}:{metrics}/metrics, /ready"
        started.add("Worker", told, ("cellblock_worker", "worker"), environ, metrics, stop_s)
        if find_spec(_GATEWAY) is not None:
            started.gateway(common, _free(port))
        if find_spec("flower") is not None:
            started.flower(url, settings.queue, _free(flower_port))
        started.wait()
        if find_spec("flower") is None:
            out.print("Flower   not installed: pip install 'cellblock-worker[flower]'", markup=False)
        if not ended.is_set():
            out.print("Up; Ctrl-C ends it.")
        started.watch()
    out.print("Ended.")


class _Started:
    """The parts that run, and how they are started: all at once."""

    def __init__(self, stack: ExitStack, out: Console, ended: threading.Event) -> None:
        self._stack, self._out, self._ended = stack, out, ended
        self._parts: list[tuple[Part, str, int]] = []

    def add(
        self,
        name: str,
        told: str,
        module: tuple[str, ...],
        environ: dict[str, str],
        port: int,
        stop_s: float = _STOP_S,
    ) -> None:
        """Start a part; `told` is what is said of it when it listens."""
        self._parts.append((self._stack.enter_context(part(name, module, environ, stop_s)), told, port))

    def gateway(self, common: dict[str, str], port: int) -> None:
        """Start the gateway, with the key that everybody knows: it is reached from this machine only."""
        argv = ("cellblock_worker", "gateway", "--host", _LOCAL, "--port", str(port), "--development")
        self.add("Gateway", f"http://{_LOCAL}:{port}  (key: dify-sandbox)", argv, common, port)

    def flower(self, url: str, queue: str, port: int) -> None:
        """Start Flower, which keeps what it has seen for as long as the stack is up."""
        from cellblock_worker.flower import environ_of  # Celery

        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="cellblock-flower-"))
        password = secrets.token_urlsafe(12)
        environ = environ_of(url, queue, f"admin:{password}", Path(folder) / "flower.db", (_LOCAL, port))
        self.add("Flower", f"http://admin:{password}@{_LOCAL}:{port}", ("celery", "flower"), environ, port)

    def wait(self) -> None:
        """Wait until all of them listen, or it is to end; leaves where one does not."""
        give_up = time.monotonic() + _PATIENCE_S
        for started, told, port in self._parts:
            while not _listens(port) and not self._ended.wait(_LOOK_S):
                self._check()
                if time.monotonic() > give_up:
                    tail = started.log[-4000:]
                    leave(NOT_AVAILABLE, f"{started.name} does not listen on port {port}:\n{tail}")
            self._out.print(f"{started.name:8} {told}", markup=False)

    def watch(self) -> None:
        """Return when it is to end; leaves where a part has ended by itself."""
        while not self._ended.wait(_LOOK_S):
            self._check()

    def _check(self) -> None:
        for each, _, _ in self._parts:
            each.check()


def _embedded(stack: ExitStack) -> str:
    try:
        return stack.enter_context(EmbeddedServer()).url
    except EmbeddedServerError as error:
        leave(NOT_AVAILABLE, f"{error}; give a server of yours with --redis URL")


def _free(wanted: int) -> int:
    """The port that is wanted, or one that is free where it is taken."""
    for port in (wanted, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((_LOCAL, port))
            except OSError:
                continue
            found: int = trial.getsockname()[1]
            return found
    raise RuntimeError("no port is free")


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((_LOCAL, port)) == 0
