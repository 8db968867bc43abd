"""A full queue refuses at submit, in the round trip of the submit, and whoever the client is."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from cellblock_producer import AsyncClient, Client, Handle, Job, QueueFull
from cellblock_producer.keys import DEFAULT_QUEUE, record_key
from cellblock_producer.leases import Bounds, Leases
from redis import Redis

from tests.producer.fake_worker import FakeWorker, jobs_in, take, take_unit
from tests.producer.shares import check_shares
from tests.support.valkey import ValkeyServer

MOST, MOST_EACH = 5, 3


def job(job_id: str, tenant: str = "a") -> Job:
    return Job.model_validate({"id": job_id, "tenant": tenant, "language": "python3", "code": "x"})


@pytest.fixture
def leases(redis: "Redis") -> Leases:
    """A worker that has told the queue its bounds."""
    leases = Leases(redis, 60_000, Bounds(MOST, MOST_EACH))
    leases.reap(DEFAULT_QUEUE, pause_ms=0)
    return leases


@pytest.fixture
def full(client: Client, leases: Leases, redis: "Redis") -> Iterator[Sequence[Handle]]:
    """As many jobs of tenant a as may wait."""
    yield client.submit_many([job(f"{n}") for n in range(MOST_EACH)])
    check_shares(redis, lambda unit: _jobs_of(redis, unit))


def test_a_tenant_may_have_so_many_waiting(client: Client, full: Sequence[Handle], redis: "Redis") -> None:
    with pytest.raises(QueueFull) as refused:
        client.submit(job("more"))
    error = refused.value
    assert (error.tenant, error.bound, error.measure) == ("a", "tenant", "jobs")
    assert (error.waiting, error.most, error.more) == (3, 3, 1)
    assert 1 <= error.retry_after_s <= 60
    assert "3 jobs of tenant a wait, and at most 3 may" in str(error)
    assert not redis.exists(record_key(job("more").name))
    client.submit(job("more", "b"))


def test_all_tenants_together_may_have_so_many_waiting(
    client: Client, full: Sequence[Handle], redis: "Redis"
) -> None:
    client.submit_many([job("1", "b"), job("2", "b")])
    for tenant in ("b", "c"):
        with pytest.raises(QueueFull, match="5 jobs of all tenants wait") as refused:
            client.submit(job("more", tenant))
        assert (refused.value.bound, refused.value.waiting, refused.value.most) == ("all", 5, 5)


def test_the_longer_the_line_has_waited_the_later_is_the_next_try(
    client: Client, full: Sequence[Handle], redis: "Redis"
) -> None:
    for seconds, expected in ((0, 1), (42, 5), (10_000, 60)):
        redis.hset(record_key(job("0").name), "at", (redis.time()[0] - seconds) * 1_000_000)
        with pytest.raises(QueueFull) as refused:
            client.submit(job("more"))
        assert refused.value.retry_after_s in (expected, expected + 1)


def test_room_is_made_by_whatever_takes_a_job_out_of_the_line(
    client: Client, full: Sequence[Handle], redis: "Redis"
) -> None:
    take(redis)
    client.submit(job("new"))
    full[2].cancel()
    client.submit(job("another"))
    with pytest.raises(QueueFull):
        client.submit(job("more"))


def test_what_is_known_is_never_refused(client: Client, full: Sequence[Handle], redis: "Redis") -> None:
    assert client.submit(job("1")).job_id == "1"
    assert [handle.job_id for handle in client.submit_many([job("1"), job("2")], 2)] == ["1", "2"]


def test_what_was_accepted_comes_back_even_to_a_full_queue(
    client: Client, full: Sequence[Handle], leases: Leases, redis: "Redis"
) -> None:
    delivery = take_unit(redis)
    client.submit(job("more"))
    assert delivery is not None
    leases.release(delivery.lease)
    assert [take(redis).id for _ in range(4)] == ["0", "1", "2", "more"]


def test_a_message_of_several_is_queued_as_a_whole_or_not_at_all(
    client: Client, leases: Leases, redis: "Redis"
) -> None:
    client.submit(job("0"))
    with pytest.raises(QueueFull) as refused:
        client.submit_many([job("0"), job("1"), job("2"), job("3")], per_message=10)
    assert refused.value.waiting == 1
    assert not redis.exists(record_key(job("1").name))
    known_and_twice = [job("0"), job("1"), job("2"), job("1"), job("0")]
    assert len(client.submit_many(known_and_twice, per_message=10)) == 5
    check_shares(redis, lambda unit: _jobs_of(redis, unit))


def test_of_several_messages_those_that_find_room_are_queued(
    client: Client, leases: Leases, redis: "Redis"
) -> None:
    jobs = [job(f"{n}") for n in range(5)]
    with pytest.raises(QueueFull):
        client.submit_many(jobs)
    assert [take(redis).id for _ in range(3)] == ["0", "1", "2"]
    assert [handle.job_id for handle in client.submit_many(jobs)] == ["0", "1", "2", "3", "4"]


def test_clients_that_submit_at_once_do_not_get_past_the_bound(
    server: ValkeyServer, leases: Leases, redis: "Redis"
) -> None:
    accepted: list[str] = []

    def submit(name: str) -> None:
        with Client(server.url) as client:
            for n in range(5):
                with suppress(QueueFull):
                    accepted.append(client.submit(job(f"{name}-{n}")).job_id)

    threads = [threading.Thread(target=submit, args=(name,)) for name in "pqrs"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accepted) == MOST_EACH
    assert redis.zcard(f"{DEFAULT_QUEUE}:waiting:a") == MOST_EACH


def test_the_asyncio_client_says_the_same(server: ValkeyServer, full: Sequence[Handle]) -> None:
    async def submit() -> None:
        async with AsyncClient(server.url) as client:
            for attempt in (
                client.submit(job("more")),
                client.submit_many([job("more"), job("x")]),
                client.submit_many([job("more"), job("x")], per_message=2),
                anext(client.map([job("more")])),
            ):
                with pytest.raises(QueueFull) as refused:
                    await attempt
                assert (refused.value.bound, refused.value.most) == ("tenant", 3)

    asyncio.run(submit())


def test_a_queue_that_no_worker_has_served_has_bounds_too(client: Client, redis: "Redis") -> None:
    client.submit(job("1"))
    redis.hset(f"{DEFAULT_QUEUE}:shares", "a", "50000 0 0")
    with pytest.raises(QueueFull):
        client.submit(job("2"))


def test_a_client_that_tries_again_gets_everything_done(
    server: ValkeyServer, client: Client, leases: Leases, worker: FakeWorker
) -> None:
    handles: list[Handle] = []
    for n in range(40):
        while len(handles) == n:
            try:
                handles.append(client.submit(job(f"{n}")))
            except QueueFull:
                handles[-1].result(timeout=30)
    assert [handle.result(timeout=30).status for handle in handles] == ["succeeded"] * 40


def _jobs_of(redis: "Redis", unit: str) -> int:
    message: Any = redis.hget(unit, "message")
    return len(jobs_in(message))
