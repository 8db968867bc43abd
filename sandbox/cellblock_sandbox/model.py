"""The plain data of the sandbox: what to run, within which limits, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Mode(StrEnum):
    """How a program is run."""

    MAIN = "main"  # call its function main with the inputs; what that returns is the answer
    SCRIPT = "script"  # run it from top to bottom; what it prints is the answer


@dataclass(frozen=True, kw_only=True)
class Program:
    """A piece of untrusted code and how to run it."""

    code: str = field(repr=False)
    mode: Mode = Mode.MAIN


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one cell; memory counts above what the idle runtime has."""

    wall_ms: int = 5_000
    cpu_ms: int = 5_000
    memory_mb: int = 128
    output_bytes: int = 1 << 20  # of the answer, and of stdout and of stderr each
    threads: int = 64

    def __post_init__(self) -> None:
        for name in ("wall_ms", "cpu_ms", "memory_mb", "output_bytes", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"limit {name} must be at least 1, not {getattr(self, name)}")


class Verdict(StrEnum):
    """How a cell ended, as judged from outside."""

    SUCCEEDED = "succeeded"  # it gave an answer
    CODE_ERROR = "code_error"  # the code raised
    SYNTAX_ERROR = "syntax_error"  # the code does not parse
    INVALID_OUTPUT = "invalid_output"  # the answer is no JSON object
    TIMEOUT = "timeout"  # wall clock used up
    CPU_LIMIT = "cpu_limit"  # CPU time used up
    MEMORY_LIMIT = "memory_limit"  # memory used up
    OUTPUT_LIMIT = "output_limit"  # the answer is too large
    BLOCKED = "blocked"  # it tried something that is refused and did not catch the refusal
    CRASHED = "crashed"  # it died by a signal or left without an answer
    CANCELLED = "cancelled"  # its caller had it stopped


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the code itself used; the runtime's own start and size are left out."""

    wall_ns: int = 0
    cpu_ns: int = 0
    peak_memory_kb: int = 0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Why a cell did not succeed, in words for the author of the code."""

    message: str
    type: str = ""  # the language's name of what was raised, such as ZeroDivisionError
    line: int | None = None  # of the code, counted from 1
    traceback: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The one answer of `Sandbox.run`."""

    verdict: Verdict
    outputs: Mapping[str, object] = field(default_factory=dict, repr=False)
    fault: Fault | None = field(default=None, repr=False)
    stdout: str = field(default="", repr=False)
    stderr: str = field(default="", repr=False)
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    exit_code: int | None = None
    usage: Usage = Usage()
