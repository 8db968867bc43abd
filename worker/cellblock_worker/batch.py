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
from cellblock_producer.ledger import Begun, JobBusy, LeaseLost, NotBegun

from .joblog import log_result
from .sealed import SealedJob
from .task import Station, in_conflict, not_run, read_sealed, run_begun


def run_batch(batch: Sequence[SealedJob], station: Station, *, keep: bool) -> tuple[Result, ...]:
    """Answer the jobs of a batch and log one line about each.

    Returns their Results in the order of the jobs if `keep`, else none: together they may be large. A fault
    of ours is the Result of its job, and the others go on.

    Raises:
        celery.exceptions.Reject: Redis could not be reached in time, or another message has a job of it
            run just now; the batch is delivered again, when those that have a Result will not be run again.
        celery.exceptions.Ignore: the batch is in other hands.
    """
    turns = _Turns(station, keep=keep)
    for place, sealed in enumerate(batch, 1):
        try:
            turns.take(sealed, last=place == len(batch))
        except (redis.RedisError, LeaseLost, JobBusy) as trouble:
            raise not_run(sealed.name, trouble) from None
    try:
        turns.write(last=True)
    except redis.RedisError as trouble:
        raise not_run(batch[-1].name, trouble) from None
    return tuple(turns.results)


class _Turns:
    def __init__(self, station: Station, *, keep: bool) -> None:
        self.results: list[Result] = []
        self._station = station
        self._keep = keep
        self._started = 0.0
        self._unwritten: tuple[Job, Result] | None = None

    def take(self, sealed: SealedJob, *, last: bool) -> None:
        """Answer a job; the Result of one that was run is still to be written."""
        job = read_sealed(sealed, self._station)
        if isinstance(job, Result):
            self.write()
            self._started = time.monotonic()
            self._tell(self._station.ledger.finish(sealed.name, job, self._station.turn(last=last)))
            return
        begun = self._begin(job, last=last)
        self._started = time.monotonic()
        if isinstance(begun, LeaseLost | JobBusy):
            raise begun
        if isinstance(begun, JobConflict):
            self._tell(in_conflict(job, begun, self._station))
        elif begun.result is not None:
            self._tell(begun.result)
        else:
            self._unwritten = job, run_begun(job, begun, self._station)
            self._station.prepare()  # at once: here it is the next job that waits

    def write(self, *, last: bool = False) -> None:
        """Write the Result that is still to be written."""
        if self._unwritten is not None:
            (job, result), station = self._unwritten, self._station
            turn, grave = station.turn(last=last), station.grave(job, result)
            self._tell(station.ledger.finish(job.name, result, turn, grave))

    def _begin(self, job: Job, *, last: bool) -> Begun | NotBegun:
        station, turn = self._station, self._station.turn(last=last)
        if self._unwritten is not None:
            before, result = self._unwritten
            grave = station.grave(before, result)
            stands, begun = station.ledger.hand_over(result, job.name, job.digest(), turn, grave)
            self._tell(stands)
            return begun
        try:
            return station.ledger.begin(job.name, job.digest(), turn)
        except (JobConflict, LeaseLost, JobBusy) as not_begun:
            return not_begun

    def _tell(self, stands: Result) -> None:
        self._unwritten = None
        if self._keep:
            self.results.append(stands)
        log_result(stands, (time.monotonic() - self._started) * 1000)
