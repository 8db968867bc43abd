"""`cellblock check`: what a cell would refuse of a code node, found without running it."""

import json as json_module
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from cellblock_producer import InvalidJob
from cellblock_producer.check import (
    PACKAGES,
    CheckUnavailable,
    Finding,
    FindingKind,
    refuses,
)
from cellblock_producer.check import check as find
from cellblock_producer.contract import Language, Mode, read_job
from rich.console import Console

from cellblock_worker.cli.exits import CODE_FAILED, NOT_AVAILABLE, SUCCEEDED, USAGE, leave
from cellblock_worker.cli.node import (
    FileArgument,
    LanguageOption,
    ModeChoice,
    ModeOption,
    language_of,
    read_code,
    read_object,
)
from cellblock_worker.cli.show import harmless

_CERTAIN: Final = "red"
_PERHAPS: Final = "yellow"
_ADVICE: Final = "cyan"


InputsOption = Annotated[
    str | None,
    typer.Option(
        "--inputs",
        "-i",
        help="The inputs that it will get, a JSON object or @FILE: can main take them? Only names count.",
        show_default=False,
    ),
]
PackageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--package", "-p", help="A module that its runtime has beside the default's; may be repeated."
    ),
]


def check(
    file: FileArgument,
    language: LanguageOption = None,
    mode: ModeOption = ModeChoice.main,
    inputs: InputsOption = None,
    package: PackageOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the findings as a JSON list and nothing else.")
    ] = False,
) -> None:
    """Say what of a code node would be refused when it runs, and at which line, without running it.

    It prints FILE:LINE:COLUMN: MESSAGE for each finding.
    Red is certain to fail, yellow fails if a run comes to it, cyan is mere advice.
    It is no promise and no protection: the sandbox decides, whatever is found here.

    Exit code 0: nothing was found, or advice only.
    1: it would be refused, does not compile, or has no fitting main; 2: wrong usage.
    """
    spoken = _language(language_of(file, language))
    code = read_code(file)
    names = None if inputs is None else list(read_object("--inputs", inputs))
    try:
        findings = find(
            code,
            spoken,
            Mode(mode.value),
            inputs=names,
            packages=PACKAGES[spoken].union(package or ()),
        )
    except CheckUnavailable as error:
        leave(NOT_AVAILABLE, str(error))
    if json:
        typer.echo(json_module.dumps([finding.model_dump(mode="json") for finding in findings], indent=2))
    else:
        _show(file, findings)
    raise typer.Exit(CODE_FAILED if refuses(findings) else SUCCEEDED)


def _language(given: str) -> Language:
    try:
        return read_job({"language": given, "code": "-"}).language
    except InvalidJob as error:
        leave(USAGE, "; ".join(error.problems))


def _show(file: Path, findings: Sequence[Finding]) -> None:
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    name = "<stdin>" if str(file) == "-" else str(file)
    for finding in findings:
        line = f"{name}:{finding.line}:{finding.column}: {finding.message}"
        out.print(harmless(out, line), style=_style(finding), soft_wrap=True)
    certain = sum(finding.certain for finding in findings)
    told = f"{len(findings)} found, {certain} of them certain" if findings else "nothing found"
    err.print(f"{told}; a look at the text only, the sandbox decides", style="dim", soft_wrap=True)


def _style(finding: Finding) -> str:
    if finding.kind is FindingKind.ADVICE:
        return _ADVICE
    return _CERTAIN if finding.certain else _PERHAPS
