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
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from cellblock_worker.cli.exits import NOT_AVAILABLE, leave, read_settings
from cellblock_worker.cli.options import RedisOption
from cellblock_worker.cli.parts import Part, part
from cellblock_worker.embedded import EmbeddedServer, EmbeddedServerError
from cellblock_worker.settings import Settings

_GATEWAY: Final = "cellblock_producer.gateway"
_PATIENCE_S: Final = 120.0
_LOOK_S: Final = 0.2
_STOP_S: Final = 5.0
_LOCAL: Final = "127.0.0.1"


def _port_option(what: str, usual: int) -> Any:  # noqa: ANN401 - Typer's own word for it
    usually = f"{usual}, or one that is free"
    return typer.Option(min=0, max=65535, help=f"Of {what}; 0 for any that is free.", show_default=usually)


def up(
    redis: RedisOption = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "-c", help="Pool processes; the cores by default.")
    ] = None,
    port: Annotated[int | None, _port_option("the gateway", 8194)] = None,
    flower_port: Annotated[int | None, _port_option("Flower", 5555)] = None,
    metrics_port: Annotated[int | None, _port_option("metrics and health", 9808)] = None,
) -> None:
    """Run server, worker, gateway and Flower on this machine until Ctrl-C, which leaves nothing behind.

    Everything listens on loopback. The server is the embedded one, and forgets, unless --redis names another.
    Exit code 0: it was ended; 3: a part did not start or ended by itself, or a port asked for is taken.
    """
    out = Console(highlight=False, soft_wrap=True)
    ended = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: ended.set())
    settings = read_settings(redis_url=redis, concurrency=concurrency)
    ports = _free(metrics_port, 9808), _free(port, 8194), _free(flower_port, 5555)
    with ExitStack() as stack:
        url = settings.redis_url if redis else _embedded(stack)
        out.print(f"Redis    {url}", markup=False)
        started = _Started(stack, out, ended)
        started.all(settings, url, *ports)
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

    def all(self, settings: Settings, url: str, metrics: int, port: int, flower_port: int) -> None:
        """Start what is installed of them, each at its port."""
        common = {"CELLBLOCK_REDIS_URL": url, "CELLBLOCK_CONCURRENCY": str(settings.concurrency)}
        # It finishes the jobs in hand, each of which has its limit.
        stop_s = settings.wall_ms / 1000 + _STOP_S
        environ = {**common, "CELLBLOCK_HTTP": f"{_LOCAL}:{metrics}", "CELLBLOCK_EVENTS": "sparing"}
        told = f"http://{_LOCAL}:{metrics}/metrics, /ready"
        self._add("Worker", told, ("cellblock_worker", "worker"), environ, metrics, stop_s)
        if find_spec(_GATEWAY) is not None:
            self._gateway(common, port)
        if find_spec("flower") is not None:
            self._flower(url, settings.queue, flower_port)

    def _add(
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

    def _gateway(self, common: dict[str, str], port: int) -> None:
        """Start the gateway, with the key that everybody knows: it is reached from this machine only."""
        argv = ("cellblock_worker", "gateway", "--host", _LOCAL, "--port", str(port), "--development")
        self._add("Gateway", f"http://{_LOCAL}:{port}  (key: dify-sandbox)", argv, common, port)

    def _flower(self, url: str, queue: str, port: int) -> None:
        """Start Flower, which keeps what it has seen for as long as the stack is up."""
        from cellblock_worker.flower import environ_of  # Celery

        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="cellblock-flower-"))
        password = secrets.token_urlsafe(12)
        environ = environ_of(url, queue, f"admin:{password}", Path(folder) / "flower.db", (_LOCAL, port))
        self._add("Flower", f"http://admin:{password}@{_LOCAL}:{port}", ("celery", "flower"), environ, port)

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


def _free(wanted: int | None, usual: int) -> int:
    """The port that is wanted, or leaves; where none is, the usual one or, where it is taken, any."""
    try:
        return _bound(usual if wanted is None else wanted)
    except OSError as error:
        if wanted is None:
            return _bound(0)
        why = f"port {wanted} cannot be had ({error.strerror})"
        leave(NOT_AVAILABLE, f"{why}; name another, or 0 for any that is free")


def _bound(port: int) -> int:
    """Return the port, which is free, or one that is for 0. Raises OSError."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((_LOCAL, port))
        found: int = trial.getsockname()[1]
        return found


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((_LOCAL, port)) == 0
