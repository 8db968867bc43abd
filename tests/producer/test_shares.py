"""Whose turn it is: tenants by the worker-seconds that they have used, a tenant's jobs by their priority.

What jobs take is played: the time at which a run began is set back before it ends.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from cellblock_producer import AsyncClient, Client, Job, Retry
from cellblock_producer.contract import settle_success
from cellblock_producer.keys import DEFAULT_QUEUE, SHARES, record_key
from cellblock_producer.leases import Delivery, Leases, Stray
from cellblock_producer.ledger import Ledger, Turn
from cellblock_producer.wire import task_message
from redis import Redis

from tests.producer.fake_worker import jobs_in, take, take_unit
from tests.producer.shares import share_of


def job(job_id: str, tenant: str = "default", priority: int = 5, code: str = "x") -> Job:
    return Job.model_validate(
        {"id": job_id, "tenant": tenant, "language": "python3", "code": code, "priority": priority}
    )


_SET_BACK = """
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'began', string.format('%.0f', time[1] * 1000000 + time[2] - ARGV[1]))
"""


@dataclass
class Played:
    """Workers with so many slots; each job takes what `takes_s` says, and who is due first ends first."""

    redis: "Redis"
    takes_s: Callable[[Job], float]
    slots: int = 1
    now_s: float = 0.0
    used_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    ended: list[Job] = field(default_factory=list)
    _in_hand: list[tuple[float, Delivery, Job]] = field(default_factory=list)

    def step(self) -> bool:
        """Fill the slots, then end one job. False where there is none."""
        while len(self._in_hand) < self.slots and (delivery := take_unit(self.redis)):
            [job] = jobs_in(delivery.message)
            self._ledger.begin(job.name, job.digest(), Turn(delivery.lease))
            self._in_hand.append((self.now_s + self.takes_s(job), delivery, job))
        if not self._in_hand:
            return False
        due = min(self._in_hand, key=lambda each: each[0])
        self._in_hand.remove(due)
        self.now_s, delivery, job = due
        self._end(job, delivery)
        return True

    def _end(self, job: Job, delivery: Delivery) -> None:
        ending = self._ledger._finishing(job.name, settle_success(job, {}), Turn(delivery.lease), None, "")
        pipe = self.redis.pipeline(transaction=True)  # so that no time passes in between
        pipe.eval(_SET_BACK, 1, record_key(job.name), int(self.takes_s(job) * 1_000_000))
        pipe.eval(ending.script.text, len(ending.keys), *ending.keys, *ending.args)
        assert pipe.execute()[1][0] == b"written"
        self.used_s[job.tenant] += self.takes_s(job)
        self.ended.append(job)

    @property
    def _ledger(self) -> Ledger:
        return Ledger(self.redis, ttl_s=60, lease_ms=60_000)


# Priorities.


def test_the_most_urgent_of_a_tenant_goes_first_and_among_equals_the_oldest(
    client: Client, redis: "Redis"
) -> None:
    client.submit_many([job(f"{priority}-{n}", priority=priority) for n in (1, 2) for priority in range(10)])
    taken = [take(redis).id for _ in range(20)]
    assert taken == [f"{priority}-{n}" for priority in reversed(range(10)) for n in (1, 2)]


def test_priorities_give_a_tenant_nothing_of_what_is_others(client: Client, redis: "Redis") -> None:
    client.submit_many([job(f"urgent-{n}", "loud", 9) for n in range(20)])
    client.submit_many([job(f"usual-{n}", "quiet", 0) for n in range(20)])
    played = Played(redis, takes_s=lambda _: 1.0)
    for _ in range(20):
        played.step()
    assert played.used_s == {"loud": 10.0, "quiet": 10.0}


def test_a_job_that_comes_back_keeps_its_priority(client: Client, redis: "Redis") -> None:
    client.submit_many([job("usual"), job("urgent", priority=8)])
    leases = Leases(redis, 60_000)
    delivery = take_unit(redis)
    assert delivery is not None
    leases.release(delivery.lease)
    client.submit(job("more-urgent", priority=9))
    assert [take(redis).id for _ in range(3)] == ["more-urgent", "urgent", "usual"]


def test_a_message_of_several_has_one_priority_and_one_tenant(client: Client, redis: "Redis") -> None:
    mixed = [job("a1", "a"), job("a2", "a"), job("a3", "a", 9), job("b1", "b"), job("a4", "a")]
    assert [handle.job_id for handle in client.submit_many(mixed, per_message=10)] == [j.id for j in mixed]
    told = [[each.id for each in jobs_in(found.message)] for found in iter(lambda: take_unit(redis), None)]
    assert sorted(told) == [["a1", "a2"], ["a3"], ["a4"], ["b1"]]
    assert told.index(["a3"]) < told.index(["a1", "a2"])


# Fairness.


def test_a_tenant_that_floods_delays_a_single_job_by_what_is_in_hand(client: Client, redis: "Redis") -> None:
    client.submit_many([job(f"flood-{n}", "flood") for n in range(500)])
    played = Played(redis, takes_s=lambda _: 1.0, slots=4)
    for _ in range(100):
        played.step()
    client.submit(job("single", "late"))
    before = len(played.ended)
    while played.ended[-1].id != "single":
        played.step()
    assert len(played.ended) - before - 1 <= played.slots


def test_a_flood_of_a_stock_sender_delays_nobody_either(client: Client, redis: "Redis") -> None:
    """Its messages lie on the list that wakes workers, before the other's wake-up."""
    for n in range(100):
        redis.lpush(DEFAULT_QUEUE, task_message(job(f"flood-{n}", "flood"), DEFAULT_QUEUE))
    client.submit(job("single", "late"))
    popped: Any = redis.rpop(DEFAULT_QUEUE)
    delivery = Leases(redis, 60_000).adopt(DEFAULT_QUEUE, Stray("flood", popped.decode()), "somebody")
    assert delivery is not None
    first, second = jobs_in(delivery.message)[0].id, take(redis).id
    assert {first, second} == {"flood-0", "single"}


@pytest.mark.parametrize("slots", [1, 2, 7])
def test_what_counts_is_the_time_of_workers_and_not_the_number_of_jobs(
    client: Client, redis: "Redis", slots: int
) -> None:
    client.submit_many([job(f"long-{n}", "long") for n in range(60)])
    client.submit_many([job(f"short-{n}", "short") for n in range(600)])
    played = Played(redis, takes_s=lambda each: 5.0 if each.tenant == "long" else 0.5, slots=slots)
    while len(played.ended) < 300:
        played.step()
    difference = abs(played.used_s["long"] - played.used_s["short"])
    assert difference <= 5.0 * (slots + 1)


def test_who_was_idle_has_saved_nothing(client: Client, redis: "Redis") -> None:
    client.submit(job("early", "idle"))
    client.submit_many([job(f"busy-{n}", "busy") for n in range(60)])
    played = Played(redis, takes_s=lambda _: 1.0)
    for _ in range(31):
        played.step()
    client.submit_many([job(f"idle-{n}", "idle") for n in range(60)])
    before = dict(played.used_s)
    for _ in range(20):
        played.step()
    gained = {tenant: used - before[tenant] for tenant, used in played.used_s.items()}
    assert abs(gained["idle"] - gained["busy"]) <= 2.0


def test_who_was_alone_owes_nothing(client: Client, redis: "Redis") -> None:
    client.submit_many([job(f"alone-{n}", "alone") for n in range(60)])
    played = Played(redis, takes_s=lambda _: 1.0)
    for _ in range(40):
        played.step()
    client.submit_many([job(f"new-{n}", "new") for n in range(60)])
    for _ in range(20):
        played.step()
    assert abs(played.used_s["new"] - (played.used_s["alone"] - 40)) <= 2.0


def test_what_is_in_hand_counts_before_it_ends(client: Client, redis: "Redis") -> None:
    """Or who comes first would have all the slots with jobs that take for ever."""
    client.submit_many([job(f"a-{n}", "a") for n in range(10)] + [job(f"b-{n}", "b") for n in range(10)])
    assert Counter(take(redis).tenant for _ in range(8)) == {"a": 4, "b": 4}


def test_a_worker_that_dies_is_charged_for_too(client: Client, redis: "Redis") -> None:
    client.submit(job("killer", "a"))
    delivery = take_unit(redis)
    assert delivery is not None
    killer = jobs_in(delivery.message)[0]
    Ledger(redis, ttl_s=60, lease_ms=60_000).begin(killer.name, killer.digest(), Turn(delivery.lease))
    now = redis.time()
    redis.hset(record_key(killer.name), "began", (now[0] - 30) * 1_000_000)
    Leases(redis, 60_000).release(delivery.lease)
    assert share_of(redis, "a")[2] >= 30_000_000


def test_each_run_of_a_job_that_is_retried_is_charged(client: Client, redis: "Redis") -> None:
    client.submit(job("again", "a"))
    ledger, leases = Ledger(redis, ttl_s=60, lease_ms=60_000), Leases(redis, 60_000)
    for run in (1, 2):
        delivery = take_unit(redis)
        assert delivery is not None
        again = jobs_in(delivery.message)[0]
        ledger.begin(again.name, again.digest(), Turn(delivery.lease))
        redis.hset(record_key(again.name), "began", (redis.time()[0] - 1000) * 1_000_000)
        retry = Retry(max_retries=5, interval_ms=0)
        assert ledger.postpone(again.name, retry, delivery.lease, None) == 0
        leases.release(delivery.lease)
        assert share_of(redis, "a")[2] // 1_000_000_000 == run
        assert share_of(redis, "a")[:2] == [1, 0]


def test_the_jobs_of_a_batch_are_charged_as_they_end(client: Client, redis: "Redis") -> None:
    client.submit_many([job(f"{n}", "a") for n in range(3)], per_message=3)
    delivery = take_unit(redis)
    assert delivery is not None
    ledger = Ledger(redis, ttl_s=60, lease_ms=60_000)
    for n, each in enumerate(jobs_in(delivery.message), 1):
        turn = Turn(delivery.lease, last=n == 3)
        ledger.begin(each.name, each.digest(), turn)
        redis.hset(record_key(each.name), "began", (redis.time()[0] - 1000) * 1_000_000)
        ledger.finish(each.name, settle_success(each, {}), turn)
        assert share_of(redis, "a")[1:2] == [0 if n == 3 else 1]
        assert share_of(redis, "a")[2] // 1_000_000_000 == n


def test_jobs_that_are_not_run_take_turns_with_others(client: Client, redis: "Redis") -> None:
    """Those that have expired, say: were they free, a flood of them would be ahead of all others."""
    client.submit_many([job(f"flood-{n}", "flood") for n in range(50)])
    client.submit_many([job(f"{n}", "other") for n in range(5)])
    ledger = Ledger(redis, ttl_s=60, lease_ms=60_000)
    turns: list[str] = []
    while turns.count("other") < 5:
        delivery = take_unit(redis)
        assert delivery is not None
        [each] = jobs_in(delivery.message)
        turns.append(each.tenant)
        ledger.finish(each.name, settle_success(each, {}), Turn(delivery.lease))
    assert turns.count("flood") <= 25


def test_all_of_the_time_that_a_unit_is_in_hand_is_charged(client: Client, redis: "Redis") -> None:
    client.submit_many([job(f"{n}", "a") for n in range(3)], per_message=3)
    delivery = take_unit(redis)
    assert delivery is not None
    ledger = Ledger(redis, ttl_s=60, lease_ms=60_000)
    for n, each in enumerate(jobs_in(delivery.message), 1):
        redis.hset(delivery.lease.unit, "since", (redis.time()[0] - 1000) * 1_000_000)
        ledger.finish(each.name, settle_success(each, {}), Turn(delivery.lease, last=n == 3))
        assert share_of(redis, "a")[2] // 1_000_000_000 == n


def test_a_worker_that_a_batch_has_cost_is_charged_for(client: Client, redis: "Redis") -> None:
    client.submit_many([job(f"{n}", "a") for n in range(2)], per_message=2)
    delivery = take_unit(redis)
    assert delivery is not None
    killer = jobs_in(delivery.message)[0]
    Ledger(redis, ttl_s=60, lease_ms=60_000).begin(killer.name, killer.digest(), Turn(delivery.lease))
    redis.hset(delivery.lease.unit, "since", (redis.time()[0] - 30) * 1_000_000)
    Leases(redis, 60_000).release(delivery.lease)
    assert share_of(redis, "a")[2] >= 29_000_000


def test_tenants_are_forgotten_when_they_would_start_at_the_clock_anyway(
    client: Client, redis: "Redis"
) -> None:
    client.submit_many([job("first", f"t{n}") for n in range(300)] + [job("last", "z")])
    played = Played(redis, takes_s=lambda _: 1.0)
    while played.step():
        pass
    client.submit(job("again", "t5"))
    played.step()
    played.step()
    for n in range(2):  # the clock passes them
        client.submit(job(f"more-{n}", "t5"))
        played.step()
    for _ in range(20):
        Leases(redis, 60_000).reap(DEFAULT_QUEUE, pause_ms=0)
    assert set(redis.hkeys(DEFAULT_QUEUE + SHARES)) == {b"*", b"*bounds", b"t5"}
    assert redis.ttl(DEFAULT_QUEUE + SHARES) > 0


def test_a_count_that_went_wrong_is_put_right(client: Client, redis: "Redis") -> None:
    client.submit_many([job(f"{n}") for n in range(3)])
    redis.hset(DEFAULT_QUEUE + SHARES, mapping={"default": "700 9 0", "*": "700 0"})
    for _ in range(3):
        assert take_unit(redis) is not None
    assert share_of(redis, "default")[0] == 0
    redis.delete(DEFAULT_QUEUE + ":leases")  # as if they had expired
    Leases(redis, 60_000).reap(DEFAULT_QUEUE, pause_ms=0)
    client.submit(job("next"))
    assert share_of(redis, "default")[:2] == [1, 0]
    assert redis.hget(DEFAULT_QUEUE + SHARES, "*").split()[0] == b"1"  # type: ignore[union-attr]


def test_both_clients_send_the_priority(server: Any, redis: "Redis") -> None:
    async def submit() -> None:
        async with AsyncClient(server.url) as client:
            await client.submit_many([job("1"), job("2", priority=9)])
            await client.submit_many([job("3", priority=9), job("4", priority=9)], per_message=2)

    asyncio.run(submit())
    assert take(redis).id == "2"
    delivery = take_unit(redis)
    assert delivery is not None
    assert [each.id for each in jobs_in(delivery.message)] == ["3", "4"]
