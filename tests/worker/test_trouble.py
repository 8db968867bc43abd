"""Pool processes, Redis and the worker itself die or stop."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from cellblock_producer.contract import ErrorKind, Job, Status
from cellblock_producer.keys import record_key
from cellblock_producer.wire import task_message
from cellblock_worker.embedded import EmbeddedServer

from tests.support.processes import seen
from tests.worker.harness import (
    WorkerProcess,
    envelope,
    nothing_is_left,
    processes_under,
    result_of,
    stock_app,
    wait_for,
)


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer(append_only=True) as server:
        yield server


def send(client: redis.Redis, code: str, **fields: object) -> Job:
    job = Job.model_validate({"language": "python3", "code": code} | fields)
    client.lpush("cellblock", task_message(job, "cellblock"))
    return job


def test_job_that_kills_its_process_is_tried_again_a_bounded_number_of_times(
    server: EmbeddedServer, client: redis.Redis
) -> None:
    with WorkerProcess(server.url, MAX_ATTEMPTS="2").wait_until_ready() as worker:
        job = send(client, "die", on_error={"strategy": "branch"})
        result = result_of(client, job.id)
        assert result.error is not None
        assert (result.status, result.error.kind) == (Status.EXCEPTION, ErrorKind.WORKER_LOST)
        assert client.hget(record_key(job.name), "attempts") == b"2"
        assert result_of(client, send(client, "echo").id).status == Status.SUCCEEDED
        wait_for(lambda: nothing_is_left(client))
        assert worker.running


def test_job_of_a_lost_process_that_may_run_again_does(server: EmbeddedServer, client: redis.Redis) -> None:
    with WorkerProcess(server.url).wait_until_ready():
        job = send(client, "die-once")
        result = result_of(client, job.id)
        assert (result.status, result.attempts) == (Status.SUCCEEDED, 2)


def test_process_that_hangs_is_stopped(
    server: EmbeddedServer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAST_RESORT_S", "1")
    with WorkerProcess(server.url, WALL_MS="1").wait_until_ready():
        error = result_of(client, send(client, "hang").id).error
        assert error is not None
        assert error.kind == ErrorKind.INTERNAL
        assert result_of(client, send(client, "echo").id).status == Status.SUCCEEDED


def test_attempts_of_earlier_workers_count(server: EmbeddedServer, client: redis.Redis) -> None:
    job = Job.model_validate({"language": "python3", "code": "echo"})
    client.hset(
        record_key(job.name), mapping={"digest": job.digest(), "submitted_ms": 0, "attempts": 3, "reply": ""}
    )
    with WorkerProcess(server.url).wait_until_ready():
        client.lpush("cellblock", task_message(job, "cellblock"))
        error = result_of(client, job.id).error
    assert error is not None
    assert error.kind == ErrorKind.WORKER_LOST


@pytest.mark.parametrize("crash", [False, True])
def test_redis_restarts_under_the_worker(server: EmbeddedServer, client: redis.Redis, crash: bool) -> None:
    with WorkerProcess(server.url, LOG_LEVEL="info").wait_until_ready() as worker:
        running = send(client, "slow")
        wait_for(lambda: client.hget(record_key(running.name), "state") == b"running")
        server.restart(crash=crash)
        after = send(client, "echo")
        assert result_of(client, after.id).status == Status.SUCCEEDED
        assert result_of(client, running.id).status == Status.SUCCEEDED
        assert worker.stop(signal.SIGTERM) == 0


def test_pool_processes_that_die_together_are_replaced_and_watched(
    server: EmbeddedServer, client: redis.Redis
) -> None:
    with WorkerProcess(server.url, LOG_LEVEL="info").wait_until_ready() as worker:
        assert result_of(client, send(client, "echo").id).status == Status.SUCCEEDED
        for round_ in (1, 2):
            died = processes_under(worker.pid)
            os.kill(worker.pid, signal.SIGSTOP)  # so that it learns of both at once
            for pid in died:
                os.kill(pid, signal.SIGKILL)
            os.kill(worker.pid, signal.SIGCONT)
            worker.wait_for_log("warmed up", times=2 + 2 * round_)
            client.client_kill_filter(_type="normal", skipme=True)
            worker.wait_for_log("Connected to", times=1 + round_)
            assert result_of(client, send(client, "echo").id).status == Status.SUCCEEDED
        assert worker.stop(signal.SIGTERM) == 0


def test_redis_that_is_not_there_is_waited_for(server: EmbeddedServer) -> None:
    socket = Path(server.url.removeprefix("unix://"))
    hidden = socket.rename(socket.with_suffix(".hidden"))
    with WorkerProcess(server.url, LOG_LEVEL="info") as worker:
        worker.wait_for_log("Cannot connect to cellblock-redis+socket://")
        hidden.rename(socket)
        worker.wait_until_ready()


def test_sigterm_finishes_what_runs_and_leaves_the_rest(server: EmbeddedServer, client: redis.Redis) -> None:
    with WorkerProcess(server.url, CONCURRENCY="1").wait_until_ready() as worker:
        running, waiting = send(client, "slow"), send(client, "echo")
        wait_for(lambda: client.hget(record_key(running.name), "state") == b"running")
        processes = [seen(pid) for pid in processes_under(worker.pid)]
        assert worker.stop(signal.SIGTERM) == 0
    assert result_of(client, running.id).status == Status.SUCCEEDED
    assert not [process for process in processes if process.lives]
    assert client.llen("cellblock") == 1
    assert not client.exists("cellblock:leases")
    with WorkerProcess(server.url).wait_until_ready():
        assert result_of(client, waiting.id).status == Status.SUCCEEDED


def test_sigkill_leaves_no_process(server: EmbeddedServer, client: redis.Redis) -> None:
    with WorkerProcess(server.url).wait_until_ready() as worker:
        processes = [seen(pid) for pid in processes_under(worker.pid)]
        worker.stop(signal.SIGKILL)
    wait_for(lambda: not [process for process in processes if process.lives])


def test_hooks_run_in_each_pool_process(server: EmbeddedServer) -> None:
    with WorkerProcess(server.url).wait_until_ready() as worker:
        worker.wait_for_log("warmed up", times=2)
        worker.stop(signal.SIGTERM)
        worker.wait_for_log("cooled down", times=2)


def test_one_line_per_job(server: EmbeddedServer, client: redis.Redis) -> None:
    with WorkerProcess(server.url, LOG_JOBS="all", LOG_FORMAT="json").wait_until_ready() as worker:
        before = worker.log
        good = stock_app(server.url).send_task(
            "cellblock.run", args=[{"language": "python3", "code": "echo"}], task_id="one-line"
        )
        good.get(timeout=30)
        client.lpush("cellblock", json.dumps(envelope({"id": "bad", "language": "python3"})))
        result_of(client, "bad")
        worker.stop(signal.SIGTERM)
        worker.wait_for_log('"job": "bad"', times=1)
    lines = [
        json.loads(line) for line in worker.log.removeprefix(before).splitlines() if "cellblock.jobs" in line
    ]
    assert [(line["job"], line["status"], line["kind"]) for line in lines] == [
        ("one-line", "succeeded", None),
        ("bad", "failed", "invalid_job"),
    ]
