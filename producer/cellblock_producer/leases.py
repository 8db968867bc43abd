"""What waits for workers and what they have in hand: units, each of which is in exactly one of three places.

                  submit                 take                    last Result
    (nothing) ─────────────> waiting ─────────────> in hand ───────────────────> (nothing)
        │                       ^   release, reap      │ ^                           ^
        │                       ├──────────────────────┤ │ renew                     │
        │                       └─reap── delayed <─────┘ │                           │
        └── adopt: a message of a stock sender ──────────┘     cancel: from anywhere ┘

A unit in hand belongs to its holder for as long as the holder renews its lease; who loses it can neither
begin a job of it nor give it back. Holders are named anew for each delivery. Wake-ups on the queue's list are
hints: a lost one delays a unit until somebody takes or looks, and one too many finds nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from redis import Redis

from .calls import Line, Step, call, call_all
from .keys import DEFAULT_PRIORITY, message_key
from .scripts import ADOPT, CLOSE, MOST, MOST_BYTES, MOST_BYTES_EACH, MOST_EACH, REAP, RELEASE, RENEW, TAKE
from .uuid7 import uuid7

REAP_MOST = 100
"""How many units one look puts back, at most."""


class Lease(NamedTuple):
    """A unit, by its key, in the hand of a holder."""

    unit: str
    holder: str


class Released(StrEnum):
    """What became of a wish to give a unit back."""

    RELEASED = "released"
    BEGUN = "begun"  # it is being worked on, and was to be left alone then
    LOST = "lost"  # it was not ours any more


@dataclass(frozen=True, slots=True)
class Delivery:
    """A unit that was taken: its message as it was submitted, and how many holders it has cost before."""

    lease: Lease
    message: bytes
    lost: int
    fresh: bool = False
    """Whether its jobs were new when it was submitted and none of them was begun since."""


class Kept(NamedTuple):
    """What was found when leases were renewed."""

    lost: frozenset[Lease]
    """Those that are their holder's no more: the unit is lost, or done."""
    stops: tuple[str, ...]
    """What they run that was cancelled, `{holder} {job}` each; told again and again."""
    reaped: int
    """How many holders were lost."""


class Stray(NamedTuple):
    """A message of a stock sender."""

    tenant: str
    message: str
    jobs: int = 1
    priority: int = DEFAULT_PRIORITY


class Bounds(NamedTuple):
    """What may wait on a queue. Clients are held to what the worker that looked last has said."""

    most: int = MOST
    """Jobs of all tenants."""
    most_each: int = MOST_EACH
    """Jobs of one tenant."""
    most_bytes: int = MOST_BYTES
    """Bytes of the messages of all tenants; 0 for any number."""
    most_bytes_each: int = MOST_BYTES_EACH
    """Bytes of the messages of one tenant; 0 for any number."""


DEFAULT_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Leases:
    """A worker's hand on the units of queues. Errors of redis-py pass through."""

    redis: "Redis"
    lease_ms: int
    """Milliseconds for which a unit stays in a hand that does not renew its lease."""
    bounds: Bounds = DEFAULT_BOUNDS
    """What `reap` tells the queue."""
    line: Line | None = None
    """What `take` uses, for the one thread that takes."""

    def take(self, queue: str, holder: str) -> Delivery | None:
        """Take the unit that is next on `queue`; None where nothing waits."""
        return _delivered(
            call(self.line or self.redis, Step(TAKE, (queue,), (holder, self.lease_ms))), holder
        )

    def adopt(self, queue: str, stray: Stray, holder: str) -> Delivery | None:
        """Have a message that did not come by our client wait, and take what is next, which may be another.

        Where `holder` is "" nothing is taken.
        """
        args = (holder, self.lease_ms, stray.tenant, stray.message, stray.jobs, stray.priority)
        return _delivered(call(self.redis, Step(ADOPT, (message_key(uuid7()), queue), args)), holder)

    def renew(self, leases: Sequence[Lease]) -> Kept:
        """Renew leases."""
        return _kept(leases, call(self.redis, self._renewing(leases)), 0)

    def keep(self, leases: Sequence[Lease], queue: str, *, pause_ms: int) -> Kept:
        """Renew leases and then look after `queue`, in one round trip: see `reap`."""
        if not leases:
            return Kept(frozenset(), (), self.reap(queue, pause_ms=pause_ms))
        renewed, looked = call_all(self.redis, [self._renewing(leases), self._reaping(queue, pause_ms)])
        return _kept(leases, renewed, int(looked[1]))

    def release(
        self,
        lease: Lease,
        *,
        delay_ms: int = 0,
        unless_begun: bool = False,
        lost: bool = False,
        handed: bool = False,
    ) -> Released:
        """Give a unit back, to its own place in the line, and after `delay_ms`, when somebody reaps.

        `lost`: it has cost its holder a process. `handed`: the holder ends, and the job that it runs is not
        to blame: that attempt does not count against the job's bound.
        """
        args = (lease.holder, delay_ms, int(unless_begun), int(lost), int(handed))
        words = call(self.redis, Step(RELEASE, (lease.unit,), args))
        return Released(_text(words[0]))

    def close(self, lease: Lease) -> None:
        """End a unit whose jobs have their Results, unless it is not ours any more."""
        call(self.redis, Step(CLOSE, (lease.unit,), (lease.holder,)))

    def reap(self, queue: str, *, pause_ms: int) -> int:
        """Have those wait whose delay is over, put back what has lost its holder, make good lost wake-ups.


        Returns how many holders were lost. Does only the first where somebody has looked within `pause_ms`,
        and waits for one lease where nobody has for half of one: the server was away, and holders that live
        could not renew theirs.
        """
        return int(call(self.redis, self._reaping(queue, pause_ms))[1])

    def _renewing(self, leases: Sequence[Lease]) -> Step:
        units = tuple(lease.unit for lease in leases)
        return Step(RENEW, units, (self.lease_ms, *(lease.holder for lease in leases)))

    def _reaping(self, queue: str, pause_ms: int) -> Step:
        return Step(REAP, (queue,), (self.lease_ms, pause_ms, self.lease_ms // 2, REAP_MOST, *self.bounds))


def _delivered(words: Sequence[Any], holder: str) -> Delivery | None:
    if words[0] != b"taken":
        return None
    _, unit, message, lost, fresh = words
    return Delivery(Lease(_text(unit), holder), message, int(lost), fresh=fresh in (b"1", "1"))


def _kept(leases: Sequence[Lease], words: Sequence[Any], reaped: int) -> Kept:
    _, lost, stops = words
    return Kept(frozenset(leases[place - 1] for place in lost), tuple(map(_text, stops)), reaped)


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word
