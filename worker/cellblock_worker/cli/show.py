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
    for console, text, cut in (
        (out, result.stdout, result.stdout_truncated),
        (err, result.stderr, result.stderr_truncated),
    ):
        if text:
            console.print(harmless(console, text), end="" if text.endswith("\n") else "\n", soft_wrap=True)
        if cut:
            err.print("(cut here: it printed more than its limit)", style="yellow")
    if result.outputs or result.error is None:
        text = json.dumps(result.outputs, ensure_ascii=False, indent=2)
        out.print(harmless(out, text), soft_wrap=True)
    if result.error is not None:
        where = f" (line {result.error.line})" if result.error.line else ""
        told = harmless(err, f"{result.error.kind}: {result.error.message}{where}")
        err.print(told, style="red", soft_wrap=True)
        if result.error.traceback:
            err.print(harmless(err, result.error.traceback.rstrip()), style="dim", soft_wrap=True)
    usage = result.usage
    branch = result.branch or "none"
    err.print(
        f"{result.status}, branch {branch}: {usage.wall_ms} ms, {usage.cpu_ms} ms CPU, "
        f"{usage.peak_memory_kb} KiB above the idle runtime",
        style="dim",
        soft_wrap=True,
    )


def harmless(console: Console, text: str) -> Text:
    """Text of a node's, which on a terminal must not move the cursor or change the title."""
    if console.is_terminal:
        text = "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)
    return Text(text)
