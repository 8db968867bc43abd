"""Cells are copies of one process, but no two draw the same random numbers."""

import json
from pathlib import Path

import pytest
from cellblock_sandbox import Program, Sandbox, python_runtime

JOBS = 200
DRAW = """
import random, secrets, uuid
from random import SystemRandom
def main():
    return {
        "random": random.random(), "choice": random.choices(range(10**6), k=3),
        "new": random.Random().random(), "secrets": secrets.token_hex(),
        "system": SystemRandom().random(), "uuid4": str(uuid.uuid4()), "uuid1": str(uuid.uuid1()),
    }
"""
NUMPY = """
import numpy
def main():
    return {
        "legacy": numpy.random.rand(), "generator": numpy.random.default_rng().random(),
        "state": numpy.random.RandomState().rand(),
        "permutation": numpy.random.permutation(10**4)[:4].tolist(),
    }
"""


def assert_all_differ(sandbox: Sandbox, code: str) -> None:
    drawn = [sandbox.run(Program(code=code)).outputs for _ in range(JOBS)]
    assert drawn[0]
    for name in drawn[0]:
        assert len({json.dumps(outputs[name]) for outputs in drawn}) == JOBS, name


def test_the_standard_library(sandbox: Sandbox) -> None:
    assert_all_differ(sandbox, DRAW)


def test_what_a_preloaded_package_has_drawn_is_not_shared(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "drawing.py").write_text("import random\nrandom.gauss(0, 1)\n")  # it draws two and keeps one
    code = "import random\ndef main(): return {'gauss': random.gauss(0, 1)}"
    with Sandbox(python_runtime(packages=tmp_path, preload=("drawing",))) as sandbox:
        assert sandbox.run(Program(code=code)).outputs != sandbox.run(Program(code=code)).outputs


def test_numpy() -> None:
    pytest.importorskip("numpy")
    runtime = python_runtime(
        distributions=("jinja2", "markupsafe", "numpy"), preload=("numpy", "numpy.random")
    )
    with Sandbox(runtime) as sandbox:
        assert_all_differ(sandbox, NUMPY)
