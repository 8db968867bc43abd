"""The examples, run as a reader would run them, through one real worker."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cellblock_producer import Client
from cellblock_worker.attached import start_attached

from tests.support.stack import Stack

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(CELLBLOCK_REPLY_QUEUES="engine") as stack:
        yield stack


def lines(*command: str | Path, **environ: str) -> list[str]:
    """Run a command and return the lines that it prints."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_an_engine_walks_a_graph_with_a_fail_branch_and_a_default(stack: Stack) -> None:
    assert lines(sys.executable, EXAMPLES / "walk_a_graph.py", stack.url) == [
        "good: parse -> score -> report: score 4.5",
        "unparsable: parse -> report: no score: invalid literal for int() with base 10: 'nine'",
        "empty: parse -> score -> report: score 0",
    ]


def test_an_engine_that_is_a_celery_app_gets_its_results_as_tasks(stack: Stack) -> None:
    environ = {**os.environ, "ENGINE_REDIS": stack.url, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "celery", "-A", "examples.celery_engine", "worker", "-Q", "engine"]
    engine = start_attached([*argv, "--pool", "solo"], environ=environ)
    try:
        assert lines(sys.executable, "-m", "examples.celery_engine", ENGINE_REDIS=stack.url) == [
            "short: succeeded {'count': 3, 'last': 'goes'}",
            "empty: failed no words",
        ]
    finally:
        engine.terminate()
        engine.wait()


def test_an_engine_of_redis_cli_alone(stack: Stack) -> None:
    socket = stack.url.removeprefix("unix://")
    real = shutil.which("redis-cli")
    shim = f"{sys.executable} {ROOT / 'tests' / 'examples' / 'redis_cli.py'} {socket}"
    said = dict(
        line.split(": ", 1)
        for line in lines(
            "bash",
            EXAMPLES / "redis_cli.sh",
            REDIS_CLI=f"{real} -s {socket}" if real else shim,
            RUN="7",
            PYTHON=sys.executable,
        )
    )
    result = json.loads(said["result"])
    assert (result["job_id"], result["branch"], result["outputs"]) == ("cli-7", "success", {"b": 42})
    [reply], _, _ = json.loads(json.loads(said["reply"])["body"])
    assert (reply["job_id"], reply["branch"]) == ("cli-7-reply", "fail")
    assert reply["outputs"] == {"error_type": "ZeroDivisionError", "error_message": "division by zero"}
    assert (said["first"], said["again"] in ("known", "done")) == ("queued", True)
    with Client(stack.url) as client:  # our client finds the same job under its name
        same = {"language": "python3", "code": "def main(): return {}", "id": "cli-7-script"}
        assert client.run(same, timeout=60).attempts == 1
