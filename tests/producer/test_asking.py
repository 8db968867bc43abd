"""Results that do not come by themselves are asked for: large ones, lost pushes, what was not read."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest
from cellblock_producer import AsyncClient, Client, Job, JobUnknown, core, link
from cellblock_producer.contract import settle_success
from cellblock_producer.keys import record_key, result_key
from redis import Redis
from redis.exceptions import ResponseError

from tests.producer.fake_worker import FakeWorker
from tests.support.valkey import ValkeyServer
from tests.worker.harness import wait_for

WAIT_S = 60.0
TEXT = "x" * 1_000_000
MANY = 40
"""Results of this length are more than a server keeps for a client that has not read them: 32 MB."""


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients ask ten times a second."""
    monkeypatch.setattr(core, "ASK_S", 0.1)
    monkeypatch.setattr(link, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr("cellblock_producer.async_wire.HEARTBEAT_S", 0.1)


@pytest.fixture
def small_buffers(redis: Redis) -> Iterator[None]:
    """The server ends connections that leave more than a megabyte unread."""
    before = redis.config_get("client-output-buffer-limit")
    redis.config_set("client-output-buffer-limit", "pubsub 1mb 0 0")
    with suppress(ResponseError):  # Valkey 9 does not count what it has not copied
        redis.config_set("min-string-size-avoid-copy-reply", 2**30)
    yield
    redis.config_set("client-output-buffer-limit", str(before["client-output-buffer-limit"]))


def make_jobs(count: int, text: str = "") -> list[Job]:
    fields = {"language": "python3", "code": "x", "inputs": {"text": text}}
    return [Job.model_validate(fields) for _ in range(count)]


def answer_unheard(redis: Redis, jobs: Sequence[Job]) -> None:
    for job in jobs:
        redis.set(result_key(job.name), settle_success(job, {"text": TEXT}).to_json(), ex=600)


def test_many_large_results_are_found_after_a_lost_connection_and_a_restart(
    server: ValkeyServer, redis: Redis
) -> None:
    jobs = make_jobs(MANY)
    with Client(server.url) as client:
        handles = client.submit_many(jobs)
        answer_unheard(redis, jobs)
        redis.client_kill_filter(_type="pubsub")
        assert [handle.result(WAIT_S).outputs["text"] for handle in handles] == [TEXT] * MANY
    for per_message in (1, MANY):
        with Client(server.url) as client:
            handles = client.submit_many(jobs, per_message)
            assert [handle.result(WAIT_S).outputs["text"] for handle in handles] == [TEXT] * MANY


def test_the_asyncio_client_finds_many_large_results(server: ValkeyServer, redis: Redis) -> None:
    async def main() -> None:
        jobs = make_jobs(MANY)
        async with AsyncClient(server.url) as client:
            handles = await client.submit_many(jobs)
            answer_unheard(redis, jobs)
            redis.client_kill_filter(_type="pubsub")
            assert [(await handle.result(WAIT_S)).outputs["text"] for handle in handles] == [TEXT] * MANY
        async with AsyncClient(server.url) as client:
            results = [result async for result in client.map(jobs, WAIT_S)]
            assert [result.outputs["text"] for result in results] == [TEXT] * MANY

    asyncio.run(main())


@pytest.mark.usefixtures("often")
def test_a_lost_push_is_found_by_asking(server: ValkeyServer, redis: Redis) -> None:
    async def main(job: Job) -> None:
        async with AsyncClient(server.url) as client:
            handle = await client.submit(job)
            answer_unheard(redis, [job])
            assert (await handle.result(WAIT_S)).outputs["text"] == TEXT

    first, second = make_jobs(2)
    with Client(server.url) as client:
        handle = client.submit(first)
        answer_unheard(redis, [first])
        assert handle.result(WAIT_S).outputs["text"] == TEXT
    asyncio.run(main(second))


@pytest.mark.usefixtures("often")
def test_who_waits_for_a_job_that_the_server_has_forgotten_is_told(
    server: ValkeyServer, redis: Redis
) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            handle = await client.submit(make_jobs(1)[0])
            redis.flushall()
            with pytest.raises(JobUnknown):
                await handle.result(WAIT_S)

    with Client(server.url) as client:
        handle = client.submit(make_jobs(1)[0])
        redis.delete(record_key(handle.name))
        with pytest.raises(JobUnknown):
            handle.result(WAIT_S)
    asyncio.run(main())


@pytest.mark.usefixtures("small_buffers")
def test_a_client_that_never_reads_is_cut_off_and_finds_its_results_later(
    server: ValkeyServer, redis: Redis
) -> None:
    """And who reads is served all the while: the worker does not wait for the other."""

    async def main() -> None:
        jobs = make_jobs(50, text="x" * 100_000)
        async with AsyncClient(server.url) as client:
            handles = await client.submit_many(jobs)
            with FakeWorker(server), Client(server.url) as other:  # our loop stands still
                assert other.run(make_jobs(1)[0], WAIT_S).error is None
                wait_for(lambda: all(redis.exists(result_key(job.name)) for job in jobs))
                wait_for(lambda: [each["sub"] for each in redis.client_list()].count("1") == 1)
            results = [await handle.result(WAIT_S) for handle in handles]
            assert [result.outputs for result in results] == [job.inputs for job in jobs]

    asyncio.run(main())
