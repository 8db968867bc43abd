"""What waits is bounded in bytes, too: in all and of each tenant, in the round trip of the submit."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from cellblock_producer import AsyncClient, Client, Job, JobTooLarge, QueueFull, Retry
from cellblock_producer.keys import DEFAULT_QUEUE, SHARES, record_key
from cellblock_producer.leases import Bounds, Leases, Stray
from cellblock_producer.ledger import Ledger, Turn
from cellblock_producer.listing import queue_state
from cellblock_producer.wire import task_message
from redis import Redis

from tests.producer.fake_worker import jobs_in, take, take_unit
from tests.producer.shares import check_shares, share_of
from tests.support.valkey import ValkeyServer, running_valkey

KB = 1000
MOST, MOST_EACH = 50 * KB, 30 * KB
HOUR_MS = 3_600_000


def job(job_id: str, tenant: str = "a", kb: int = 10) -> Job:
    """A job whose message has so many thousands of bytes, and less than one thousand more."""
    given = {"id": job_id, "tenant": tenant, "language": "python3", "code": "#" * kb * KB}
    return Job.model_validate(given)


def tell(redis: "Redis", *, most: int = MOST, most_each: int = MOST_EACH) -> Leases:
    """Be a worker that has told the queue its bounds."""
    leases = Leases(redis, HOUR_MS, Bounds(most_bytes=most, most_bytes_each=most_each))
    leases.reap(DEFAULT_QUEUE, pause_ms=0)
    return leases


@pytest.fixture
def leases(redis: "Redis") -> Leases:
    return tell(redis)


def check(redis: "Redis") -> None:
    check_shares(redis, lambda unit: len(jobs_of(redis, unit)))


def jobs_of(redis: "Redis", unit: str) -> Sequence[Job]:
    message: Any = redis.hget(unit, "message")
    return jobs_in(message)


def test_the_jobs_of_a_tenant_may_have_so_many_bytes(client: Client, leases: Leases, redis: "Redis") -> None:
    client.submit_many([job("0"), job("1")])
    with pytest.raises(QueueFull) as refused:
        client.submit(job("more"))
    error = refused.value
    assert (error.tenant, error.bound, error.measure, error.most) == ("a", "tenant", "bytes", MOST_EACH)
    assert 20 * KB < error.waiting <= 22 * KB
    assert 10 * KB < error.more <= 11 * KB
    assert 1 <= error.retry_after_s <= 60
    assert f"{error.waiting} bytes of jobs of tenant a wait, and at most {MOST_EACH} may" in str(error)
    assert not redis.exists(record_key(job("more").name))
    client.submit(job("small", kb=1))
    client.submit(job("more", "b"))
    check(redis)


def test_those_of_all_tenants_together_may_have_so_many(
    client: Client, leases: Leases, redis: "Redis"
) -> None:
    client.submit_many([job(f"{n}", tenant) for tenant in "ab" for n in range(2)])
    with pytest.raises(QueueFull, match="bytes of jobs of all tenants wait, and at most 50000") as refused:
        client.submit(job("more", "c"))
    assert (refused.value.bound, refused.value.measure) == ("all", "bytes")
    assert queue_state(redis, DEFAULT_QUEUE).bytes == refused.value.waiting > 40 * KB
    check(redis)


def test_a_job_for_which_there_never_is_room_is_told_so(
    client: Client, server: ValkeyServer, leases: Leases, redis: "Redis"
) -> None:
    with pytest.raises(JobTooLarge, match="no more than 30000 may wait") as refused:
        client.submit(job("huge", kb=30))
    assert 30 * KB < refused.value.size <= 31 * KB
    assert refused.value.most == MOST_EACH
    with pytest.raises(JobTooLarge):
        client.submit_many([job("small", kb=1), job("huge", kb=30)])
    assert take(redis).id == "small"

    async def submit() -> None:
        async with AsyncClient(server.url) as client:
            for attempt in (
                client.submit(job("huge", kb=30)),
                client.submit_many([job("x", kb=20), job("y")], per_message=2),
                anext(client.map([job("huge", kb=30)])),
            ):
                with pytest.raises(JobTooLarge):
                    await attempt

    asyncio.run(submit())
    assert not redis.exists(record_key(job("x").name))
    check(redis)


def test_no_bytes_are_no_bound(client: Client, redis: "Redis") -> None:
    tell(redis, most=0, most_each=0)
    client.submit_many([job(f"{n}", kb=1000) for n in range(4)])
    tell(redis, most=0, most_each=MOST_EACH)
    with pytest.raises(QueueFull, match="of tenant a"):
        client.submit(job("more", kb=1))
    tell(redis, most=MOST, most_each=0)
    with pytest.raises(QueueFull, match="of all tenants"):
        client.submit(job("more", kb=1))


def test_room_is_made_by_whatever_takes_a_job_out_of_the_line(
    client: Client, leases: Leases, redis: "Redis"
) -> None:
    first, second = client.submit_many([job("0"), job("1")])
    assert take(redis).id == first.job_id
    client.submit(job("new"))
    second.cancel()
    client.submit(job("another"))
    with pytest.raises(QueueFull):
        client.submit(job("more"))
    check(redis)


def test_what_is_known_is_never_refused_and_counted_once(
    client: Client, leases: Leases, redis: "Redis"
) -> None:
    client.submit_many([job("0"), job("1")])
    assert client.submit(job("0")).job_id == "0"
    assert len(client.submit_many([job("0"), job("1")], 2)) == 2
    tell(redis, most_each=KB)
    assert client.submit(job("0")).job_id == "0"
    check(redis)


def test_a_message_of_several_counts_those_that_are_new(
    client: Client, leases: Leases, redis: "Redis"
) -> None:
    client.submit(job("0"))
    with pytest.raises(QueueFull) as refused:
        client.submit_many([job("1"), job("2")], per_message=10)
    assert refused.value.measure == "bytes"
    assert not redis.exists(record_key(job("1").name))
    known_and_twice = [job("0"), job("1"), job("0"), job("1"), job("2", kb=1)]
    assert len(client.submit_many(known_and_twice, per_message=10)) == 5
    check(redis)


def test_what_was_accepted_comes_back_even_to_a_full_queue(
    client: Client, leases: Leases, redis: "Redis"
) -> None:
    client.submit_many([job("0"), job("1")])
    delivery = take_unit(redis)
    client.submit(job("new"))
    assert delivery is not None
    leases.release(delivery.lease)
    check(redis)
    leases.adopt(DEFAULT_QUEUE, Stray("a", task_message(job("stock"), DEFAULT_QUEUE)), "")
    assert share_of(redis, "a")[3] > 40 * KB
    assert {take(redis).id for _ in range(4)} == {"0", "1", "new", "stock"}
    check(redis)


def test_what_waits_for_a_retry_takes_room(client: Client, leases: Leases, redis: "Redis") -> None:
    """Or one could have as much as one likes put off, and new jobs queued meanwhile."""
    client.submit_many([job("0"), job("1")])
    ledger = Ledger(redis, ttl_s=60, lease_ms=HOUR_MS)
    for _ in range(2):
        delivery = take_unit(redis)
        assert delivery is not None
        [each] = jobs_in(delivery.message)
        ledger.begin(each.name, each.digest(), Turn(delivery.lease))
        retry = Retry(max_retries=1, interval_ms=60_000)
        delay_ms = ledger.postpone(each.name, retry, delivery.lease, None)
        assert isinstance(delay_ms, int)
        leases.release(delivery.lease, delay_ms=delay_ms)
        check(redis)
    with pytest.raises(QueueFull):
        client.submit(job("more"))
    client.attach("0", "a").cancel()
    check(redis)
    client.submit(job("more"))
    redis.zadd(f"{DEFAULT_QUEUE}:delayed", {record_key(job("1").name): 1})  # it is due
    leases.reap(DEFAULT_QUEUE, pause_ms=0)
    check(redis)
    assert {take(redis).id for _ in range(2)} == {"1", "more"}
    assert queue_state(redis, DEFAULT_QUEUE).bytes == 0


def test_a_queue_from_before_there_were_such_bounds(client: Client, redis: "Redis") -> None:
    """Nothing of what waits was counted, and no worker has told a bound of bytes."""
    client.submit_many([job(f"{n}") for n in range(3)])
    redis.hset(DEFAULT_QUEUE + SHARES, mapping={"a": "3 0 0", "*": "3 0", "*bounds": "100 90"})
    assert queue_state(redis, DEFAULT_QUEUE).bytes == 0
    client.submit(job("new"))
    assert take(redis).id == "0"
    assert 0 <= share_of(redis, "a")[3] == queue_state(redis, DEFAULT_QUEUE).bytes < KB
    client.submit(job("newer"))
    for _ in range(4):
        take(redis)
    assert share_of(redis, "a")[3] == 0
    client.submit(job("newest"))
    check(redis)


def test_an_older_worker_beside_us_makes_nobody_wait(client: Client, redis: "Redis") -> None:
    """It leaves out the bytes where it writes a share; then they count as none."""
    client.submit_many([job(f"{n}", tenant) for n in range(3) for tenant in "ab"])
    redis.hset(DEFAULT_QUEUE + SHARES, "a", "3 0 0")
    for _ in range(6):
        take(redis)
    assert queue_state(redis, DEFAULT_QUEUE).bytes == 0
    check(redis)


def test_a_flood_of_large_jobs_leaves_memory_to_others() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running_valkey("--maxmemory", "64mb"))
        redis = stack.enter_context(server.connect())
        client = stack.enter_context(Client(server.url))
        tell(redis, most=30_000 * KB, most_each=20_000 * KB)
        with pytest.raises(QueueFull):
            for n in range(64):
                client.submit(job(f"{n}", "flood", kb=1000))
        client.submit(job("single", "other"))
