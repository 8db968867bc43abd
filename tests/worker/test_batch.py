"""Several jobs in one message, through a real worker: each with its own Result, failure and attempts."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from cellblock_producer import Cancellation, Client, WorkerFailed
from cellblock_producer.contract import ErrorKind, Job, Result, Status
from cellblock_producer.keys import record_key
from cellblock_producer.wire import MAX_BATCH
from cellblock_worker.embedded import EmbeddedServer

from tests.worker.harness import WorkerProcess, envelope, nothing_is_left, result_of, stock_app, wait_for

WAIT_S = 60.0


@pytest.fixture
def producer(server: EmbeddedServer) -> Iterator[Client]:
    with Client(server.url) as producer:
        yield producer


def make_job(code: str = "echo", **fields: Any) -> Job:
    return Job.model_validate({"language": "python3", "code": code} | fields)


def kind_of(result: Result) -> str | None:
    return result.error.kind if result.error else None


def attempts_of(client: redis.Redis, job: Job) -> int:
    return int(client.hget(record_key(job.name), "attempts") or 0)


def send(client: redis.Redis, *members: object, task_id: str = "the-batch") -> None:
    message = envelope(list(members))
    message["headers"]["id"] = task_id
    client.lpush("cellblock", json.dumps(message))


def test_each_job_has_its_own_result(producer: Client, worker: WorkerProcess, client: redis.Redis) -> None:
    jobs = [make_job(inputs={"n": n}, tenant=f"t{n % 3}", labels={"n": str(n)}) for n in range(250)]
    results = [handle.result(WAIT_S) for handle in producer.submit_many(jobs, per_message=100)]
    assert [result.name for result in results] == [job.name for job in jobs]
    assert [result.outputs["echo"] for result in results] == [{"n": n} for n in range(250)]
    assert [result.labels for result in results] == [job.labels for job in jobs]
    assert {result.attempts for result in results} == {1}
    wait_for(lambda: nothing_is_left(client))


def test_a_failure_concerns_its_own_job(producer: Client, worker: WorkerProcess) -> None:
    jobs = [
        make_job(),
        make_job(deadline_ms=1, on_error={"strategy": "branch"}),
        make_job(),
    ]
    results = [handle.result(WAIT_S) for handle in producer.submit_many(jobs, per_message=10)]
    assert [kind_of(result) for result in results] == [None, ErrorKind.EXPIRED, None]


def test_a_fault_of_ours_concerns_its_own_job(client: redis.Redis, worker: WorkerProcess) -> None:
    jobs = [make_job(), make_job("raise x"), make_job()]
    send(client, *(job.model_dump(mode="json") for job in jobs))
    kinds = [kind_of(result_of(client, job.id)) for job in jobs]
    assert kinds == [None, ErrorKind.INTERNAL, None]


def test_a_result_is_pushed_before_the_next_job_ends(producer: Client, worker: WorkerProcess) -> None:
    first, second = producer.submit_many([make_job(), make_job("slow")], per_message=2)
    first.result(WAIT_S)
    assert not second.done()
    assert second.result(WAIT_S).status == Status.SUCCEEDED


def test_a_job_of_a_batch_is_cancelled_while_another_runs(producer: Client, worker: WorkerProcess) -> None:
    running, waiting, last = producer.submit_many([make_job("slow"), make_job(), make_job()], per_message=3)
    assert waiting.cancel() is Cancellation.CANCELLED
    assert kind_of(waiting.result(WAIT_S)) == ErrorKind.CANCELLED
    assert running.result(WAIT_S).error is None
    assert last.result(WAIT_S).error is None


def test_members_that_are_no_jobs_are_answered_one_by_one(client: redis.Redis, worker: WorkerProcess) -> None:
    good = make_job()
    said = good.model_dump(mode="json")
    members = [
        said,
        {"language": "python3", "id": "no-code"},
        said | {"id": "extra", "colour": 1},
        {"language": "python3", "code": "echo"},
        5,
        "echo",
        None,
        [said],
        said | {"id": "not an id"},
        said | {"inputs": {"other": "content"}},
        said,
    ]
    send(client, *members, task_id="odd")
    names = ["no-code", "extra", "odd.4", "odd.5", "odd.6", "odd.7", "odd.8"]
    assert [kind_of(result_of(client, name)) for name in names] == [ErrorKind.INVALID_JOB] * len(names)
    assert result_of(client, "odd.3").outputs["echo"] == {}
    assert result_of(client, good.id).outputs["echo"] == {}
    wait_for(lambda: nothing_is_left(client))
    assert attempts_of(client, good) == 1


@pytest.mark.parametrize(
    ("members", "answered"),
    [
        ([], []),
        (
            [{"language": "python3", "code": "echo", "id": f"many-{n}"} for n in range(MAX_BATCH + 1)],
            ["many-0"],
        ),
    ],
    ids=["none", "too many"],
)
def test_a_batch_of_no_size_that_is_served(
    members: list[object], answered: list[str], client: redis.Redis, worker: WorkerProcess
) -> None:
    send(client, *members)
    assert [kind_of(result_of(client, name)) for name in answered] == [ErrorKind.INVALID_JOB] * len(answered)
    send(client, {"language": "python3", "code": "echo"}, task_id="after")
    assert result_of(client, "after.0").error is None
    assert worker.running


def test_stock_sender_gets_the_results_as_a_list(server: EmbeddedServer, worker: WorkerProcess) -> None:
    jobs = [{"language": "python3", "code": "echo", "inputs": {"n": n}} for n in range(3)]
    answer = stock_app(server.url).send_task("cellblock.run", args=[jobs])
    results = answer.get(timeout=30)
    assert [result["outputs"]["echo"]["n"] for result in results] == [0, 1, 2]
    assert [result["job_id"] for result in results] == [f"{answer.id}.{n}" for n in range(3)]


class TestLoss:
    """Each with a worker of its own."""

    @pytest.fixture
    def server(self) -> Iterator[EmbeddedServer]:
        with EmbeddedServer() as server:
            yield server

    def test_who_kills_the_worker_is_charged_and_no_neighbour(
        self, server: EmbeddedServer, client: redis.Redis, producer: Client
    ) -> None:
        with WorkerProcess(server.url, MAX_ATTEMPTS="2").wait_until_ready() as worker:
            jobs = [make_job(), make_job("die"), make_job(), make_job()]
            results = [handle.result(WAIT_S) for handle in producer.submit_many(jobs, per_message=4)]
            kinds = [kind_of(result) for result in results]
            assert kinds == [None, ErrorKind.WORKER_LOST, None, None]
            assert [attempts_of(client, job) for job in jobs] == [1, 2, 1, 1]
            wait_for(lambda: nothing_is_left(client))
            assert worker.running

    def test_job_that_may_run_again_does(self, server: EmbeddedServer, producer: Client) -> None:
        with WorkerProcess(server.url).wait_until_ready():
            jobs = [make_job(), make_job("die-once"), make_job()]
            results = [handle.result(WAIT_S) for handle in producer.submit_many(jobs, per_message=3)]
            assert [result.error for result in results] == [None] * 3
            assert [result.attempts for result in results] == [1, 2, 1]

    def test_one_that_hangs_is_stopped_and_the_others_run(
        self, server: EmbeddedServer, client: redis.Redis, producer: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LAST_RESORT_S", "1")
        with WorkerProcess(server.url, WALL_MS="1").wait_until_ready():
            handles = producer.submit_many([make_job(), make_job("hang"), make_job()], per_message=3)
            kinds = [kind_of(result_of(client, handle.job_id)) for handle in handles]
            assert kinds == [None, ErrorKind.INTERNAL, None]

    def test_batch_of_a_worker_that_was_killed_comes_back(
        self, server: EmbeddedServer, client: redis.Redis, producer: Client
    ) -> None:
        jobs = [make_job(), make_job("slow"), make_job()]
        with WorkerProcess(server.url).wait_until_ready() as worker:
            handles = producer.submit_many(jobs, per_message=3)
            handles[0].result(WAIT_S)
            wait_for(lambda: client.hget(record_key(jobs[1].name), "state") == b"running")
            worker.stop(9)
        with WorkerProcess(server.url).wait_until_ready():
            results = [handle.result(WAIT_S) for handle in handles]
        assert [result.attempts for result in results] == [1, 2, 1]


def test_a_fault_of_ours_between_two_jobs_loses_neither(producer: Client, worker: WorkerProcess) -> None:
    handles = producer.submit_many([make_job(), make_job("spoil"), make_job()], per_message=3)
    with pytest.raises(WorkerFailed):
        handles[1].result(WAIT_S)
    assert [kind_of(handles[place].result(WAIT_S)) for place in (0, 2)] == [None, None]
    assert producer.run(make_job("spoil"), WAIT_S).error is None  # its Result is written by then
