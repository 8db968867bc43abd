"""The straight line for real: client, Redis, Celery prefork worker, confined cells, Results."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from cellblock_producer import Client, Result

from tests.support.stack import Stack

ECHO = "def main(n):\n    return {'n': n, 'twice': 2 * n}\n"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(CELLBLOCK_WALL_MS="4000", CELLBLOCK_MEMORY_MB="100") as stack:
        yield stack


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as client:
        yield client


def job(code: str, inputs: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"language": "python3", "code": code, "inputs": inputs or {}, **fields}


def kind(result: Result) -> str | None:
    return str(result.error.kind) if result.error else None


def test_a_thousand_jobs_are_neither_lost_nor_confused(client: Client) -> None:
    handles = client.submit_many(job(ECHO, {"n": n}, labels={"n": str(n)}) for n in range(1000))
    results = [handle.result(timeout=60) for handle in handles]
    assert [result.outputs for result in results] == [{"n": n, "twice": 2 * n} for n in range(1000)]
    assert [result.labels["n"] for result in results] == [str(n) for n in range(1000)]
    assert {result.attempts for result in results} == {1}


def test_map_yields_results_as_they_finish(client: Client) -> None:
    code = "import time\ndef main(s):\n    time.sleep(s)\n    return {'s': s}\n"
    results = client.map((job(code, {"s": s}) for s in (1.0, 0.0)), timeout=30)
    assert [result.outputs["s"] for result in results] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def main(): return {'a': 1}", None),
        ("def main(): raise ValueError('no')", "code_error"),
        ("def main(:", "syntax_error"),
        ("def main(): return [1]", "invalid_output"),
        ("def main():\n  while True: pass", "timeout"),
        ("def main(): return {'a': 'x' * 2_000_000}", "output_limit"),
        ("def main(): return {'a': len('x' * 200_000_000)}", "memory_limit"),
        ("def main(): open('/etc/passwd')", "blocked"),
        ("import os\ndef main(): os._exit(1)", "crashed"),
    ],
)
def test_each_kind_of_ending(client: Client, code: str, expected: str | None) -> None:
    limits = {"wall_ms": 700, "memory_mb": 64}
    assert kind(client.run(job(code, limits=limits), timeout=30)) == expected


def test_cpu_limit(client: Client) -> None:
    code = "def main():\n  while True: pass"
    result = client.run(job(code, limits={"cpu_ms": 300}), timeout=30)
    assert kind(result) == "cpu_limit"


def test_the_operators_limits_are_the_ceiling(client: Client) -> None:
    result = client.run(
        job("import time\ndef main(): time.sleep(30)", limits={"wall_ms": 60_000}), timeout=30
    )
    assert result.error is not None
    assert "4000 ms" in result.error.message


def test_error_strategies_name_the_branch(client: Client) -> None:
    failing = "def main(): return {'x': 1 / 0}"
    stopped = client.run(job(failing), timeout=30)
    assert (stopped.status, stopped.branch, stopped.outputs) == ("failed", None, {})
    branched = client.run(job(failing, on_error={"strategy": "branch"}), timeout=30)
    told = {"error_type": "ZeroDivisionError", "error_message": "division by zero"}
    assert (branched.status, branched.branch, branched.outputs) == ("exception", "fail", told)
    values = {"strategy": "default", "values": {"x": 0}}
    went_on = client.run(job(failing, on_error=values), timeout=30)
    assert (went_on.status, went_on.branch, went_on.outputs) == ("exception", "success", {"x": 0, **told})


def test_declared_outputs_are_checked(client: Client) -> None:
    declared = {"x": {"type": "number"}}
    result = client.run(job("def main(): return {'x': 'one'}", outputs=declared), timeout=30)
    assert result.error is not None
    assert (kind(result), "'x'" in result.error.message) == ("invalid_output", True)


def test_a_deadline_in_the_past_is_expired_and_not_started(client: Client) -> None:
    result = client.run(job("def main(): return {}", deadline_ms=1), timeout=30)
    assert (result.status, kind(result)) == ("failed", "expired")


def test_a_language_that_the_worker_lacks_is_an_invalid_job(client: Client) -> None:
    result = client.run(
        {"language": "nodejs", "code": "function main() {}", "runtime": "nodejs-odd"}, timeout=30
    )
    assert (result.status, kind(result)) == ("failed", "invalid_job")


def test_stock_celery_on_the_same_task(stack: Stack) -> None:
    url = stack.url.replace("unix://", "redis+socket://")
    app = Celery("engine", broker=url, backend=url, set_as_current=False)
    sent = app.send_task("cellblock.run", args=[job(ECHO, {"n": 21})], queue="cellblock")
    answer = sent.get(timeout=30)
    assert (answer["status"], answer["outputs"]) == ("succeeded", {"n": 21, "twice": 42})
    assert answer["job_id"] == sent.id


def test_what_main_prints_comes_with_the_result(client: Client) -> None:
    code = "import sys\ndef main():\n  print('out')\n  print('err', file=sys.stderr)\n  return {}\n"
    result = client.run(job(code), timeout=30)
    assert (result.stdout, result.stderr) == ("out\n", "err\n")
