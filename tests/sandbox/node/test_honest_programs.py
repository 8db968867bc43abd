"""No false alarms: ordinary programs give their exact answers, those that a plain Node.js gives."""

import json
from pathlib import Path

import pytest
from cellblock_sandbox import Program, Sandbox, Verdict

from tests.sandbox.node.running import run_main

SECTIONS = Path(__file__).with_name("honest.txt").read_text().split("\n=== ")[1:]
# name -> inputs, outputs, code
PROGRAMS = {name: rest for name, *rest in (section.split("\n", 3) for section in SECTIONS)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_gives_its_answer(sandbox: Sandbox, name: str) -> None:
    inputs, outputs, code = PROGRAMS[name]
    outcome = sandbox.run(Program(code=code), json.loads(inputs))
    assert outcome.verdict is Verdict.SUCCEEDED, outcome.fault
    assert outcome.outputs == json.loads(outputs)


def test_a_node_finds_processors_and_memory(sandbox: Sandbox) -> None:
    body = """
    const os = require('os');
    const { cpus } = await import('node:os');
    const { rss, heapTotal, heapUsed } = process.memoryUsage();
    return {
      cpus: cpus().length === os.availableParallelism(), times: Object.keys(os.cpus()[0].times).length,
      memory: [rss, heapTotal, heapUsed].every((bytes) => bytes > 1e6), total: os.totalmem() >= os.freemem(),
    };
    """
    assert run_main(sandbox, body).outputs == {"cpus": True, "times": 5, "memory": True, "total": True}


def test_warnings_are_the_codes_own(sandbox: Sandbox) -> None:
    body = """
    await import('node:path');
    require('util').deprecate(() => 1, 'old', 'DEP9')();
    await new Promise((resolve) => setTimeout(resolve, 5));
    return { pid: process.pid };
    """
    outcome = run_main(sandbox, body)
    assert outcome.stderr.splitlines()[0] == f"(node:{outcome.outputs['pid']}) [DEP9] DeprecationWarning: old"
    assert "Experimental" not in outcome.stderr
