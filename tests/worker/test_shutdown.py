"""A worker that is told to end: in bounded time, with 0, nothing lost, and no client that stalls for it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest
import redis
from cellblock_producer import Client, Handle
from cellblock_producer.contract import Job, Result
from cellblock_producer.keys import record_key
from cellblock_worker.embedded import EmbeddedServer

from tests.support.processes import seen
from tests.worker.harness import WAIT_S, WorkerProcess, nothing_is_left, processes_under, wait_for
from tests.worker.program import mark_of

CLIENTS = 3


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


@pytest.mark.parametrize("again", [None, signal.SIGTERM, signal.SIGQUIT, signal.SIGINT])
def test_what_is_not_done_in_time_is_handed_back(
    server: EmbeddedServer, client: redis.Redis, again: signal.Signals | None
) -> None:
    """When the grace time is over, or when the worker is told to end again."""
    grace_s = "3600" if again else "0.5"
    with (
        Client(server.url) as producer,
        WorkerProcess(server.url, GRACE_S=grace_s).wait_until_ready() as worker,
    ):
        running = [producer.submit(_job("hang-once")) for _ in range(2)]
        waiting = producer.submit(_job("echo"))
        wait_for(lambda: all(mark_of(job.job_id).exists() for job in running))
        processes = [seen(pid) for pid in processes_under(worker.pid)]
        os.kill(worker.pid, signal.SIGTERM)
        worker.wait_for_log("Warm shutdown")
        if again:
            os.kill(worker.pid, again)
        assert worker.wait() == 0
        wait_for(lambda: not any(process.lives for process in processes))
        assert client.zcard("cellblock:leases") == 0
        assert client.zcard("cellblock:waiting:default") == 3
        with WorkerProcess(server.url).wait_until_ready():
            assert [job.result(WAIT_S).error for job in (*running, waiting)] == [None] * 3
            wait_for(lambda: nothing_is_left(client))


def test_a_signal_amid_the_handler_of_another_does_not_wait_for_it() -> None:
    """Celery's lock is held while it tells of a signal; stock, the same thread would wait for it for ever."""
    program = """if True:
        import os, signal
        from celery import signals
        from cellblock_worker.shutdown import Shutdown

        Shutdown(grace_s=3600).watch()
        tell = signals.worker_shutting_down.send
        signal.signal(signal.SIGTERM, lambda *_: tell(sender=None, how="Warm"))
        with signals.worker_shutting_down.lock:
            os.kill(os.getpid(), signal.SIGTERM)
        """
    subprocess.run([sys.executable, "-c", program], check=True, timeout=WAIT_S)


def test_a_job_that_is_handed_back_keeps_its_attempts(server: EmbeddedServer, client: redis.Redis) -> None:
    """Its workers are restarted under it more often than it may take one down."""
    settings = {"MAX_ATTEMPTS": "1", "CONCURRENCY": "1"}
    with Client(server.url) as producer:
        alone = producer.submit(_job("hang"))
        for attempt in (b"1", b"2", b"3"):
            with WorkerProcess(server.url, **settings).wait_until_ready() as worker:
                wait_for(partial(_was_begun, client, alone, attempt))
                assert worker.stop(signal.SIGQUIT) == 0
        alone.cancel()
        batch = producer.submit_many([_job("hang-once"), _job("die")], per_message=2)
        with WorkerProcess(server.url, **settings).wait_until_ready() as worker:
            wait_for(lambda: mark_of(batch[0].job_id).exists())
            assert worker.stop(signal.SIGQUIT) == 0
        with WorkerProcess(server.url, **settings).wait_until_ready():
            first, second = (job.result(WAIT_S) for job in batch)
    assert (first.error, first.attempts) == (None, 2)
    assert second.error is not None
    assert (second.error.kind, second.attempts) == ("worker_lost", 1)


def test_who_is_done_in_time_does_not_wait_for_the_grace_time(
    server: EmbeddedServer, client: redis.Redis
) -> None:
    with (
        Client(server.url) as producer,
        WorkerProcess(server.url, GRACE_S="3600").wait_until_ready() as worker,
    ):
        running = producer.submit(_job("slow"))
        wait_for(lambda: _is_running(client, running))
        assert worker.stop(signal.SIGTERM) == 0
        assert running.result(WAIT_S).attempts == 1


def test_ctrl_c_ends_it_as_sigterm_does(server: EmbeddedServer, client: redis.Redis) -> None:
    with WorkerProcess(server.url).wait_until_ready() as worker:
        assert worker.stop(signal.SIGINT) == 0
        assert "SecurityWarning" not in worker.log
    with Client(server.url) as producer, WorkerProcess(server.url).wait_until_ready() as worker:
        running = producer.submit(_job("slow"))
        wait_for(lambda: _is_running(client, running))
        assert worker.stop(signal.SIGINT) == 0
        assert running.result(WAIT_S).attempts == 1
    with (
        Client(server.url) as producer,
        WorkerProcess(server.url, GRACE_S="0.5").wait_until_ready() as worker,
    ):
        handed_back = producer.submit(_job("hang"))
        wait_for(lambda: _is_running(client, handed_back))
        assert worker.stop(signal.SIGINT) == 0
        wait_for(lambda: client.zcard("cellblock:waiting:default") == 1)


@pytest.mark.parametrize("count", [1, 2])
def test_a_rolling_restart_stalls_nobody_for_longer_than_it_takes(
    server: EmbeddedServer, client: redis.Redis, count: int
) -> None:
    """Where another worker is there, every client gets Results from that one all the while."""
    with ExitStack() as stack:
        workers = [stack.enter_context(WorkerProcess(server.url).wait_until_ready()) for _ in range(count)]
        callers = [stack.enter_context(Caller(server.url)) for _ in range(CLIENTS)]
        for old in workers:
            _all_go_on(callers)
            assert old.stop(signal.SIGTERM) == 0
            if count > 1:
                _all_go_on(callers)
            stack.enter_context(WorkerProcess(server.url).wait_until_ready())
        _all_go_on(callers)
        for caller in callers:
            caller.stop()
    results = [result for caller in callers for result in caller.results]
    assert {(result.error, result.attempts) for result in results} == {(None, 1)}
    wait_for(lambda: nothing_is_left(client))


class Caller:
    """A client with one job after the other, as fast as they come."""

    def __init__(self, url: str) -> None:
        self.results: list[Result] = []
        self._url = url
        self._stopping = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Caller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopping = True
        self._thread.join(WAIT_S)

    def _run(self) -> None:
        with Client(self._url) as client:
            while not self._stopping:
                self.results.append(client.run(_job("echo"), timeout=WAIT_S))


def _all_go_on(callers: list[Caller]) -> None:
    """Wait until each has had two more Results: the second is of a job that was submitted from now on."""
    goals = [len(caller.results) + 2 for caller in callers]
    wait_for(lambda: all(len(c.results) >= goal for c, goal in zip(callers, goals, strict=True)))


def _job(code: str) -> Job:
    return Job.model_validate({"language": "python3", "code": code})


def _was_begun(client: redis.Redis, job: Handle, attempts: bytes) -> bool:
    return client.hget(record_key(job.name), "attempts") == attempts


def _is_running(client: redis.Redis, job: Handle) -> bool:
    return client.hget(record_key(job.name), "state") == b"running"
