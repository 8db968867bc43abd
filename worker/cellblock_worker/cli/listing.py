"""What the commands share that list what is kept in Redis, and do something about it by name."""

import dataclasses
import json as json_module
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cellblock_worker.cli.exits import CODE_FAILED, leave

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object for each, and no more.")]
LimitOption = Annotated[int, typer.Option(min=1, max=100_000, help="List so many of each kind at most.")]


def print_json(listed: "Iterable[DataclassInstance]") -> None:
    """Print one object on a line for each."""
    for each in listed:
        typer.echo(json_module.dumps(dataclasses.asdict(each)))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, whole: str) -> None:
    """Print a table; long words are folded, but those of the column `whole`, which are to be copied."""
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == whole)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, width=None if sys.stdout.isatty() else 150).print(table if rows else "none")


def tell_each(outcomes: Iterable[tuple[str, bool]], done: str, missing: str) -> None:
    """Say of each name what was done, as it is; leaves with `CODE_FAILED` where some were not found."""
    lacking = []
    for name, found in outcomes:
        if found:
            typer.echo(f"{name} {done}")
        else:
            lacking.append(name)
    if lacking:
        leave(CODE_FAILED, f"{missing}: {', '.join(lacking)}")
