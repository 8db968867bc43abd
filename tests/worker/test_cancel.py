"""Jobs that are cancelled or revoked, while they wait and while they run: the pool lives on."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery.exceptions import TaskRevokedError
from cellblock_producer import Cancellation, Client, Handle
from cellblock_producer.contract import Job, Result, settle_cancelled
from cellblock_producer.keys import record_key
from cellblock_producer.ledger import Ledger
from cellblock_worker.embedded import EmbeddedServer

from tests.worker.harness import (
    WorkerProcess,
    nothing_is_left,
    processes_under,
    result_of,
    stock_app,
    wait_for,
)

WAIT_S = 60.0


@pytest.fixture(scope="module")
def worker(server: EmbeddedServer) -> Iterator[WorkerProcess]:
    with WorkerProcess(server.url, CONCURRENCY="1", LOG_LEVEL="info") as worker:
        yield worker.wait_until_ready()


@pytest.fixture
def producer(server: EmbeddedServer) -> Iterator[Client]:
    with Client(server.url) as producer:
        yield producer


def make_job(code: str = "echo", **fields: Any) -> Job:
    return Job.model_validate({"language": "python3", "code": code} | fields)


def await_start(client: redis.Redis, handle: Handle) -> None:
    wait_for(lambda: client.hget(record_key(handle.name), "state") == b"running")


def is_cancelled(result: Result) -> bool:
    return result.error is not None and (result.status, result.error.kind) == ("failed", "cancelled")


def check_the_slot_is_free(
    client: redis.Redis, producer: Client, worker: WorkerProcess, before: set[int]
) -> None:
    assert producer.run(make_job(), timeout=WAIT_S).error is None
    assert processes_under(worker.pid) == before
    wait_for(lambda: nothing_is_left(client))


def test_a_running_job_is_cancelled(client: redis.Redis, producer: Client, worker: WorkerProcess) -> None:
    before = processes_under(worker.pid)
    handle = producer.submit(make_job("endless", on_error={"strategy": "branch"}, labels={"node": "a"}))
    await_start(client, handle)
    assert handle.cancel() is Cancellation.CANCELLED
    result = handle.result(WAIT_S)
    assert is_cancelled(result)
    assert (result.attempts, result.labels) == (1, {"node": "a"})
    check_the_slot_is_free(client, producer, worker, before)


def test_one_of_a_batch_is_cancelled(client: redis.Redis, producer: Client, worker: WorkerProcess) -> None:
    before = processes_under(worker.pid)
    jobs = [make_job(), make_job("endless"), make_job("endless"), make_job()]
    first, running, waiting, last = producer.submit_many(jobs, per_message=4)
    await_start(client, running)
    assert waiting.cancel() is Cancellation.CANCELLED
    assert running.cancel() is Cancellation.CANCELLED
    assert [is_cancelled(each.result(WAIT_S)) for each in (first, running, waiting, last)] == [0, 1, 1, 0]
    assert waiting.result().attempts == 0
    check_the_slot_is_free(client, producer, worker, before)


def test_what_was_not_heard_is_known_at_the_next_renewal(
    client: redis.Redis, producer: Client, worker: WorkerProcess
) -> None:
    for per_message in (1, 2):
        running, last = producer.submit_many([make_job("endless"), make_job()], per_message)
        await_start(client, running)
        # What a cancel does, but for what it publishes.
        words: Any = client.hmget(record_key(running.name), "runner", "runner_holder")
        unit, holder = (word.decode() for word in words)
        client.hset(unit, "stop", f"{holder} {running.name}")
        Ledger(client, ttl_s=60).finish(running.name, settle_cancelled(running.name, {}))
        assert last.result(WAIT_S).error is None


def test_a_job_that_waits_is_revoked(client: redis.Redis, producer: Client, worker: WorkerProcess) -> None:
    running = producer.submit(make_job("endless"))
    await_start(client, running)
    waiting = producer.submit(make_job(tenant="acme", labels={"node": "b"}))
    control = stock_app(worker.url).control
    control.revoke([running.name.task_id, waiting.name.task_id])
    result = waiting.result(WAIT_S)
    assert is_cancelled(result)
    assert (result.attempts, result.labels) == (0, {"node": "b"})
    assert not running.done()  # Celery's revoke leaves alone what runs, unless it is to terminate it
    control.revoke(running.name.task_id, terminate=True, signal="SIGKILL")
    assert is_cancelled(running.result(WAIT_S))


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGKILL"])
def test_a_running_job_is_terminated(
    client: redis.Redis, producer: Client, worker: WorkerProcess, signal: str
) -> None:
    before = processes_under(worker.pid)
    handle = producer.submit(make_job("endless"))
    await_start(client, handle)
    stock_app(worker.url).control.revoke(handle.name.task_id, terminate=True, signal=signal)
    result = handle.result(WAIT_S)
    assert is_cancelled(result)
    assert result.attempts == 1
    check_the_slot_is_free(client, producer, worker, before)


def test_a_stock_sender_is_told_that_its_task_was_revoked(
    client: redis.Redis, producer: Client, worker: WorkerProcess
) -> None:
    before = processes_under(worker.pid)
    app = stock_app(worker.url)
    sent = app.send_task("cellblock.run", args=[{"language": "python3", "code": "endless", "id": "own"}])
    wait_for(lambda: client.hget("cellblock:job:default:own", "state") == b"running")
    sent.revoke(terminate=True)
    with pytest.raises(TaskRevokedError):
        sent.get(timeout=WAIT_S)
    assert is_cancelled(result_of(client, "own"))
    check_the_slot_is_free(client, producer, worker, before)
    assert str(sent.state) == "REVOKED"


def test_a_batch_is_revoked_as_a_whole(client: redis.Redis, producer: Client, worker: WorkerProcess) -> None:
    before = processes_under(worker.pid)
    jobs = [{"language": "python3", "code": "endless", "id": f"all-{n}"} for n in range(3)]
    sent = stock_app(worker.url).send_task("cellblock.run", args=[jobs])
    wait_for(lambda: client.hget("cellblock:job:default:all-0", "state") == b"running")
    sent.revoke(terminate=True)
    assert all(is_cancelled(result_of(client, f"all-{n}")) for n in range(3))
    check_the_slot_is_free(client, producer, worker, before)


def test_a_worker_that_hears_of_cancelled_jobs_ends_as_ever(
    server: EmbeddedServer, client: redis.Redis, producer: Client, worker: WorkerProcess
) -> None:
    assert worker.stop(15) == 0
    assert "Traceback" not in worker.log
