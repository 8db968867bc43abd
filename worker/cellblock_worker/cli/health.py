"""`cellblock health`: asks a worker how it is, for containers whose orchestrator wants a command."""

import json
import urllib.error
import urllib.request
from enum import StrEnum
from typing import Annotated

import typer

from cellblock_worker.cli.exits import CODE_FAILED, USAGE, leave, read_settings

_TIMEOUT_S = 5.0
_PORTS = 65536


class What(StrEnum):
    """What is asked."""

    live = "live"
    ready = "ready"
    startup = "startup"


def health(
    what: Annotated[
        What,
        typer.Argument(
            help="live: its main loop turns; ready: it takes jobs; startup: it has taken up work."
        ),
    ] = What.ready,
    at: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where it serves; CELLBLOCK_HTTP by default.")
    ] = None,
) -> None:
    """Ask a worker how it is. Exit code 0: well; 1: not, and standard error says why; 2: wrong usage."""
    address = at or read_settings().http
    if not address:
        leave(USAGE, "give the worker an address with CELLBLOCK_HTTP, or say it with --at")
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < _PORTS) or not host:
        leave(USAGE, f"{address!r} is no HOST:PORT, such as 127.0.0.1:9808")
    if host == "0.0.0.0":  # noqa: S104 - where it listens; here it is asked
        host = "127.0.0.1"
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/{what}", timeout=_TIMEOUT_S):
            typer.echo(what.value)
    except urllib.error.HTTPError as error:
        leave(CODE_FAILED, f"not {what}: {_why(error)}")
    except OSError as error:
        leave(CODE_FAILED, f"no worker answers at {address}, its log says why: {error}")


def _why(error: urllib.error.HTTPError) -> str:
    try:
        return "; ".join(json.load(error)["why"])
    except (ValueError, KeyError, TypeError):
        return str(error)
