"""Results on a terminal."""

import json

import typer
from cellblock_producer.contract import Result, Status
from rich.console import Console
from rich.text import Text

from cellblock_worker.cli.exits import CODE_FAILED, SUCCEEDED


def show_result(result: Result, *, as_json: bool) -> None:
    """Print a Result, for programs or for people, and end the command with the code that it means."""
    if as_json:
        typer.echo(result.to_json())
    else:
        _show(result)
    raise typer.Exit(SUCCEEDED if result.status is Status.SUCCEEDED else CODE_FAILED)


def _show(result: Result) -> None:
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    if result.stdout:
        out.print(Text(result.stdout), end="" if result.stdout.endswith("\n") else "\n")
    if result.stderr:
        err.print(Text(result.stderr), end="" if result.stderr.endswith("\n") else "\n")
    if result.outputs or result.error is None:
        out.print(Text(json.dumps(result.outputs, ensure_ascii=False, indent=2)))
    if result.error is not None:
        where = f" (line {result.error.line})" if result.error.line else ""
        err.print(Text(f"{result.error.kind}: {result.error.message}{where}", style="red"))
        if result.error.traceback:
            err.print(Text(result.error.traceback.rstrip(), style="dim"))
    usage = result.usage
    branch = result.branch or "none"
    err.print(
        f"{result.status}, branch {branch}: {usage.wall_ms} ms, {usage.cpu_ms} ms CPU, "
        f"{usage.peak_memory_kb} KiB above the idle runtime",
        style="dim",
    )
