"""What dies while it has jobs in hand, and what becomes of them: real workers, real signals."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from cellblock_producer import Client, Handle
from cellblock_producer.contract import ErrorKind, Job
from cellblock_producer.keys import RECORD_PREFIX, record_key
from cellblock_producer.wire import task_message
from cellblock_worker.embedded import EmbeddedServer

from tests.worker.harness import (
    WorkerProcess,
    nothing_is_left,
    processes_under,
    result_of,
    stock_app,
    wait_for,
)
from tests.worker.program import mark_of

WAIT_S = 60.0
SHORT_LEASE = {"LEASE_MS": "1000", "LOG_LEVEL": "info", "LOG_JOBS": "all"}


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


@pytest.fixture
def producer(server: EmbeddedServer) -> Iterator[Client]:
    with Client(server.url) as producer:
        yield producer


def make_job(code: str = "echo", **fields: Any) -> Job:
    return Job.model_validate({"language": "python3", "code": code} | fields)


def is_running(client: redis.Redis, handle: Handle) -> bool:
    return client.hget(record_key(handle.name), "state") == b"running"


def in_hand(client: redis.Redis) -> int:
    return client.zcard("cellblock:leases")


def test_jobs_of_a_killed_worker_run_elsewhere(
    server: EmbeddedServer, client: redis.Redis, producer: Client
) -> None:
    with WorkerProcess(server.url).wait_until_ready() as first:
        handles = producer.submit_many([make_job("hang-once" if n < 2 else "echo") for n in range(6)])
        wait_for(lambda: all(mark_of(handle.job_id).exists() for handle in handles[:2]))
        with WorkerProcess(server.url).wait_until_ready():
            first.stop(signal.SIGKILL)
            results = [handle.result(WAIT_S) for handle in handles]
    assert [result.error for result in results] == [None] * 6
    assert [result.attempts for result in results[:2]] == [2, 2]
    assert nothing_is_left(client)


def test_a_long_job_is_run_once_while_its_worker_lives(
    server: EmbeddedServer, client: redis.Redis, producer: Client
) -> None:
    with (
        WorkerProcess(server.url, **SHORT_LEASE).wait_until_ready(),
        WorkerProcess(server.url, **SHORT_LEASE).wait_until_ready(),
    ):
        results = [
            handle.result(WAIT_S) for handle in producer.submit_many([make_job("slow") for _ in range(4)])
        ]
        assert [result.attempts for result in results] == [1] * 4


def test_a_batch_is_run_once_while_its_worker_lives(server: EmbeddedServer, producer: Client) -> None:
    with (
        WorkerProcess(server.url, **SHORT_LEASE).wait_until_ready(),
        WorkerProcess(server.url, **SHORT_LEASE).wait_until_ready(),
    ):
        handles = producer.submit_many([make_job("slow"), make_job(), make_job("slow")], per_message=3)
        assert [handle.result(WAIT_S).attempts for handle in handles] == [1] * 3


def test_a_worker_that_was_stopped_comes_back_and_changes_nothing(
    server: EmbeddedServer, client: redis.Redis, producer: Client
) -> None:
    with WorkerProcess(server.url, **SHORT_LEASE).wait_until_ready() as first:
        handles = producer.submit_many([make_job("slow"), make_job("slow")])
        wait_for(lambda: all(is_running(client, handle) for handle in handles))
        everybody = {first.pid, *processes_under(first.pid)}
        _signal(everybody, signal.SIGSTOP)
        with WorkerProcess(server.url, **SHORT_LEASE).wait_until_ready():
            results = [handle.result(WAIT_S) for handle in handles]
        assert [result.attempts for result in results] == [2, 2]
        _signal(everybody, signal.SIGCONT)
        after = producer.submit(make_job())
        assert after.result(WAIT_S).error is None
        first.wait_for_log("[cellblock.jobs]", times=3)
        assert [producer.get(handle.job_id) for handle in handles] == results
        assert first.stop(signal.SIGTERM) == 0
    assert nothing_is_left(client)


def test_who_has_lost_the_lease_gives_up_nobody(
    server: EmbeddedServer, client: redis.Redis, producer: Client
) -> None:
    """A worker learns late that its pool process died, when the job is in other hands for the last time."""
    settings = SHORT_LEASE | {"CONCURRENCY": "1", "MAX_ATTEMPTS": "2"}
    with WorkerProcess(server.url, **settings).wait_until_ready() as first:
        handle = producer.submit(make_job("slow"))
        wait_for(lambda: is_running(client, handle))
        pool = processes_under(first.pid)
        _signal({first.pid, *pool}, signal.SIGSTOP)
        with WorkerProcess(server.url, **settings).wait_until_ready():
            wait_for(lambda: client.hget(record_key(handle.name), "attempts") == b"2")
            _signal(pool, signal.SIGKILL)
            _signal({first.pid}, signal.SIGCONT)
            result = handle.result(WAIT_S)
    assert (result.error, result.attempts) == (None, 2)


def test_sigterm_takes_longer_than_a_lease_and_loses_none(
    server: EmbeddedServer, client: redis.Redis, producer: Client
) -> None:
    with (
        WorkerProcess(server.url, **SHORT_LEASE, CONCURRENCY="1").wait_until_ready() as first,
        WorkerProcess(server.url, **SHORT_LEASE, CONCURRENCY="1") as second,
    ):
        running = producer.submit(make_job("slow"))
        wait_for(lambda: is_running(client, running))
        second.wait_until_ready()
        waiting = producer.submit(make_job())
        assert waiting.result(WAIT_S).error is None
        assert first.stop(signal.SIGTERM) == 0
        assert running.result(WAIT_S).attempts == 1
    assert nothing_is_left(client)


def test_sigquit_hands_back_what_runs(server: EmbeddedServer, client: redis.Redis, producer: Client) -> None:
    with WorkerProcess(server.url).wait_until_ready() as first:
        handle = producer.submit(make_job("hang-once"))
        wait_for(lambda: mark_of(handle.job_id).exists())
        first.stop(signal.SIGQUIT)
    assert in_hand(client) == 0
    with WorkerProcess(server.url).wait_until_ready():
        assert handle.result(WAIT_S).error is None


def test_lost_wake_ups_are_made_good(server: EmbeddedServer, client: redis.Redis, producer: Client) -> None:
    handles = producer.submit_many([make_job() for _ in range(50)])
    client.delete("cellblock")
    with WorkerProcess(server.url).wait_until_ready():
        assert [handle.result(WAIT_S).error for handle in handles] == [None] * 50
        wait_for(lambda: nothing_is_left(client))


def test_a_message_that_takes_workers_down_before_it_begins_is_given_up(
    server: EmbeddedServer, client: redis.Redis, producer: Client
) -> None:
    handle = producer.submit(make_job(on_error={"strategy": "branch"}))
    client.hset(record_key(handle.name), "lost", 13)
    with WorkerProcess(server.url).wait_until_ready():
        result = handle.result(WAIT_S)
    assert result.error is not None
    assert (result.error.kind, result.branch, result.attempts) == (ErrorKind.WORKER_LOST, "fail", 0)
    assert client.zrange("cellblock:dead", 0, -1) == [str(handle.name).encode()]


def test_a_message_that_takes_pool_processes_down_before_it_begins_is_given_up(
    server: EmbeddedServer, producer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIES_UNREAD", "1")
    handle = producer.submit(make_job())
    with WorkerProcess(server.url, MAX_ATTEMPTS="1").wait_until_ready():
        error = handle.result(WAIT_S).error
    assert error is not None
    assert error.kind == ErrorKind.WORKER_LOST


def test_one_job_sent_twice_by_stock_senders_is_run_once(server: EmbeddedServer, client: redis.Redis) -> None:
    app = stock_app(server.url)
    with WorkerProcess(server.url).wait_until_ready():
        job = {"language": "python3", "code": "slow", "id": "twice"}
        first, second = (app.send_task("cellblock.run", args=[job]) for _ in range(2))
        assert first.get(timeout=30) == second.get(timeout=30)
        assert result_of(client, "twice").attempts == 1
        wait_for(lambda: nothing_is_left(client))


def test_no_more_is_held_than_runs(server: EmbeddedServer, client: redis.Redis, producer: Client) -> None:
    most = 0
    with WorkerProcess(server.url).wait_until_ready():
        handles = producer.submit_many([make_job("slow") for _ in range(6)])
        for _ in range(2):
            client.lpush("cellblock", task_message(make_job("slow"), "cellblock"))
        while not all(handle.done() for handle in handles):
            most = max(most, in_hand(client))
            time.sleep(0.02)
    assert most == 2


def test_every_key_expires_or_is_counted(
    server: EmbeddedServer, client: redis.Redis, producer: Client
) -> None:
    producer.submit_many([make_job(), make_job("die"), make_job()], per_message=2)
    producer.submit(make_job("die"))
    for turn in range(2):
        for key in client.scan_iter():
            counted = key.decode().split(":waiting:")[0] in (
                "cellblock",
                "cellblock:tenants",
                "cellblock:leases",
            )
            kombus = key.startswith(b"_kombu.")  # one for each queue
            assert counted or kombus or client.ttl(key) > 0, key
            assert (
                not key.startswith(RECORD_PREFIX.encode()) or turn == 0 or not client.hexists(key, "message")
            )
        if turn == 0:
            with WorkerProcess(server.url, MAX_ATTEMPTS="1").wait_until_ready():
                wait_for(lambda: nothing_is_left(client))


def _signal(pids: set[int], signum: int) -> None:
    for pid in pids:
        os.kill(pid, signum)
