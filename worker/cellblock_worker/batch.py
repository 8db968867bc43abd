"""The task for a batch: one job after the other, each with a round trip and a Result of its own.

begin 1 -> run 1 -> finish 1, begin 2 -> run 2 -> finish 2, begin 3 -> ... -> finish n

A Result goes out in the round trip that begins the next job: as soon as it is there, and before the next
one runs. A job is begun when it is its turn, since that is what counts its attempts: where a process dies,
the job in hand has one more, and its neighbours, which it takes along, none.
"""

import time
from collections.abc import Sequence

import redis
from cellblock_producer.contract import Job, Result
from cellblock_producer.errors import JobConflict
from cellblock_producer.ledger import Begun

from .sealed import SealedJob
from .task import Station, in_conflict, log_result, put_back, read_sealed, run_begun


def run_batch(batch: Sequence[SealedJob], station: Station, *, keep: bool) -> tuple[Result, ...]:
    """Answer the jobs of a batch and log one line about each.

    Returns their Results in the order of the jobs if `keep`, else none: together they may be large. A fault
    of ours is the Result of its job, and the others go on.

    Raises:
        celery.exceptions.Reject: Redis could not be reached in time; the batch goes back on the queue, where
            the jobs that have a Result will not be run again.
    """
    turns = _Turns(station, keep=keep)
    for sealed in batch:
        try:
            turns.take(sealed)
        except redis.RedisError as error:
            raise put_back(sealed.name, error) from None
    try:
        turns.write()
    except redis.RedisError as error:
        raise put_back(batch[-1].name, error) from None
    return tuple(turns.results)


class _Turns:
    def __init__(self, station: Station, *, keep: bool) -> None:
        self.results: list[Result] = []
        self._station = station
        self._keep = keep
        self._started = 0.0
        self._unwritten: Result | None = None

    def take(self, sealed: SealedJob) -> None:
        """Answer a job; the Result of one that was run is still to be written."""
        job = read_sealed(sealed, self._station)
        if isinstance(job, Result):
            self.write()
            self._started = time.monotonic()
            self._tell(self._station.ledger.finish(sealed.name, job))
            return
        begun = self._begin(job)
        self._started = time.monotonic()
        if isinstance(begun, JobConflict):
            self._tell(in_conflict(job, begun, self._station))
        elif begun.result is not None:
            self._tell(begun.result)
        else:
            self._unwritten = run_begun(job, begun, self._station)
            self._station.prepare()  # at once: here it is the next job that waits

    def write(self) -> None:
        """Write the Result that is still to be written."""
        if self._unwritten is not None:
            self._tell(self._station.ledger.finish(self._unwritten.name, self._unwritten))

    def _begin(self, job: Job) -> Begun | JobConflict:
        ledger = self._station.ledger
        if self._unwritten is not None:
            stands, begun = ledger.hand_over(self._unwritten, job.name, job.digest())
            self._tell(stands)
            return begun
        try:
            return ledger.begin(job.name, job.digest())
        except JobConflict as conflict:
            return conflict

    def _tell(self, stands: Result) -> None:
        self._unwritten = None
        if self._keep:
            self.results.append(stands)
        log_result(stands, (time.monotonic() - self._started) * 1000)
