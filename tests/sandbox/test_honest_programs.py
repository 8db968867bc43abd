"""No false alarms: ordinary programs give their exact answers."""

import json
from pathlib import Path

import pytest
from cellblock_sandbox import Sandbox, Verdict

from tests.sandbox.running import run

SECTIONS = Path(__file__).with_name("honest.txt").read_text().split("\n=== ")[1:]
# name -> inputs, outputs, code
PROGRAMS = {name: rest for name, *rest in (section.split("\n", 3) for section in SECTIONS)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_gives_its_answer(sandbox: Sandbox, name: str) -> None:
    inputs, outputs, code = PROGRAMS[name]
    outcome = run(sandbox, code, **json.loads(inputs))
    assert outcome.verdict is Verdict.SUCCEEDED, outcome.fault
    assert outcome.outputs == json.loads(outputs)


def test_logs_and_warnings_go_to_stderr(sandbox: Sandbox) -> None:
    outcome = run(sandbox, PROGRAMS["logging and warnings"][2])
    assert outcome.stderr.splitlines() == [
        "INFO:x:hi",
        "node.py:5: UserWarning: careful",
        "  warnings.warn('careful')",
    ]
