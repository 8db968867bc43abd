"""What the ledger tells of the tenants' shares, and what must be true of it."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from cellblock_producer.keys import DEFAULT_QUEUE, DELAYED, LEASES, SHARES, TENANTS, WAITING
from cellblock_producer.scripts import IN_HAND_S
from redis import Redis


def share_of(redis: "Redis", tenant: str) -> list[int]:
    """Return how many jobs of a tenant wait, its units in hand, microseconds used, and bytes that wait."""
    share: Any = redis.hget(DEFAULT_QUEUE + SHARES, tenant)
    return [int(number) for number in share.split()]


def check_shares(redis: "Redis", jobs_of: Callable[[str], int]) -> int:
    """Check that what is counted is what there is, and that tenants stand by what they have used.

    `jobs_of`: how many jobs a unit has. Returns the clock.
    """
    waiting = {tenant: _members(redis, WAITING + tenant) for tenant in _members(redis, TENANTS)}
    held: Any = [redis.hmget(unit, "tenant", "holder") for unit in _members(redis, LEASES)]
    hands = Counter(tenant.decode() for tenant, holder in held if holder)
    found: Any = redis.hgetall(DEFAULT_QUEUE + SHARES)
    told = {name.decode(): value.split() for name, value in found.items() if name != b"*bounds"}
    total, clock, _, size = told.pop("*", [b"0", b"0", b"bytes", b"0"])
    jobs = {tenant: sum(map(jobs_of, units)) for tenant, units in waiting.items()}
    assert {tenant: int(share[0]) for tenant, share in told.items() if share[0] != b"0"} == jobs
    assert {tenant: int(share[1]) for tenant, share in told.items() if share[1] != b"0"} == hands
    assert int(total) == sum(jobs.values())
    sizes = _sizes(
        redis, [*(unit for units in waiting.values() for unit in units), *_members(redis, DELAYED)]
    )
    assert {tenant: int(share[3]) for tenant, share in told.items() if share[3] != b"0"} == sizes
    assert int(size) == sum(sizes.values())
    for tenant in waiting:
        turn = int(told[tenant][2]) + hands[tenant] * IN_HAND_S * 1_000_000
        assert redis.zscore(DEFAULT_QUEUE + TENANTS, tenant) == turn
    return int(clock)


def _sizes(redis: "Redis", units: Sequence[str]) -> Counter[str]:
    """The bytes of the messages of these units, by tenant, as they are."""
    sizes: Counter[str] = Counter()
    for unit in units:
        tenant: Any = redis.hget(unit, "tenant")
        message: Any = redis.hget(unit, "message")
        sizes[tenant.decode()] += len(message)
    return sizes


def _members(redis: "Redis", suffix: str) -> list[str]:
    found: Any = redis.zrange(DEFAULT_QUEUE + suffix, 0, -1)
    return [member.decode() for member in found]
