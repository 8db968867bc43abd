"""What an operator sees of a queue: what waits, what is in hand, and what took its workers down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis import Redis

from .keys import (
    DEAD,
    DELAYED,
    LEASES,
    MESSAGE_PREFIX,
    RECORD_PREFIX,
    SHARES,
    TENANTS,
    WAITING,
    JobName,
    record_key,
)

_COUNTS = ("state", "attempts", "retries", "handed", "lost")


class Place(StrEnum):
    """Where a job or a message is."""

    WAITING = "waiting"
    IN_HAND = "in hand"
    DELAYED = "delayed"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Listed:
    """One job, or a message of several or of a stock sender; never its code or inputs."""

    name: str
    """`tenant:id` of a job; `message:id` of a message."""
    tenant: str
    place: Place
    since_ms: int
    """Unix time in milliseconds, by the server's clock: when it came to the queue, or died."""
    bytes: int
    """Of its message."""
    attempts: int
    lost: int
    """How many workers and pool processes have lost it, whether they had begun to run it or not."""
    holder: str


@dataclass(frozen=True, slots=True)
class QueueState:
    """How much is on a queue. A message of several jobs, or of a stock sender, counts as one."""

    waiting: int
    in_hand: int
    dead: int
    bytes: int
    """Of the messages that wait or are delayed, as they count against the bound."""
    oldest_s: float
    """For how long what has waited longest has; 0 where nothing waits."""


def queue_state(redis: "Redis", queue: str) -> QueueState:
    """Count what is on a queue, in three round trips. Errors of redis-py pass through."""
    counts = redis.pipeline(transaction=False)
    counts.time()
    counts.zcard(queue + LEASES)
    counts.zcard(queue + DEAD)
    counts.zrange(queue + TENANTS, 0, -1)
    counts.hget(queue + SHARES, "*")
    (seconds, micros), in_hand, dead, tenants, total = counts.execute()
    lines = redis.pipeline(transaction=False)
    for tenant in tenants:
        lines.zcard(queue + WAITING + tenant.decode())
        lines.zrange(queue + WAITING + tenant.decode(), 0, 0)
    found = lines.execute()
    firsts = redis.pipeline(transaction=False)
    for first in found[1::2]:
        for unit in first:
            firsts.hget(unit, "at")
    since = [int(at) for at in firsts.execute() if at]
    now = seconds * 1_000_000 + micros
    oldest_s = max(0, now - min(since)) / 1e6 if since else 0.0
    waiting_bytes = int(total.split()[3]) if total and total.count(b" ") == 3 else 0
    return QueueState(sum(found[0::2]), in_hand, dead, waiting_bytes, oldest_s)


def list_dead(redis: "Redis", queue: str, most: int) -> list[Listed]:
    """List the jobs that took their workers down, the latest first. Errors of redis-py pass through."""
    found: Any = redis.zrange(queue + DEAD, 0, most - 1, desc=True, withscores=True)
    listed = []
    for member, died_ms in found:
        name = JobName.parse(member.decode())
        size, words = _look(redis, record_key(name), "dead", _COUNTS)
        if size:  # else it was run again under its name, or has expired
            listed.append(
                Listed(str(name), name.tenant, Place.DEAD, int(died_ms), size, *_counted(words), "")
            )
    return listed


def list_queue(redis: "Redis", queue: str, most: int) -> list[Listed]:
    """List what is in hand, what is delayed, and what waits, tenant by tenant.

    Errors of redis-py pass through.
    """
    listed: list[Listed] = []
    for unit, place in _units(redis, queue, most):
        if len(listed) == most:
            break
        size, words = _look(redis, unit, "message", ("tenant", "at", "holder", *_COUNTS))
        tenant, at, holder = (word.decode() if word else "" for word in words[:3])
        if at:  # else it has ended meanwhile
            since_ms = int(at) // 1000
            listed.append(Listed(_shown(unit), tenant, place, since_ms, size, *_counted(words[3:]), holder))
    return listed


def _look(redis: "Redis", key: str, sized: str, fields: Sequence[str]) -> tuple[int, Sequence[Any]]:
    """Return the bytes of one field of a hash, 0 where it has none, and some of its other fields."""
    look = redis.pipeline(transaction=False)
    look.hstrlen(key, sized)
    look.hmget(key, *fields)
    size, words = look.execute()
    return size, words


def _counted(words: Sequence[bytes | None]) -> tuple[int, int]:
    """Return how often a job was begun, and how often it was lost; `lost` alone misses what was being run."""
    attempts, retries, handed, lost = (int(word or 0) for word in words[1:])
    ended_otherwise = retries + handed + (words[0] == b"running")
    return attempts, max(lost, attempts - ended_otherwise)


def _units(redis: "Redis", queue: str, most: int) -> Iterator[tuple[str, Place]]:
    held: Any = redis.zrange(queue + LEASES, 0, most - 1)
    for unit in held:
        yield unit.decode(), Place.IN_HAND
    delayed: Any = redis.zrange(queue + DELAYED, 0, most - 1)
    for unit in delayed:
        yield unit.decode(), Place.DELAYED
    tenants: Any = redis.zrange(queue + TENANTS, 0, most - 1)
    for tenant in tenants:
        waiting: Any = redis.zrange(queue + WAITING + tenant.decode(), 0, most - 1)
        for unit in waiting:
            yield unit.decode(), Place.WAITING


def _shown(unit: str) -> str:
    if unit.startswith(MESSAGE_PREFIX):
        return f"message:{unit.removeprefix(MESSAGE_PREFIX)}"
    return unit.removeprefix(RECORD_PREFIX)
