"""A code node as the command line describes it: a file, and options that are JSON or @file."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from cellblock_producer import InvalidJob
from cellblock_producer.contract import Job, read_job

from cellblock_worker.cli.exits import USAGE, leave

FileArgument = Annotated[
    Path, typer.Argument(help="The code; - reads it from standard input.", show_default=False)
]
LanguageOption = Annotated[
    str | None,
    typer.Option("--language", "-l", help="python3 or nodejs; by default what the file's name says."),
]
InputsOption = Annotated[
    str, typer.Option("--inputs", "-i", help="The inputs: a JSON object, or @FILE with one.")
]
LimitsOption = Annotated[
    str,
    typer.Option(
        "--limits",
        help="Limits below those of the settings, as JSON or @FILE: "
        '{"wall_ms": …, "cpu_ms": …, "memory_mb": …, "output_bytes": …}.',
    ),
]
OutputsOption = Annotated[
    str, typer.Option("--outputs", help='Declared outputs: {"name": {"type": "number"}, …} or @FILE.')
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the Result as JSON and nothing else.")]


class ModeChoice(StrEnum):
    """How the file is run."""

    main = "main"
    script = "script"


ModeOption = Annotated[
    ModeChoice, typer.Option("--mode", "-m", help="Call its function main, or run it from top to bottom.")
]

_LANGUAGES = {".py": "python3", ".js": "nodejs", ".mjs": "nodejs", ".cjs": "nodejs"}


def read_node(
    file: Path,
    language: str | None,
    mode: ModeChoice,
    inputs: str,
    limits: str,
    outputs: str,
    **more: str | None,
) -> Job:
    """The job that the options describe; leaves with a message where they do not make one."""
    fields = {
        "language": language_of(file, language),
        "mode": mode.value,
        "code": read_code(file),
        "inputs": read_object("--inputs", inputs),
        "limits": read_object("--limits", limits),
        "outputs": read_object("--outputs", outputs),
        **{name: value for name, value in more.items() if value is not None},
    }
    try:
        return read_job(fields)
    except InvalidJob as error:
        leave(USAGE, "; ".join(error.problems))


def language_of(file: Path, language: str | None) -> str:
    """The language that was given, or what the file's name says; leaves where neither is."""
    language = language or _LANGUAGES.get(file.suffix)
    if language is None:
        leave(USAGE, f"{file} does not say its language by its name; give --language python3 or nodejs")
    return language


def read_code(file: Path) -> str:
    """The text of the file, or of standard input for -; leaves where it cannot be read."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        leave(USAGE, f"cannot read the code: {error}")


def read_object(option: str, text: str) -> dict[str, object]:
    """The JSON object that an option gives, itself or as @FILE; leaves where it is none."""
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text()
        value = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        leave(USAGE, f"{option}: {error}")
    if not isinstance(value, dict):
        leave(USAGE, f"{option}: it must be a JSON object")
    return value
