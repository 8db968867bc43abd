"""`cellblock submit` through a real worker, and without one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack, cellblock


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        yield stack


@pytest.fixture
def node(tmp_path: Path) -> str:
    file = tmp_path / "node.py"
    file.write_text("def main(a):\n    return {'b': 10 / a}\n")
    return str(file)


def test_success_exits_0_with_the_result_of_the_worker(stack: Stack, node: str) -> None:
    done = cellblock("submit", node, "--inputs", '{"a": 4}', "--json", "--redis", stack.url)
    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert result["outputs"] == {"b": 2.5}
    assert result["worker"].startswith("cellblock-")


def test_failing_code_exits_1(stack: Stack, node: str) -> None:
    done = cellblock("submit", node, "--inputs", '{"a": 0}', "--redis", stack.url)
    assert done.returncode == 1
    assert "division by zero (line 2)" in done.stderr


def test_no_wait_prints_the_id_and_the_same_id_again_finds_the_result(stack: Stack, node: str) -> None:
    arguments = ["submit", node, "--inputs", '{"a": 5}', "--redis", stack.url, "--id", "once"]
    done = cellblock(*arguments, "--no-wait")
    assert (done.returncode, done.stdout) == (0, "once\n")
    again = json.loads(cellblock(*arguments, "--json").stdout)
    assert (again["outputs"], again["attempts"]) == ({"b": 2.0}, 1)


def test_an_id_that_is_taken_exits_2(stack: Stack, node: str) -> None:
    arguments = ["submit", node, "--redis", stack.url, "--id", "taken", "--no-wait", "--inputs"]
    assert cellblock(*arguments, '{"a": 5}').returncode == 0
    done = cellblock(*arguments, '{"a": 6}')
    assert done.returncode == 2
    assert "taken" in done.stderr


def test_no_redis_exits_3_and_says_where_it_looked(node: str) -> None:
    done = cellblock("submit", node, "--redis", "redis://127.0.0.1:1/0")
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_worker_exits_3_and_says_that_the_job_goes_on(stack: Stack, node: str) -> None:
    done = cellblock("submit", node, "--redis", stack.url, "--queue", "nobody", "--timeout", "0.2")
    assert done.returncode == 3
    assert "goes on" in done.stderr
