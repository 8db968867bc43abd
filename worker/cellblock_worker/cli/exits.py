"""How a command ends: its exit codes, and the one way to leave with a message."""

import os
from typing import Final, NoReturn

import typer

from cellblock_worker.settings import Settings, SettingsError

SUCCEEDED: Final = 0
CODE_FAILED: Final = 1
USAGE: Final = 2
NOT_AVAILABLE: Final = 3


def leave(code: int, message: str) -> NoReturn:
    """End the command with a message on standard error."""
    typer.echo(f"cellblock: {message}", err=True)
    raise typer.Exit(code)


def read_settings(**given: object) -> Settings:
    """The settings of the environment, with those options over them that were given; leaves on bad ones."""
    options = {f"CELLBLOCK_{name.upper()}": str(value) for name, value in given.items() if value is not None}
    try:
        return Settings.from_env({**os.environ, **options})
    except SettingsError as error:
        leave(USAGE, str(error))
