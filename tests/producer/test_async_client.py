"""What the asyncio client does for an engine, against a real server."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from cellblock_producer import (
    AsyncClient,
    Cancellation,
    Client,
    InvalidJob,
    JobConflict,
    JobUnknown,
    ResultTimeout,
    WorkerFailed,
)
from cellblock_producer.contract import Job
from cellblock_producer.ledger import Ledger
from redis import Redis

from tests.producer.aio import WAIT_S, heartbeat, in_loop, is_idle, job
from tests.producer.fake_worker import FakeWorker, answer, take
from tests.support.valkey import ValkeyServer


@in_loop
async def test_run_submits_a_job_and_returns_its_result(server: ValkeyServer, worker: FakeWorker) -> None:
    async with AsyncClient(server.url) as client:
        result = await client.run(job(7, labels={"node": "a"}), timeout=WAIT_S)
    assert (result.branch, result.outputs, result.labels) == ("success", {"n": 7}, {"node": "a"})


@in_loop
async def test_a_handle_is_awaited_as_often_as_one_likes(server: ValkeyServer, worker: FakeWorker) -> None:
    async with AsyncClient(server.url) as client:
        handle = await client.submit({"language": "javascript", "code": "x", "inputs": {"n": 1}})
        first, second = await asyncio.gather(handle.result(WAIT_S), handle.result())
        assert first == second == await handle
        assert (handle.done(), handle.name.id) == (True, handle.job_id)


@in_loop
async def test_failures_are_values_and_failed_workers_exceptions(
    server: ValkeyServer, worker: FakeWorker
) -> None:
    async with AsyncClient(server.url) as client:
        node = await client.run(job(labels={"fail": "code_error"}, on_error={"strategy": "branch"}), WAIT_S)
        assert node.branch == "fail"
        with pytest.raises(WorkerFailed, match="asked to"):
            await client.run(job(labels={"fail": "internal"}), WAIT_S)


@in_loop
async def test_ten_thousand_jobs_a_thousand_in_flight(server: ValkeyServer, worker: FakeWorker) -> None:
    numbers, answers = iter(range(10_000)), {}

    async def use(client: AsyncClient) -> None:
        for number in numbers:
            handle = await client.submit(job(number))
            result = await handle.result(WAIT_S)
            assert result.job_id == handle.job_id
            answers[number] = result.outputs["n"]

    async with AsyncClient(server.url) as client:
        await asyncio.gather(*(use(client) for _ in range(1000)))
        assert is_idle(client)
    assert answers == {number: number for number in range(10_000)}
    assert len(worker.ran) == len(set(worker.ran)) == 10_000


@in_loop
async def test_a_large_batch_leaves_the_loop_free(server: ValkeyServer, redis: Redis) -> None:
    jobs = [job(number, id=f"job-{number}").model_dump(exclude_defaults=True) for number in range(10_000)]
    async with AsyncClient(server.url) as client, heartbeat() as gaps:
        handles = await client.submit_many(jobs)
    print(f"largest gap while 10,000 jobs were submitted: {gaps[-1] * 1000:.1f} ms")  # noqa: T201 - a figure
    assert gaps[-1] < 1.0
    assert [handle.job_id for handle in handles] == [f"job-{number}" for number in range(10_000)]
    assert redis.llen("cellblock") == 10_000


@in_loop
async def test_one_connection_and_no_thread_however_many_jobs(server: ValkeyServer, redis: Redis) -> None:
    before, threads = len(redis.client_list()), threading.enumerate()
    async with AsyncClient(server.url) as client:
        handles = await asyncio.gather(*(client.submit(job(number)) for number in range(100)))
        handles += await client.submit_many(job(number) for number in range(1000))
        waiters = [asyncio.create_task(handle.result()) for handle in handles]
        await client.attach(handles[0].job_id)
        assert len(redis.client_list()) == before + 1
        assert threading.enumerate() == threads
        for waiter in waiters:
            waiter.cancel()


@in_loop
async def test_what_is_submitted_in_one_turn_goes_out_in_one_write(server: ValkeyServer) -> None:
    async with AsyncClient(server.url) as client:
        await client.submit(job())
        wire = vars(vars(client)["_link"])["_wire"]
        real, written = wire._transport, []

        class Transport:
            def write(self, data: bytes) -> None:
                written.append(data)
                real.write(data)

        wire._transport = Transport()
        await asyncio.gather(*(client.submit(job(number)) for number in range(64)))
        wire._transport = real
    assert len(written) == 1


@in_loop
async def test_nothing_is_sent_when_one_of_many_jobs_is_invalid(server: ValkeyServer, redis: Redis) -> None:
    async with AsyncClient(server.url) as client:
        with pytest.raises(InvalidJob, match="code"):
            await client.submit_many([job(1), {"language": "python3"}])
    assert redis.keys() == []


@in_loop
async def test_a_job_that_cannot_be_written_concerns_its_caller_only(
    server: ValkeyServer, worker: FakeWorker
) -> None:
    spoilt = job(1)
    spoilt.inputs["n"] = object()
    async with AsyncClient(server.url) as client:
        bad, good = await asyncio.gather(
            client.submit(spoilt), client.run(job(2), WAIT_S), return_exceptions=True
        )
        assert "serialize" in str(bad)
        assert isinstance(bad, ValueError)
        assert not isinstance(good, BaseException)
        assert good.outputs == {"n": 2}


@in_loop
async def test_the_same_job_runs_once_and_another_with_its_id_is_a_conflict(
    server: ValkeyServer, redis: Redis
) -> None:
    async with AsyncClient(server.url) as client:
        first, second = await client.submit_many([job(1, id="one")] * 2)
        with pytest.raises(JobConflict, match="default:one"):
            await client.submit(job(2, id="one"))
        with pytest.raises(JobConflict):
            await client.submit_many([job(3), job(2, id="one"), job(4)])
        assert redis.llen("cellblock") == 3
        with FakeWorker(server) as worker:
            assert await first.result(WAIT_S) == await second.result(WAIT_S)
    assert worker.ran.count("default:one") == 1


@in_loop
async def test_waiting_may_end_before_the_job_does(server: ValkeyServer) -> None:
    async with AsyncClient(server.url) as client:
        handle = await client.submit(job(1))
        for timeout in (0.0, 0.001, 0.001):
            with pytest.raises(ResultTimeout, match="goes on"):
                await handle.result(timeout)
        with FakeWorker(server):
            assert (await handle.result(WAIT_S)).outputs == {"n": 1}


@in_loop
async def test_get_tells_result_waiting_and_unknown_apart(server: ValkeyServer) -> None:
    async with AsyncClient(server.url) as client:
        handle = await client.submit(job(1, id="one", tenant="acme"))
        assert await client.get("one", "acme") is None
        with FakeWorker(server):
            result = await handle.result(WAIT_S)
        assert await client.get("one", "acme") == result
        with pytest.raises(JobUnknown, match="acme:two"):
            await client.get("two", "acme")
        with pytest.raises(ValueError, match="job id"):
            await client.get("no such:id")


@in_loop
async def test_a_client_attaches_to_the_jobs_of_the_one_before(server: ValkeyServer) -> None:
    async with AsyncClient(server.url) as before:
        ids = [handle.job_id for handle in await before.submit_many(job(number) for number in range(20))]
    async with AsyncClient(server.url) as client:
        handles = [await client.attach(job_id) for job_id in ids]
        with FakeWorker(server):
            assert [(await handle.result(WAIT_S)).outputs["n"] for handle in handles] == list(range(20))
        assert (await client.attach(ids[0])).done()
        with pytest.raises(JobUnknown):
            await client.attach("another")


@in_loop
async def test_a_job_that_has_not_started_can_be_cancelled(server: ValkeyServer, redis: Redis) -> None:
    async with AsyncClient(server.url) as client:
        handle = await client.submit(job(1, labels={"node": "a"}))
        assert await handle.cancel() is Cancellation.CANCELLED
        result = await handle.result(WAIT_S)
        assert result.error is not None
        assert (result.status, result.error.kind, result.labels) == ("failed", "cancelled", {"node": "a"})
        assert await handle.cancel() is Cancellation.FINISHED


@in_loop
async def test_a_running_job_can_be_cancelled(server: ValkeyServer, redis: Redis) -> None:
    async with AsyncClient(server.url) as client:
        handle = await client.submit(job(1))
        taken, ledger = take(redis), Ledger(redis, ttl_s=60)
        ledger.begin(taken.name, taken.digest())
        assert await handle.cancel() is Cancellation.CANCELLED
        late = ledger.finish(taken.name, answer(taken))
        result = await handle.result(WAIT_S)
        assert late == result
        assert result.error is not None
        assert (result.status, result.error.kind, result.attempts) == ("failed", "cancelled", 1)


@in_loop
async def test_who_gives_up_may_have_the_job_cancelled(server: ValkeyServer, redis: Redis) -> None:
    async with AsyncClient(server.url) as client:
        handles = await client.submit_many([job(1, id="patient"), job(2, id="timed"), job(3, id="dropped")])
        patient, timed, dropped = handles
        with pytest.raises(ResultTimeout, match="the job goes on"):
            await patient.result(0)
        with pytest.raises(ResultTimeout, match="timed has no result after 0 s; the job was cancelled"):
            await timed.result(0, cancel=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await dropped.result(cancel=True)
        result = await dropped.result(WAIT_S)  # nobody waited for its end, and it came
        assert result.error is not None
        assert result.error.kind == "cancelled"
        with FakeWorker(server) as worker:
            assert (await patient.result(WAIT_S, cancel=True)).status == "succeeded"
            assert (await client.run(job(4), WAIT_S, cancel=True)).status == "succeeded"
        assert len(worker.ran) == 2


@in_loop
async def test_both_clients_see_the_same_jobs(server: ValkeyServer, worker: FakeWorker) -> None:
    with Client(server.url) as client:
        handle = client.submit(job(1))
        async with AsyncClient(server.url) as other:
            assert await (await other.attach(handle.job_id)) == handle.result(WAIT_S)


@in_loop
async def test_a_large_job_arrives_whole(server: ValkeyServer, worker: FakeWorker) -> None:
    texts = [{"text": "é" * 1_000_000, "n": number} for number in range(8)]
    async with AsyncClient(server.url) as client:
        handles = await client.submit_many(job(inputs=text) for text in texts)
        assert [(await handle.result(WAIT_S)).outputs for handle in handles] == texts


@in_loop
async def test_map_yields_every_result(server: ValkeyServer, worker: FakeWorker) -> None:
    async with AsyncClient(server.url) as client:
        results = client.map((job(number) for number in range(300)), timeout=WAIT_S, in_flight=70)
        assert sorted([result.outputs["n"] async for result in results]) == list(range(300))
        assert is_idle(client)
        assert [result async for result in client.map([])] == []
        with pytest.raises(ValueError, match="in_flight"):
            await anext(client.map([job(1)], in_flight=0))


@in_loop
async def test_map_takes_jobs_as_they_come(server: ValkeyServer, worker: FakeWorker) -> None:
    finished = asyncio.Event()

    async def one_after_another() -> AsyncIterator[Job]:
        for number in range(5):
            yield job(number)
            await finished.wait()  # the Result of the last one must come before there is another
            finished.clear()

    async with AsyncClient(server.url) as client:
        answers = []
        async for result in client.map(one_after_another(), timeout=WAIT_S):
            answers.append(result.outputs["n"])
            finished.set()
    assert answers == list(range(5))


@in_loop
async def test_map_of_endless_jobs_and_a_slow_consumer_is_bounded(
    server: ValkeyServer, worker: FakeWorker
) -> None:
    made = 0

    def endless() -> Iterator[Job]:
        nonlocal made
        for made in count(1):
            yield job(made)

    seen = 0
    async with AsyncClient(server.url) as client:
        async for _ in client.map(endless(), timeout=WAIT_S, in_flight=10):
            seen += 1
            for _ in range(20):
                await asyncio.sleep(0)  # the feeder has time enough to run ahead
            assert made - seen <= 10
            if seen == 200:
                break
    assert made <= 210


@in_loop
async def test_map_gives_the_same_job_twice_the_same_result(server: ValkeyServer, worker: FakeWorker) -> None:
    async with AsyncClient(server.url) as client:
        results = [result async for result in client.map([job(1, id="one")] * 3, timeout=WAIT_S)]
    assert [result.job_id for result in results] == ["one"] * 3


@in_loop
async def test_map_raises_what_goes_wrong_after_what_went_well(
    server: ValkeyServer, worker: FakeWorker
) -> None:
    async def broken() -> AsyncIterator[Job]:
        yield job(1)
        raise LookupError("no more jobs")

    async with AsyncClient(server.url) as client:
        with pytest.raises(LookupError, match="no more"):
            _ = [result async for result in client.map(broken())]
        await client.submit(job(1, id="one"))
        with pytest.raises(JobConflict):
            _ = [result async for result in client.map([job(2, id="one")])]
        with pytest.raises(InvalidJob):
            _ = [result async for result in client.map([{"language": "cobol"}])]


@in_loop
async def test_map_gives_up_waiting_when_asked_to(server: ValkeyServer) -> None:
    async with AsyncClient(server.url) as client:
        with pytest.raises(ResultTimeout):
            _ = [result async for result in client.map([job(1)], timeout=0.001)]


@pytest.mark.parametrize("options", [{"timeout": 0}, {"ttl_s": 0}, {"url": "http://localhost"}])
def test_options_without_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        AsyncClient(**options)  # type: ignore[arg-type]


def test_an_option_of_the_url_that_is_not_known_is_refused() -> None:
    for kind in (AsyncClient, Client):
        with pytest.raises(ValueError, match="nonsense"):
            kind("redis://localhost?nonsense=1")


@in_loop
async def test_a_client_that_was_never_used_closes_without_a_connection() -> None:
    async with AsyncClient("redis://user:hunter2@localhost:1/0") as client:
        assert repr(client) == "AsyncClient('localhost:1')"
        assert "hunter2" not in repr(vars(vars(client)["_link"])["_endpoint"])
