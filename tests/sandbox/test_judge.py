"""How a cell ended follows from what was seen of it, and from nothing else."""

import json
import signal
from dataclasses import dataclass, field
from typing import Any

import pytest
from cellblock_sandbox import Limits, Usage, Verdict
from cellblock_sandbox.judge import Captured, Ending, Stop, judge
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.test_answer import FIELDS, PARTS

LIMITS = Limits(wall_ms=100, cpu_ms=50, memory_mb=32, output_bytes=1000, threads=3)
OVER = Usage(cpu_ns=51_000_000)


def framed(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@dataclass(frozen=True, kw_only=True)
class Row:
    verdict: Verdict
    message: str | None = None
    status: int = 0
    frame: bytes | None = None
    stop: Stop | None = None
    usage: Usage = field(default_factory=Usage)
    exit_code: int | None = None


ANSWER = framed(outputs={"a": 1})
LARGE = framed(outputs={"a": "x" * 1000})
FAULT = framed(error={"kind": "code_error", "message": "so"})

TABLE = {
    "an answer": Row(verdict=Verdict.SUCCEEDED, frame=ANSWER),
    "an answer, then killed": Row(verdict=Verdict.SUCCEEDED, frame=ANSWER, status=9, stop=Stop.WALL),
    "an answer, then a crash": Row(verdict=Verdict.SUCCEEDED, frame=ANSWER, status=signal.SIGSEGV),
    "an answer with a status": Row(
        verdict=Verdict.SUCCEEDED, frame=framed(outputs={}, exit_code=0), exit_code=0
    ),
    "a fault": Row(verdict=Verdict.CODE_ERROR, message="so", frame=FAULT),
    "no JSON": Row(verdict=Verdict.INVALID_OUTPUT, message="not JSON", frame=b"x"),
    "an empty frame": Row(verdict=Verdict.INVALID_OUTPUT, message="not JSON", frame=b""),
    "a large answer": Row(verdict=Verdict.OUTPUT_LIMIT, message="limit of 1000 bytes", frame=LARGE),
    "too large an announcement": Row(
        verdict=Verdict.OUTPUT_LIMIT, message="limit of 1000 bytes", stop=Stop.ANSWER, status=9, exit_code=-9
    ),
    "a large answer that came whole": Row(
        verdict=Verdict.OUTPUT_LIMIT, message="the answer is larger", frame=LARGE, stop=Stop.ANSWER, status=9
    ),
    "an answer of a script that printed too much": Row(
        verdict=Verdict.OUTPUT_LIMIT, message="script printed more", frame=ANSWER, stop=Stop.PRINTS
    ),
    "memory told from inside": Row(
        verdict=Verdict.MEMORY_LIMIT,
        message="limit of 32 MB",
        frame=framed(error={"kind": "memory_limit", "message": "anything"}),
    ),
    "stopped by the clock": Row(
        verdict=Verdict.TIMEOUT, message="limit of 100 ms", stop=Stop.WALL, status=9, exit_code=-9
    ),
    "stopped for CPU": Row(
        verdict=Verdict.CPU_LIMIT, message="limit of 50 ms", stop=Stop.CPU, status=9, exit_code=-9
    ),
    "stopped for memory": Row(
        verdict=Verdict.MEMORY_LIMIT, message="32 MB", stop=Stop.MEMORY, status=9, exit_code=-9
    ),
    "stopped for threads": Row(
        verdict=Verdict.BLOCKED,
        message="run more than 3 threads at once",
        stop=Stop.THREADS,
        status=9,
        exit_code=-9,
    ),
    "stopped on request": Row(
        verdict=Verdict.CANCELLED, message="on request", stop=Stop.ASKED, status=9, exit_code=-9
    ),
    "an answer before the request": Row(verdict=Verdict.SUCCEEDED, frame=ANSWER, status=9, stop=Stop.ASKED),
    "killed by the kernel for CPU": Row(verdict=Verdict.CPU_LIMIT, usage=OVER, status=9, exit_code=-9),
    "told by the kernel of CPU": Row(
        verdict=Verdict.CPU_LIMIT, status=signal.SIGXCPU, exit_code=-signal.SIGXCPU
    ),
    "killed by itself": Row(verdict=Verdict.CRASHED, message="SIGKILL", status=9, exit_code=-9),
    "killed by the filter": Row(
        verdict=Verdict.BLOCKED, message="no code node needs", status=signal.SIGSYS, exit_code=-signal.SIGSYS
    ),
    "killed by the filter, with a core": Row(
        verdict=Verdict.BLOCKED, status=signal.SIGSYS | 0x80, exit_code=-signal.SIGSYS
    ),
    "a crash": Row(verdict=Verdict.CRASHED, message="(SIGSEGV)", status=signal.SIGSEGV, exit_code=-11),
    "an odd signal": Row(verdict=Verdict.CRASHED, message="signal 40", status=40, exit_code=-40),
    "an exit": Row(verdict=Verdict.CRASHED, message="(exit status 3)", status=3 << 8, exit_code=3),
    "an exit at once": Row(verdict=Verdict.CRASHED, message="(exit status 0)", exit_code=0),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
def test_judge(row: Row) -> None:
    ending = Ending(stop=row.stop, status=row.status, frame=row.frame, usage=row.usage)
    outcome = judge(ending, LIMITS)
    assert outcome.verdict is row.verdict
    assert outcome.exit_code == row.exit_code
    assert (outcome.fault is None) == (row.verdict is Verdict.SUCCEEDED)
    assert row.message is None or (outcome.fault is not None and row.message in outcome.fault.message)
    assert outcome.outputs == ({"a": 1} if row.verdict is Verdict.SUCCEEDED and row.exit_code is None else {})
    assert outcome.usage == row.usage


def test_prints_are_handed_on() -> None:
    stdout, stderr = Captured(data=b"a\xff", truncated=True), Captured(data="é".encode())
    outcome = judge(Ending(frame=ANSWER, stdout=stdout, stderr=stderr), LIMITS)
    assert (outcome.stdout, outcome.stdout_truncated) == ("a\ufffd", True)
    assert (outcome.stderr, outcome.stderr_truncated) == ("é", False)


STATUS = st.integers(0, 255).map(lambda code: code << 8) | st.integers(1, 64) | st.integers(129, 192)
ENDINGS = st.builds(
    Ending,
    stop=st.none() | st.sampled_from(Stop),
    status=STATUS,
    frame=st.none() | st.binary(max_size=80) | PARTS | FIELDS.map(lambda fields: json.dumps(fields).encode()),
    stdout=st.builds(Captured, data=st.binary(max_size=20), truncated=st.booleans()),
    stderr=st.builds(Captured, data=st.binary(max_size=20), truncated=st.booleans()),
    usage=st.builds(Usage, cpu_ns=st.integers(0, 10**12)),
)
# What only the owner may say of a cell.
OURS = {Verdict.TIMEOUT, Verdict.CPU_LIMIT, Verdict.CRASHED, Verdict.CANCELLED}


@given(ENDINGS, st.builds(Limits, cpu_ms=st.integers(1, 10**6), output_bytes=st.integers(1, 100)))
def test_every_ending_has_one_outcome(ending: Ending, limits: Limits) -> None:
    outcome = judge(ending, limits)
    assert outcome == judge(ending, limits)
    assert (outcome.fault is None) == (outcome.verdict is Verdict.SUCCEEDED)
    assert (outcome.usage, outcome.stdout) == (ending.usage, ending.stdout.text)
    if outcome.verdict is Verdict.SUCCEEDED:
        assert ending.frame is not None
        assert len(ending.frame) <= limits.output_bytes
        assert ending.stop not in (Stop.PRINTS, Stop.ANSWER)
        assert outcome.outputs == json.loads(ending.frame)["outputs"]
    else:
        assert outcome.outputs == {}
    assert ending.frame is None or outcome.verdict not in OURS


@given(st.binary(max_size=80) | PARTS, st.sampled_from(Stop), STATUS)
def test_a_complete_answer_stands_whatever_came_after(frame: bytes, stop: Stop, status: int) -> None:
    if stop in (Stop.PRINTS, Stop.ANSWER):
        return  # which say that there is no answer, or none that counts
    assert judge(Ending(frame=frame, stop=stop, status=status), LIMITS) == judge(Ending(frame=frame), LIMITS)
