"""The task for a batch: one job after the other, each with a round trip and a Result of its own.

begin 1 -> run 1 -> finish 1, begin 2 -> run 2 -> finish 2, begin 3 -> ... -> finish n

Where the batch is fresh, a job runs while the round trip that begins it is under way: see task.py.
A Result goes out in the round trip that begins the next job: as soon as it is there, and before the next
one runs. A job that is to be run again leaves its turn to the others; when they are done, the batch is put
back for it. A job is begun when it is its turn, since that is what counts its attempts: where a process
dies, the job in hand has one more, and its neighbours, which it takes along, none.
"""

import time
from collections.abc import Sequence

import redis
from cellblock_producer.contract import Job, Result
from cellblock_producer.errors import JobConflict
from cellblock_producer.ledger import JobBusy, LeaseLost

from .joblog import log_result
from .replies import reply_to_unread
from .sealed import SealedJob
from .task import (
    Start,
    Station,
    begin,
    heed_revocation,
    in_conflict,
    not_run,
    postpone,
    put_back,
    read_sealed,
    run_begun,
)


def run_batch(batch: Sequence[SealedJob], station: Station, *, keep: bool) -> tuple[Result, ...]:
    """Answer the jobs of a batch and log one line about each.

    Returns their Results in the order of the jobs if `keep`, else none: together they may be large. A fault
    of ours is the Result of its job, and the others go on.

    Raises:
        celery.exceptions.Reject: Redis could not be reached in time, or another message has a job of it
            run just now; the batch is delivered again, when those that have a Result will not be run again.
        celery.exceptions.Retry: some jobs are to be run again, the first of them in so many seconds.
        celery.exceptions.Ignore: the batch is in other hands, or Celery was told to end it.
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
    if turns.due is not None:
        raise put_back(max(0, round((turns.due - time.monotonic()) * 1000)))
    return tuple(turns.results)


class _Turns:
    def __init__(self, station: Station, *, keep: bool) -> None:
        self.results: list[Result] = []
        self.due: float | None = None
        """When the first job is to be run that was put off."""
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
            turn = self._station.turn(last=last and self.due is None)
            to = reply_to_unread(sealed, self._station.settings)
            self._tell(self._station.ledger.finish(sealed.name, job, turn, reply_to=to))
            return
        start = self._begin(job, last=last and self.due is None)
        begun = start.begun
        self._started = time.monotonic() - start.seconds
        if isinstance(begun, JobBusy) and begun.for_ms:
            self._put_off(begun.for_ms)
        elif isinstance(begun, LeaseLost | JobBusy):
            raise begun
        elif isinstance(begun, JobConflict):
            self._tell(in_conflict(job, begun, self._station))
        elif begun.result is not None:
            self._tell(begun.result)
        else:
            self._ran(job, run_begun(job, start, self._station))
            self._station.prepare()  # at once: here it is the next job that waits

    def write(self, *, last: bool = False) -> None:
        """Write the Result that is still to be written."""
        if self._unwritten is not None:
            (job, result), station = self._unwritten, self._station
            turn, grave = station.turn(last=last and self.due is None), station.grave(job, result)
            self._tell(station.ledger.finish(job.name, result, turn, grave))

    def _ran(self, job: Job, result: Result) -> None:
        put_off = postpone(job, result, self._station)
        if isinstance(put_off, int):
            self._put_off(put_off)
        elif put_off is not None:
            self._tell(put_off)
        else:
            self._unwritten = job, result

    def _put_off(self, delay_ms: int) -> None:
        due = time.monotonic() + delay_ms / 1000
        self.due = due if self.due is None else min(due, self.due)

    def _begin(self, job: Job, *, last: bool) -> Start:
        if self._unwritten is None:
            return begin(job, self._station, last=last)
        before, result = self._unwritten
        ms = (time.monotonic() - self._started) * 1000
        start = begin(job, self._station, last=last, finished=(result, self._station.grave(before, result)))
        assert start.stands is not None
        self._tell(start.stands, ms)
        return start

    def _tell(self, stands: Result, ms: float | None = None) -> None:
        self._unwritten = None
        if self._keep:
            self.results.append(stands)
        log_result(stands, (time.monotonic() - self._started) * 1000 if ms is None else ms)
        heed_revocation(stands, self._station)
