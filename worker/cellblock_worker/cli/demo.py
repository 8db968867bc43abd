"""`cellblock demo`: the main job on a stack of its own, with nodes that fail and attack.

private server (or --redis URL) <── this process: Client        worker, 2 pool processes
         └────────────── queue of its own, one for each demo ──────┘
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import typer
from cellblock_producer import CellblockError, Client, Handle, WorkerFailed
from cellblock_producer.contract import Result
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cellblock_worker.cli.cases import Case
from cellblock_worker.cli.cases_javascript import JAVASCRIPT
from cellblock_worker.cli.cases_python import PYTHON
from cellblock_worker.cli.exits import CODE_FAILED, NOT_AVAILABLE, leave, read_settings
from cellblock_worker.cli.interrupt import heed_interrupts
from cellblock_worker.cli.options import RedisOption
from cellblock_worker.cli.parts import Part, part
from cellblock_worker.embedded import EmbeddedServer, EmbeddedServerError

_CASES: Final = (*PYTHON, *JAVASCRIPT)
_POOL_PROCESSES: Final = 2
_WIDTH: Final = 150  # where there is no terminal to ask
_PATIENCE_S: Final = 60.0
_STOP_S: Final = 15.0


def demo(redis: RedisOption = None) -> None:
    """Run real code nodes through Redis and a worker, some of them failing or hostile, and show the Results.

    Everything it needs is started for it and ended after it; with --redis, that server is used instead of
    the embedded one. Exit code 0: each node ended as it must; 1: one did not; 3: the stack did not start.
    """
    heed_interrupts()
    settings = read_settings(redis_url=redis)
    out = Console(highlight=False)
    if not out.is_terminal:
        out = Console(highlight=False, width=_WIDTH)
    with ExitStack() as stack:
        url = settings.redis_url if redis else _embedded(stack, out)
        queue = f"cellblock-demo-{secrets.token_hex(4)}"
        out.print(f"Starting a worker with {_POOL_PROCESSES} pool processes ...")
        worker = stack.enter_context(_worker(url, queue))
        client = stack.enter_context(Client(url, queue=queue))
        out.print(f"Submitting {len(_CASES)} code nodes ...")
        started = time.monotonic()
        results = _run(client, worker)
        seconds = time.monotonic() - started
    wrong = _show(out, results, seconds)
    if wrong:
        raise typer.Exit(CODE_FAILED)


def _embedded(stack: ExitStack, out: Console) -> str:
    out.print("Starting the embedded server (Valkey, on a private socket) ...")
    try:
        return stack.enter_context(EmbeddedServer()).url
    except EmbeddedServerError as error:
        leave(NOT_AVAILABLE, f"{error}; give a server of yours with --redis URL")


@contextmanager
def _worker(url: str, queue: str) -> Iterator[Part]:
    environ = {
        "CELLBLOCK_REDIS_URL": url,
        "CELLBLOCK_QUEUE": queue,
        "CELLBLOCK_CONCURRENCY": str(_POOL_PROCESSES),
    }
    with part("worker", ("cellblock_worker", "worker"), environ, _STOP_S) as worker:
        yield worker


def _run(client: Client, worker: Part) -> list[tuple[Case, Result]]:
    """The Results of all cases, in their order."""
    try:
        handles = client.submit_many(case.job() for case in _CASES)
        return [(case, _wait(handle, worker)) for case, handle in zip(_CASES, handles, strict=True)]
    except CellblockError as error:
        leave(NOT_AVAILABLE, str(error))


def _wait(handle: Handle, worker: Part) -> Result:
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return handle.result(timeout=0.5)
        except WorkerFailed as error:
            return error.result
        except TimeoutError:
            worker.check()
            if time.monotonic() > give_up:
                raise


def _show(out: Console, results: list[tuple[Case, Result]], seconds: float) -> int:
    """Print the table and the summary; returns how many did not end as they must."""
    table = Table(title="Code nodes and how they ended")
    for column in ("language", "node", "status", "branch", "error kind", "what its author reads", "ms", ""):
        table.add_column(column, justify="right" if column == "ms" else "left")
    for case, result in results:
        error = result.error
        table.add_row(
            case.language,
            case.title,
            result.status.value,
            result.branch.value if result.branch else "-",
            str(error.kind) if error else "-",
            Text(_told(result)),
            str(result.usage.wall_ms),
            "[green]ok[/]" if case.fits(result) else "[red]not as it must be[/]",
        )
    out.print(table)
    wrong = [case.title for case, result in results if not case.fits(result)]
    if wrong:
        out.print(f"[red]{len(wrong)} of {len(results)} did not end as they must:[/] {'; '.join(wrong)}")
    else:
        out.print(f"All {len(results)} nodes ended as they must, in {seconds:.1f} s with the worker's start.")
    return len(wrong)


def _told(result: Result) -> str:
    if result.error is None:
        return ", ".join(f"{name} = {value!r}" for name, value in result.outputs.items())[:100]
    line = f" (line {result.error.line})" if result.error.line else ""
    return result.error.message[:100] + line
