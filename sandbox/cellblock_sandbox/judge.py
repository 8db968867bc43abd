"""How a cell ended, as a pure function of what was seen from outside."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from enum import StrEnum

from cellblock_sandbox.answer import Answer, InvalidAnswer, parse_answer
from cellblock_sandbox.model import Fault, Limits, Outcome, Usage, Verdict


class Stop(StrEnum):
    """Why the owner killed a cell."""

    WALL = "wall"  # its time was over
    CPU = "cpu"  # its CPU time was used up
    MEMORY = "memory"  # its memory was
    THREADS = "threads"  # it ran too many threads
    ANSWER = "answer"  # it announced an answer larger than allowed
    PRINTS = "prints"  # a script, whose answer is what it prints, printed too much
    ASKED = "asked"  # its caller asked for it


@dataclass(frozen=True, kw_only=True)
class Captured:
    """What was read from stdout or stderr, cut at its limit."""

    data: bytes = b""
    truncated: bool = False

    @property
    def text(self) -> str:
        """The same as text; what is no UTF-8 is replaced."""
        return self.data.decode(errors="replace")


@dataclass(frozen=True, kw_only=True)
class Ending:
    """All that the owner knows when a cell is gone."""

    stop: Stop | None = None
    status: int = 0  # as wait(2) gives it
    frame: bytes | None = field(default=None, repr=False)  # the first complete answer
    stdout: Captured = field(default=Captured(), repr=False)
    stderr: Captured = field(default=Captured(), repr=False)
    usage: Usage = field(default_factory=Usage)


def judge(ending: Ending, limits: Limits) -> Outcome:
    """The outcome: a complete answer stands, whatever came after it; else it is how the cell died."""
    answer = _answer(ending, limits)
    exit_code = answer.exit_code
    if ending.frame is None and exit_code is None:
        exit_code = os.waitstatus_to_exitcode(ending.status)
    return Outcome(
        verdict=answer.verdict,
        outputs=answer.outputs,
        fault=answer.fault,
        stdout=ending.stdout.text,
        stderr=ending.stderr.text,
        stdout_truncated=ending.stdout.truncated,
        stderr_truncated=ending.stderr.truncated,
        exit_code=exit_code,
        usage=ending.usage,
    )


def _answer(ending: Ending, limits: Limits) -> Answer:
    if ending.stop in (Stop.PRINTS, Stop.ANSWER):
        return _stopped(ending.stop, limits)
    if ending.frame is not None:
        try:
            answer = parse_answer(ending.frame)
        except InvalidAnswer as error:
            return _failed(Verdict.INVALID_OUTPUT, str(error))
        if answer.verdict is Verdict.MEMORY_LIMIT and answer.fault is not None:
            told = _stopped(Stop.MEMORY, limits).fault
            message = told.message if told else ""
            return _failed(Verdict.MEMORY_LIMIT, message, type=answer.fault.type, line=answer.fault.line)
        if answer.verdict is Verdict.SUCCEEDED and len(ending.frame) > limits.output_bytes:
            return _stopped(Stop.ANSWER, limits)
        return answer
    if ending.stop is not None:
        return _stopped(ending.stop, limits)
    return _died(os.waitstatus_to_exitcode(ending.status), ending.usage, limits)


def _stopped(stop: Stop, limits: Limits) -> Answer:
    match stop:
        case Stop.WALL:
            return _failed(Verdict.TIMEOUT, f"the code ran longer than its limit of {limits.wall_ms} ms")
        case Stop.CPU:
            return _failed(
                Verdict.CPU_LIMIT, f"the code used more CPU time than its limit of {limits.cpu_ms} ms"
            )
        case Stop.MEMORY:
            return _failed(
                Verdict.MEMORY_LIMIT, f"the code used more memory than its limit of {limits.memory_mb} MB"
            )
        case Stop.THREADS:
            what = f"run more than {limits.threads} threads at once"
            return _failed(Verdict.BLOCKED, f"this code node tried to {what}, which is not allowed")
        case Stop.ANSWER:
            return _failed(
                Verdict.OUTPUT_LIMIT, f"the answer is larger than its limit of {limits.output_bytes} bytes"
            )
        case Stop.PRINTS:
            return _failed(
                Verdict.OUTPUT_LIMIT, f"the script printed more than its limit of {limits.output_bytes} bytes"
            )
        case Stop.ASKED:
            return _failed(Verdict.CANCELLED, "the code was stopped on request")


def _died(code: int, usage: Usage, limits: Limits) -> Answer:
    if code == -signal.SIGSYS:
        message = "this code node made a system call that no code node needs, which is not allowed"
        return _failed(Verdict.BLOCKED, message)
    over = usage.cpu_ns > limits.cpu_ms * 1_000_000
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and over):
        return _stopped(Stop.CPU, limits)
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return _failed(Verdict.CRASHED, f"the code crashed ({name})", type=name)
    return _failed(Verdict.CRASHED, f"the code ended without an answer (exit status {code})")


def _failed(verdict: Verdict, message: str, *, type: str = "", line: int | None = None) -> Answer:  # noqa: A002
    fault = Fault(message=message, type=type, line=line)
    return Answer(verdict=verdict, outputs={}, fault=fault, exit_code=None)
