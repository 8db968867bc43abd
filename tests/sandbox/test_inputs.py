"""What goes into a cell: any JSON, and nothing else."""

from types import MappingProxyType
from typing import Any

import pytest
from cellblock_sandbox import Limits, Mode, Program, Sandbox, Verdict
from hypothesis import HealthCheck, given, settings

from tests.sandbox.running import fault, run
from tests.sandbox.test_answer import JSON

ECHO = Program(code="def main(a): return {'a': a}")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(JSON)
def test_any_json_goes_through(sandbox: Sandbox, value: Any) -> None:
    assert sandbox.run(ECHO, {"a": value}).outputs == {"a": value}


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "\ud800", {1, 2}, b"bytes", object(), {(1, 2): 3}], ids=repr
)
def test_what_is_no_json_is_refused(sandbox: Sandbox, value: object) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        sandbox.run(ECHO, {"a": value})
    assert sandbox.run(ECHO, {"a": 1}).outputs == {"a": 1}


def test_code_with_lone_surrogates_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        sandbox.run(Program(code="x = '\ud800'"))


def test_inputs_without_end_are_refused(sandbox: Sandbox) -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(ValueError, match="not JSON"):
        sandbox.run(ECHO, {"a": value})


def test_an_unknown_mode_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="sideways"):
        sandbox.run(Program(code="", mode="sideways"))  # type: ignore[arg-type]


def test_inputs_may_be_any_mapping(sandbox: Sandbox) -> None:
    assert sandbox.run(ECHO, MappingProxyType({"a": 1})).outputs == {"a": 1}


def test_inputs_that_are_deep_are_told_of(sandbox: Sandbox) -> None:
    value: object = 1
    for _ in range(900):
        value = [value]
    code = "import sys\ndef main(a): return {'ok': type(a).__name__}"
    outcome = run(sandbox, code, a=value)
    assert outcome.outputs == {"ok": "list"} or fault(outcome).message == "the inputs are nested too deep"


def test_inputs_and_code_larger_than_a_socket_holds(sandbox: Sandbox) -> None:
    code = "def main(a, b): return {'a': len(a), 'b': b}\n" + "#" * 900_000
    assert run(sandbox, code, a="x" * 9_000_000, b=2).outputs == {"a": 9_000_000, "b": 2}


def test_a_cell_that_reads_its_job_slowly_has_its_time(sandbox: Sandbox) -> None:
    limits = Limits(wall_ms=1)
    assert run(sandbox, "def main(a): return {}", limits=limits, a="x" * 9_000_000).verdict in (
        Verdict.TIMEOUT,
        Verdict.SUCCEEDED,
    )


def test_a_script_has_no_inputs_as_names(sandbox: Sandbox) -> None:
    assert fault(run(sandbox, "print(a)", mode=Mode.SCRIPT, a=1)).type == "NameError"
