"""Jobs that failed and are run again later, and jobs whose deadline comes first, with real workers."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from cellblock_producer import Client, Handle
from cellblock_producer.contract import ErrorKind, Job, Result
from cellblock_producer.keys import record_key
from cellblock_worker.embedded import EmbeddedServer

from tests.worker.harness import WorkerProcess, nothing_is_left, result_of, stock_app, wait_for

WAIT_S = 60.0
HOUR_MS = 3_600_000
SOON = {"max_retries": 2, "interval_ms": 50}
LATE = {"max_retries": 2, "interval_ms": 60_000}


@pytest.fixture(scope="module")
def worker(server: EmbeddedServer) -> Iterator[WorkerProcess]:
    with WorkerProcess(server.url, CONCURRENCY="1", MAX_ATTEMPTS="1", LOG_LEVEL="info") as worker:
        yield worker.wait_until_ready()


@pytest.fixture
def producer(server: EmbeddedServer) -> Iterator[Client]:
    with Client(server.url) as producer:
        yield producer


def make_job(code: str = "echo", **fields: Any) -> Job:
    return Job.model_validate({"language": "python3", "code": code} | fields)


def kind(result: Result) -> str | None:
    return result.error.kind if result.error else None


def is_put_off(client: redis.Redis, handle: Handle) -> bool:
    return client.zscore("cellblock:delayed", record_key(handle.name)) is not None


def now_ms(client: redis.Redis) -> int:
    seconds, microseconds = client.time()
    return seconds * 1000 + microseconds // 1000


def test_it_is_run_again_and_has_one_result(
    client: redis.Redis, producer: Client, worker: WorkerProcess
) -> None:
    handle = producer.submit(make_job("fail-once code_error", id="again", retry=SOON, labels={"node": "a"}))
    result = handle.result(WAIT_S)
    assert (result.job_id, result.status, result.attempts) == ("again", "succeeded", 2)
    assert result.labels == {"node": "a"}
    assert producer.submit(
        make_job("fail-once code_error", id="again", retry=SOON, labels={"node": "a"})
    ).done()
    wait_for(lambda: nothing_is_left(client))


@pytest.mark.parametrize(
    ("fails_with", "kinds", "attempts"),
    [
        ("code_error", (), 3),
        ("internal", (), 3),
        ("timeout", ("timeout", "cpu_limit"), 3),
        ("code_error", ("timeout",), 1),
        ("invalid_job", (), 1),
        ("cancelled", ("cancelled",), 1),
    ],
)
def test_it_is_run_as_often_as_it_says(
    client: redis.Redis, producer: Client, worker: WorkerProcess, fails_with: str, kinds: Any, attempts: int
) -> None:
    job = make_job(f"fail {fails_with}", retry=SOON | {"kinds": kinds}, on_error={"strategy": "branch"})
    producer.submit(job)
    result = result_of(client, job.id)
    assert (kind(result), result.attempts) == (fails_with, attempts)
    assert result.branch == (None if fails_with in ("invalid_job", "cancelled") else "fail")


def test_the_slot_is_free_meanwhile(client: redis.Redis, producer: Client, worker: WorkerProcess) -> None:
    handle = producer.submit(make_job("fail code_error", retry=LATE))
    wait_for(lambda: is_put_off(client, handle))
    assert producer.run(make_job(), timeout=WAIT_S).error is None
    assert not handle.done()
    handle.cancel()
    result = handle.result(WAIT_S)
    assert (kind(result), result.attempts) == ("cancelled", 1)
    wait_for(lambda: nothing_is_left(client) and not client.exists("cellblock:delayed"))


def test_one_of_a_batch_is_run_again(client: redis.Redis, producer: Client, worker: WorkerProcess) -> None:
    jobs = [make_job("fail-once code_error", retry=SOON), make_job(), make_job("fail code_error", retry=SOON)]
    results = [handle.result(WAIT_S) for handle in producer.submit_many([*jobs, make_job()], per_message=4)]
    assert [kind(result) for result in results] == [None, None, "code_error", None]
    assert [result.attempts for result in results] == [2, 1, 3, 1]
    wait_for(lambda: nothing_is_left(client))


def test_a_stock_sender_waits_for_the_last_run(client: redis.Redis, worker: WorkerProcess) -> None:
    app = stock_app(worker.url)
    job = {"language": "python3", "code": "fail-once code_error", "retry": SOON}
    single = app.send_task("cellblock.run", args=[job])
    batch = app.send_task("cellblock.run", args=[[job, {"language": "python3", "code": "echo"}, job]])
    assert single.get(timeout=WAIT_S)["attempts"] == 2
    assert [result["attempts"] for result in batch.get(timeout=WAIT_S)] == [2, 1, 2]
    wait_for(lambda: nothing_is_left(client))


def test_a_job_that_takes_its_process_along_is_run_again_where_it_asks(
    client: redis.Redis, producer: Client, worker: WorkerProcess
) -> None:
    once = {"max_retries": 1, "interval_ms": 50}
    retried = producer.submit(make_job("die", retry=once, on_error={"strategy": "branch"}))
    given_up = producer.submit(make_job("die", on_error={"strategy": "default", "values": {"a": 1}}))
    results = [handle.result(WAIT_S) for handle in (retried, given_up)]
    assert [kind(result) for result in results] == ["worker_lost", "worker_lost"]
    assert [(result.attempts, result.branch) for result in results] == [(2, "fail"), (1, "success")]
    assert results[1].outputs["a"] == 1


def test_a_deadline_ends_the_wait(client: redis.Redis, producer: Client, worker: WorkerProcess) -> None:
    default = {"strategy": "default", "values": {"a": 1}}
    job = make_job("fail code_error", retry=LATE, deadline_ms=now_ms(client) + 1000, on_error=default)
    result = producer.submit(job).result(WAIT_S / 2)
    assert (kind(result), result.branch, result.outputs["a"]) == (ErrorKind.EXPIRED, "success", 1)
    assert result.attempts <= 1  # none, where it took a second to be begun
    wait_for(lambda: nothing_is_left(client))


def test_past_its_deadline_it_is_not_started(
    client: redis.Redis, producer: Client, worker: WorkerProcess
) -> None:
    jobs = [
        make_job(deadline_ms=1),
        make_job(deadline_ms=now_ms(client) + HOUR_MS),
        make_job(deadline_ms=1, on_error={"strategy": "branch"}, retry=SOON),
    ]
    for per_message in (1, 3):
        fresh = [job.model_copy(update={"id": f"late-{per_message}-{n}"}) for n, job in enumerate(jobs)]
        results = [handle.result(WAIT_S) for handle in producer.submit_many(fresh, per_message)]
        assert [kind(result) for result in results] == ["expired", None, "expired"]
        assert [result.attempts for result in results] == [0, 1, 0]
        assert [result.branch for result in results] == [None, "success", "fail"]


def test_it_is_run_elsewhere_when_its_worker_is_gone(
    server: EmbeddedServer, client: redis.Redis, producer: Client, worker: WorkerProcess
) -> None:
    handle = producer.submit(make_job("fail-once code_error", retry={"max_retries": 1, "interval_ms": 3000}))
    wait_for(lambda: is_put_off(client, handle))
    worker.stop(signal.SIGKILL)
    with WorkerProcess(server.url, LOG_LEVEL="info"):
        assert handle.result(WAIT_S).attempts == 2
