"""The command line: one small module for each command, and the exit codes that all of them share.

0  it went as it should      2  wrong usage: the message says what to correct
1  the code failed           3  it could not be run: no sandbox on this host, or no Redis
"""

import sys
from importlib import import_module
from typing import Annotated, Final

import typer

# Each is the function of that name in the module of that name, or that module's `app` where it has commands.
COMMANDS: Final = (
    *("demo", "up", "worker", "gateway", "run", "submit"),
    *("check", "jobs", "replies", "doctor", "bench", "health"),
)

app = typer.Typer(
    name="cellblock",
    help="Runs the code nodes of a workflow, each in a fresh confined process, on a Redis queue.",
    epilog="Settings come from CELLBLOCK_* environment variables; see README.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show locals, and code and inputs among them
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"cellblock {version('cellblock-worker')}")
        raise typer.Exit


@app.callback()
def _group(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version; doctor has them all."
        ),
    ] = False,
) -> None:
    """Make it a group of commands, however few of them are there."""


def main() -> None:
    """Run the command and end the process with its exit code."""
    # Only what is asked for: a worker keeps what the others import, and shares it out to the memory of each
    # pool process.
    wanted = [name for name in sys.argv[1:2] if name in COMMANDS]
    for name in wanted or COMMANDS:
        module = import_module(f"cellblock_worker.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name=name)(getattr(module, name))
    app()
