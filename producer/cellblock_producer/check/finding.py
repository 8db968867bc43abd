"""What a check says of a piece of code."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from ..errors import CellblockError

MAX_FINDINGS: Final = 100
"""The most that one check returns; the first ones by line stand."""


class CheckUnavailable(CellblockError):
    """The parser of a language is not installed; the message says what to install."""


class FindingKind(StrEnum):
    """What would happen."""

    REFUSED = "refused"  # the sandbox would refuse it, or the runtime has no such module
    SYNTAX_ERROR = "syntax_error"  # the code does not compile
    NO_MAIN = "no_main"  # main is missing, or cannot take the inputs
    ADVICE = "advice"  # it runs, but perhaps not as meant


class Finding(BaseModel):
    """One thing that was found, and where."""

    model_config = ConfigDict(frozen=True)

    kind: FindingKind = Field(description="What would happen when the code runs.")
    what: str = Field(description="What it is about, by its full name, such as `socket.create_connection`.")
    line: int = Field(ge=1, description="Line, from 1.")
    column: int = Field(ge=1, description="Column in characters, from 1.")
    message: str = Field(description="The finding in words.")
    certain: bool = Field(
        default=False,
        description="Whether every run of the code comes to it (or fails before), so that none can succeed.",
    )


def refuses(findings: Iterable[Finding]) -> bool:
    """Whether one of them says more than advice."""
    return any(finding.kind is not FindingKind.ADVICE for finding in findings)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each of them once, by line and column, and no more than MAX_FINDINGS."""
    first: dict[tuple[int, int, str], Finding] = {}
    for finding in findings:
        key = (finding.line, finding.column, finding.message)
        if key not in first or finding.certain:
            first[key] = finding
    ordered = sorted(first.values(), key=lambda one: (one.line, one.column, one.message))
    return tuple(ordered[:MAX_FINDINGS])
