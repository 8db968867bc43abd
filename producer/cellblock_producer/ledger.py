"""The ledger of jobs in Redis, as the worker uses it: begin a job, finish it, first Result stands.

    state of a record:   (none) --submit--> queued --begin--> running --finish--> done
                                              ^ |                | |
                                              | └----cancel------|-┴--------------^
                                              └--holder lost, or-┘
                                                 postponed: a retry, at most so many and not before its time

Jobs reach workers in units, of which one message is each: see leases.py. The client's side is in core.py.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from redis import Redis

from .calls import Line, Step, call, call_all
from .errors import JobConflict
from .jobparts import Retry
from .keys import JobName, record_key, result_key
from .leases import Lease
from .result import Result
from .scripts import BEGIN, CANCEL, DROP, FINISH, POSTPONE, RETRY


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What the ledger says to a worker that has taken a job."""

    result: Result | None = None
    """The Result that stands already: there is nothing to run. The fields below are then 0."""
    attempts: int = 0
    """How many times the job was begun, this one included."""
    exhausted: bool = False
    """It was begun as often as it may be, each time in vain. It is not to be run, and this was no attempt."""
    expired: bool = False
    """Its deadline has passed. It is not to be run, and this was no attempt."""
    queue_ms: int = 0
    """Milliseconds since it was submitted."""
    now_ms: int = 0
    """Unix time by the server's clock, in milliseconds."""


class LeaseLost(Exception):
    """The unit is in somebody else's hand by now, who answers for its jobs."""


class JobBusy(Exception):
    """The job is being run, for another unit that holds it too, or it is to be run again at a later time."""

    def __init__(self, name: JobName, for_ms: int) -> None:
        super().__init__(f"job {name} is " + (f"not due for {for_ms} ms" if for_ms else "being run"))
        self.for_ms = for_ms
        """Milliseconds until it may be begun; 0 where nobody knows."""


NotBegun = JobConflict | LeaseLost | JobBusy
"""Why a job was not begun."""


class Turn(NamedTuple):
    """A job's turn in the unit by which it came."""

    lease: Lease
    last: bool = True
    """Whether the unit is done with this job."""


class Grave(NamedTuple):
    """How a job that took its workers down is kept for the operator."""

    queue: str
    message: str
    """What is put on the queue when it is tried again."""


NO_TURN = Turn(Lease("", ""), last=False)
"""For a job that came by no unit."""


class Beginning:
    """A job whose begin is on its way to the server, which has the word whatever becomes of this process."""

    def __init__(
        self, redis: "Redis | Line", name: JobName, begin: Step, finish: tuple[Result, Step] | None
    ) -> None:
        self._redis = redis
        self._name = name
        self._finished = finish[0] if finish is not None else None
        self._steps = (begin,) if finish is None else (finish[1], begin)
        if isinstance(redis, Line):
            redis.send(self._steps)

    @property
    def sent(self) -> bool:
        """Whether the server has the word, or will as soon as it reads, whatever becomes of this process."""
        return isinstance(self._redis, Line) and self._redis.under_way

    def refused(self) -> bool:
        """Say, at once, whether it is known already that the job is not to be run."""
        line = self._redis
        return isinstance(line, Line) and line.answered() and line.word() not in (b"run", b"")

    def read(self) -> tuple[Result | None, Begun | NotBegun | None]:
        """Wait for the answer; once. Errors of redis-py pass through.

        Returns the Result that stands of the job that was finished before, if one was, and what `begin`
        returns or raises; None for a job without a record, of which no digest was said.
        """
        line = self._redis
        words = line.receive() if isinstance(line, Line) else call_all(line, self._steps)
        begun = _read_begun(self._name, words[-1])
        return self._finished and _read_finished(self._finished, words[0]), begun


class Ledger:
    """The worker's hand on the ledger. Errors of redis-py pass through."""

    def __init__(
        self, redis: "Redis | Line", *, ttl_s: int, lease_ms: int = 4000, max_attempts: int = 0
    ) -> None:
        """`ttl_s`: seconds to keep the Result of a job whose submitter did not say.

        `redis`: a `Line` serves one thread. `lease_ms`: what a unit's lease is renewed to when a job of it is
        begun. `max_attempts`: how many times a job may be begun; 0 for any number.
        """
        self._redis = redis
        self._ttl_s = ttl_s
        self._lease_ms = lease_ms
        self._max_attempts = max_attempts

    def begin(
        self,
        name: JobName,
        digest: str,
        turn: Turn = NO_TURN,
        deadline_ms: int | None = None,
        reply_to: str = "",
    ) -> Begun:
        """Note that a worker has taken the job, and make its record where it has none.

        `digest`: "" for a job of a unit that is fresh, see leases.py. `deadline_ms`: Unix time by the
        server's clock after which it is not to be run. `reply_to`: what outbox.py makes of the job's
        `reply`; so in the other methods.
        Raises JobConflict when the name belongs to a job with another digest: then neither run it nor
        finish it, since the name's Result is the other job's. Raises LeaseLost and JobBusy: do not run it.
        """
        _, begun = self.begin_soon(name, digest, turn, deadline_ms, reply_to).read()
        if isinstance(begun, Begun):
            return begun
        raise begun or ValueError("a job without a record needs a digest")

    def begin_soon(
        self,
        name: JobName,
        digest: str,
        turn: Turn = NO_TURN,
        deadline_ms: int | None = None,
        reply_to: str = "",
        finished: tuple[Result, Grave | None] | None = None,
    ) -> Beginning:
        """Do what `begin` does, and do not wait for it where the ledger is on a `Line`.

        `finished`: what is to be written before of another job of the unit, by `finish`, in the same round
        trip. Nothing else is to be asked of the ledger until what this returns was read.
        """
        (unit, holder), last = turn
        args = (digest, holder, int(last), self._lease_ms, self._max_attempts, deadline_ms or 0, reply_to)
        beginning = Step(BEGIN, (*_keys(name), unit), args)
        if finished is None:
            return Beginning(self._redis, name, beginning, None)
        result, grave = finished
        finishing = self._finishing(result.name, result, Turn(turn.lease, last=False), grave, "")
        return Beginning(self._redis, name, beginning, (result, finishing))

    def finish(
        self,
        name: JobName,
        result: Result,
        turn: Turn = NO_TURN,
        grave: Grave | None = None,
        reply_to: str = "",
    ) -> Result:
        """Write the job's Result and tell who waits. Returns the one that stands: ours or an earlier one.

        With a `grave` the job is kept for the operator, too, where it is our Result that stands. Then it also
        goes into the outbox, by `reply_to` or, where that is "", by the record.
        """
        return _read_finished(result, call(self._redis, self._finishing(name, result, turn, grave, reply_to)))

    def postpone(
        self, name: JobName, retry: Retry, lease: Lease, deadline_ms: int | None
    ) -> int | Result | None:
        """Have a job that was run in vain begun again no sooner than `retry` says, if it may be once more.

        Its unit stays in hand; release it with the delay that this returns, in milliseconds: until the
        deadline at the latest, for the job to be found expired. Returns None where it was put off as often
        as it may be, and the Result where one stands already, since it was cancelled. Raises LeaseLost.
        """
        args = (lease.holder, retry.interval_ms, retry.max_retries, deadline_ms or 0)
        match call(self._redis, Step(POSTPONE, (*_keys(name), lease.unit), args)):
            case [b"later", delay_ms]:
                return int(delay_ms)
            case [b"done", result]:
                return Result.from_json(result)
            case [b"spent"]:
                return None
        raise LeaseLost(f"job {name} is in other hands")

    def cancel(self, name: JobName, result: Result, *, unless_running: bool) -> bool:
        """Write the Result of a cancelled job. False: it has one, is not known, or is left alone."""
        args = (str(name), result.to_json(), self._ttl_s, int(unless_running))
        return bool(call(self._redis, Step(CANCEL, _keys(name), args))[0] == b"cancelled")

    def retry(self, name: JobName) -> bool:
        """Start a job that is kept for the operator anew; its Result goes. False: it is not kept."""
        return bool(call(self._redis, Step(RETRY, _keys(name), (str(name),)))[0] == b"queued")

    def drop(self, name: JobName) -> bool:
        """Keep a job no longer for the operator; its Result stays as long as any. False: it is not kept."""
        return bool(call(self._redis, Step(DROP, _keys(name), (str(name), self._ttl_s)))[0] == b"dropped")

    def _finishing(
        self, name: JobName, result: Result, turn: Turn, grave: Grave | None, reply_to: str
    ) -> Step:
        (unit, holder), last = turn
        args = (str(name), result.to_json(), self._ttl_s, holder, int(last), reply_to)
        if grave is None:
            return Step(FINISH, (*_keys(name), unit), args)
        return Step(FINISH, (*_keys(name), unit), (*args, grave.queue, name.tenant, grave.message))


def _keys(name: JobName) -> tuple[str, str]:
    return record_key(name), result_key(name)


def _read_begun(name: JobName, words: list[Any]) -> Begun | NotBegun | None:
    word, *rest = words
    match word:
        case b"unknown":
            return None
        case b"conflict":
            return JobConflict(name)
        case b"lost":
            return LeaseLost(f"job {name} is in other hands")
        case b"busy":
            return JobBusy(name, int(rest[0]))
        case b"done":
            return Begun(result=Result.from_json(rest[0]))
    attempts, queue_ms, now_ms = (int(number) for number in rest)
    return Begun(
        attempts=attempts,
        exhausted=word == b"exhausted",
        expired=word == b"expired",
        queue_ms=max(0, queue_ms),
        now_ms=now_ms,
    )


def _read_finished(result: Result, words: list[Any]) -> Result:
    return result if words[0] == b"written" else Result.from_json(words[1])
