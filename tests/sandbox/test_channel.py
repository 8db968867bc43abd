"""What comes over a cell's channel, in whatever pieces, is one answer or none, and breaks nothing."""

import json
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from cellblock_sandbox import Limits, Outcome, Program, Sandbox, SandboxError, Verdict
from cellblock_sandbox.answer import InvalidAnswer, parse_answer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.test_answer import FIELDS, PARTS

LIMITS = Limits(wall_ms=10_000, cpu_ms=5_000, output_bytes=1 << 16)
# Writes what it is told to, piece by piece, and leaves without a word of its own.
WRITER = Program(
    code="""
import os
def main(pieces):
    for piece in pieces:
        os.write(3, bytes.fromhex(piece))
        os.sched_yield()
    os._exit(0)
"""
)
BODY = st.binary(max_size=60) | PARTS | FIELDS.map(lambda fields: json.dumps(fields).encode())
LENGTH = st.integers(0, 100) | st.integers(0, (1 << 32) - 1)
STREAM = (
    BODY.map(lambda body: struct.pack("!I", len(body)) + body)  # as it should be
    | st.tuples(LENGTH, BODY).map(lambda frame: struct.pack("!I", frame[0]) + frame[1])  # as it should not
    | st.binary(max_size=60)
)
TEXT = st.text(st.characters(exclude_categories=()), max_size=50)  # lone surrogates included
CELLS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def own() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def expected(stream: bytes) -> tuple[Verdict, dict[str, Any]]:
    """What must come of all that was written to the channel, said in other words than the owner's."""
    announced = int.from_bytes(stream[:4], "big") if len(stream) >= 4 else 0
    if announced > LIMITS.output_bytes + (64 << 10):
        return Verdict.OUTPUT_LIMIT, {}
    if announced == 0 or len(stream) < 4 + announced:
        whole = len(stream) > 4 and announced == 0
        return (Verdict.INVALID_OUTPUT if whole else Verdict.CRASHED), {}
    try:
        answer = parse_answer(stream[4 : 4 + announced])
    except InvalidAnswer:
        return Verdict.INVALID_OUTPUT, {}
    return answer.verdict, dict(answer.outputs)


def written(sandbox: Sandbox, pieces: list[bytes]) -> Outcome:
    return sandbox.run(WRITER, {"pieces": [piece.hex() for piece in pieces]}, LIMITS)


@CELLS
@given(st.lists(STREAM, max_size=3).map(b"".join), st.lists(st.integers(0, 200), max_size=8))
def test_a_stream_means_the_same_wherever_it_is_cut(own: Sandbox, stream: bytes, cuts: list[int]) -> None:
    zygote = own.zygote_pid
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(bounds)]
    outcome = written(own, pieces)
    verdict, outputs = expected(stream)
    assert (outcome.verdict, dict(outcome.outputs)) == (verdict, outputs)
    assert own.zygote_pid == zygote


@pytest.mark.parametrize("cut", range(len(b"\0\0\0\x12" + b'{"outputs":{"a":1}}') + 1))
def test_an_answer_may_be_cut_anywhere(own: Sandbox, cut: int) -> None:
    body = b'{"outputs":{"a":1}}'
    stream = struct.pack("!I", len(body)) + body
    assert written(own, [stream[:cut], stream[cut:]]).outputs == {"a": 1}


@CELLS
@given(st.binary(max_size=200), st.sampled_from([1, 2]))
def test_any_bytes_may_be_printed(own: Sandbox, data: bytes, descriptor: int) -> None:
    code = f"import os\ndef main(data):\n    os.write({descriptor}, bytes.fromhex(data))\n    return {{}}"
    outcome = own.run(Program(code=code), {"data": data.hex()})
    assert outcome.verdict is Verdict.SUCCEEDED
    printed = (outcome.stdout, outcome.stderr)
    assert printed[descriptor - 1] == data.decode(errors="replace")
    assert printed[2 - descriptor] == ""


@CELLS
@given(TEXT, st.dictionaries(TEXT, TEXT, max_size=3))
def test_any_code_and_inputs_lead_to_an_outcome(own: Sandbox, code: str, inputs: dict[str, str]) -> None:
    zygote = own.zygote_pid
    try:
        outcome = own.run(Program(code=code), inputs)
    except ValueError:
        return  # what is no JSON is the caller's mistake
    except SandboxError as error:
        pytest.fail(f"{error}")
    assert (outcome.fault is None) == (outcome.verdict is Verdict.SUCCEEDED)
    assert own.zygote_pid == zygote
