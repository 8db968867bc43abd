"""The one task: from jobs as they were sent to the Results that stand.

open, validate -> begin -> (done | expired | too many attempts | execute) -> finish -> Result
                                                                      └-> postpone -> Retry: it is put back

A job that nobody has begun yet runs while the ledger is asked: what a cell does is seen by nobody, so if the
answer is no, nothing has happened but that the cell is killed. The question is on its way to the server
before the run starts, so that an attempt is counted whatever the run does to this process.

batch.py does it for several that came in one message.
"""

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

import redis
from celery.exceptions import Ignore, Reject, Retry
from cellblock_producer.contract import (
    ErrorInfo,
    ErrorKind,
    Execution,
    Job,
    Result,
    is_retried,
    settle_failure,
    settle_unread,
)
from cellblock_producer.errors import InvalidJob, JobConflict
from cellblock_producer.job import read_job
from cellblock_producer.keys import JobName, record_key
from cellblock_producer.leases import Lease
from cellblock_producer.ledger import Begun, Grave, JobBusy, LeaseLost, Ledger, NotBegun, Turn
from cellblock_producer.outbox import reply_to
from cellblock_producer.wire import task_message

from .joblog import log_result
from .replies import reply_to_unread
from .sealed import SealedJob
from .settings import Settings
from .stops import Stop, Stops, is_revoked
from .watch import tally

Execute = Callable[[Job, Settings, Stop], Result]
"""Runs a job and returns its Result, of kind `cancelled` soon after `Stop` says so.

`usage.queue_ms`, `attempts` and `worker` are filled in here.
"""

_log = logging.getLogger(__name__)


class InternalFaultError(Exception):
    """Our own fault, not the node's; the Result of kind `internal` is written. Holds nothing of the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """What a pool process has to run jobs with."""

    worker: str
    settings: Settings
    ledger: Ledger
    execute: Execute
    prepare: Callable[[], None]
    """Has what the next job needs made in the background."""
    lease: Lease
    fresh: bool
    """Whether the jobs of the message were new when it was submitted and none of them was begun since."""
    stops: Stops
    closes: bool
    """Whether the message is done with the Result of its last job; else the main process says when it is."""

    def turn(self, *, last: bool = True) -> Turn:
        """Return the turn of a job of the message."""
        return Turn(self.lease, last=last and self.closes)

    def reply_to(self, job: Job) -> str:
        """Return where the Result of a job is to be sent, as the ledger has it."""
        return reply_to(self.settings.queue, job.reply)

    def digest(self, job: Job) -> str:
        """Return what tells the job from others of its name; "" where a client's script has seen to that."""
        return "" if self.fresh or self.lease.unit == record_key(job.name) else job.digest()

    def grave(self, job: Job, result: Result) -> Grave | None:
        """Return how the job is to be kept for the operator, if it is."""
        if result.error is None or result.error.kind != ErrorKind.WORKER_LOST:
            return None
        return Grave(self.settings.queue, task_message(job, self.settings.queue))


def run(sealed: SealedJob, station: Station) -> Result:
    """Answer one job and log one line about it.

    Raises:
        InternalFaultError: the Result that stands is of kind `internal`.
        celery.exceptions.Reject: Redis could not be reached in time, or the job is being run for another
            message; it is delivered again a little later.
        celery.exceptions.Retry: it is to be run again, in so many seconds.
        celery.exceptions.Ignore: the job is in other hands, or Celery was told to end it.
    """
    started = time.monotonic()
    try:
        result = _answer(sealed, station)
    except (redis.RedisError, LeaseLost, JobBusy) as trouble:
        raise not_run(sealed.name, trouble) from None
    finally:
        station.prepare()
    log_result(result, (time.monotonic() - started) * 1000)
    heed_revocation(result, station)
    if result.error is not None and result.error.kind == ErrorKind.INTERNAL:
        raise InternalFaultError(f"job {sealed.name} failed by a fault of the worker")
    return result


def _answer(sealed: SealedJob, station: Station) -> Result:
    name, ledger = sealed.name, station.ledger
    job = read_sealed(sealed, station)
    if isinstance(job, Result):
        to = reply_to_unread(sealed, station.settings)
        return ledger.finish(name, job, station.turn(), reply_to=to)
    start = begin(job, station)
    if isinstance(start.begun, JobConflict):
        return in_conflict(job, start.begun, station)
    if not isinstance(start.begun, Begun):
        raise start.begun
    if start.begun.result is not None:
        return start.begun.result
    result = run_begun(job, start, station)
    put_off = postpone(job, result, station)
    if isinstance(put_off, int):
        raise put_back(put_off)
    return put_off or ledger.finish(name, result, station.turn(), station.grave(job, result))


def read_sealed(sealed: SealedJob, station: Station) -> Job | Result:
    """Return the job, or the Result that says why it is none."""
    execution = Execution(worker=station.worker)
    try:
        job = read_job(sealed.open())
    except InvalidJob as invalid:
        error = ErrorInfo(kind=ErrorKind.INVALID_JOB, message="; ".join(invalid.problems))
        result = settle_unread(sealed.name, error, execution)
        tally.count_unrun(result)
        return result
    problem = station.settings.reply_problem(job.reply)
    if problem is None:
        return job
    # It would be waited for in vain: whoever sent the job is told so before it runs.
    return settle_failure(job, ErrorInfo(kind=ErrorKind.INVALID_JOB, message=problem), execution)


class Start(NamedTuple):
    """How a job was begun, or why it was not."""

    begun: Begun | NotBegun
    ran: Result | None
    """What came of it where it ran meanwhile; it counts for nothing if the job was not begun."""
    seconds: float
    """How long that took."""
    stands: Result | None
    """The Result that stands of the job that was finished before, if one was."""


def begin(
    job: Job, station: Station, *, last: bool = True, finished: tuple[Result, Grave | None] | None = None
) -> Start:
    """Begin a job, in the round trip that finishes another one if there is one, and run it meanwhile if it
    is fresh. One with a deadline is never started before the server has looked at its clock.
    """
    digest, to = station.digest(job), station.reply_to(job)
    beginning = station.ledger.begin_soon(
        job.name, digest, station.turn(last=last), job.deadline_ms, to, finished
    )
    ran, started = None, time.monotonic()
    if station.fresh and job.deadline_ms is None and beginning.sent:
        ran = _execute(job, station, beginning.refused)
    seconds = time.monotonic() - started
    stands, begun = beginning.read()
    if begun is None:  # its record is gone meanwhile, so what the client's script has found holds no more
        ran, seconds = None, 0.0  # the run was told to stop, so what it says is not the code's answer
        begun = station.ledger.begin_soon(
            job.name, job.digest(), station.turn(last=last), job.deadline_ms, to
        ).read()[1]
        assert begun is not None
    return Start(begun, ran, seconds, stands)


def in_conflict(job: Job, conflict: JobConflict, station: Station) -> Result:
    """Return the answer to a job whose name belongs to another one."""
    # The name's Result belongs to the other job, so this one is answered but not recorded.
    error = ErrorInfo(kind=ErrorKind.INVALID_JOB, message=f"id: {conflict}")
    return settle_failure(job, error, Execution(worker=station.worker))


def run_begun(job: Job, start: Start, station: Station) -> Result:
    """Run a job that was begun, unless it has run, or say why it is not run; its Result is to be written."""
    assert isinstance(start.begun, Begun)
    started = time.monotonic() - start.seconds
    result = _complete(_decide(job, start.begun, start.ran, station), start.begun, station.worker)
    tally.count(job, result, time.monotonic() - started)
    return result


def postpone(job: Job, result: Result, station: Station) -> int | Result | None:
    """Have a job that failed run again later, where it wants that.

    Returns the milliseconds until then; None where `result` is to be written; the Result where another one
    stands already.
    """
    if result.error is None or not is_retried(job, result.error.kind):
        return None
    put_off = station.ledger.postpone(job.name, job.retry, station.lease, job.deadline_ms)
    if isinstance(put_off, int):
        _log.info("job %s: %s, put off for %d ms", job.name, result.error.kind, put_off)
    return put_off


def put_back(delay_ms: int) -> Retry:
    """Return what has the message delivered again in so many milliseconds, and Celery know it."""
    return Retry("put off", when=delay_ms / 1000)  # type: ignore[arg-type]


def heed_revocation(result: Result, station: Station) -> None:
    """Say no more of a message that Celery was told to end: it has told its sender."""
    if (
        result.error is not None
        and result.error.kind == ErrorKind.CANCELLED
        and is_revoked(station.stops, station.lease)
    ):
        raise Ignore()


def not_run(name: JobName, trouble: redis.RedisError | LeaseLost | JobBusy) -> Reject | Ignore | Retry:
    """Return what has the message delivered again a little later, or forgotten because others have it."""
    if isinstance(trouble, JobBusy) and trouble.for_ms:
        return put_back(trouble.for_ms)
    if isinstance(trouble, LeaseLost):
        _log.warning("job %s: not run, it is in other hands", name)
        return Ignore()
    if isinstance(trouble, redis.RedisError):
        _log.error("job %s: Redis failed, the job is put back: %s", name, type(trouble).__name__)
    return Reject("Redis failed or the job is being run", requeue=True)


def _decide(job: Job, begun: Begun, ran: Result | None, station: Station) -> Result:
    if begun.expired:
        return _failure(job, ErrorKind.EXPIRED, "The job was not started before its deadline.")
    if begun.exhausted:
        return _failure(job, ErrorKind.WORKER_LOST, "The worker died each time that it ran the job.")
    return ran or _execute(job, station)


def _execute(job: Job, station: Station, refused: Callable[[], bool] | None = None) -> Result:
    try:
        stop = Stop(station.stops, station.lease, job.name, refused)
        return station.execute(job, station.settings, stop)
    except Exception as fault:
        _log.error("job %s: %s", job.name, _place_of(fault, fault.__traceback__))
        tally.count_fault(fault)
        return _failure(job, ErrorKind.INTERNAL, "The worker could not run the job; this is not its fault.")


def _failure(job: Job, kind: ErrorKind, message: str) -> Result:
    return settle_failure(job, ErrorInfo(kind=kind, message=message))


def _complete(result: Result, begun: Begun, worker: str) -> Result:
    usage = result.usage.model_copy(update={"queue_ms": begun.queue_ms})
    return result.model_copy(update={"usage": usage, "attempts": begun.attempts, "worker": worker})


def _place_of(fault: Exception, trace: TracebackType | None) -> str:
    """Say what was raised and where. The exception's own words may quote the job."""
    frames = traceback.extract_tb(trace)[-8:]
    return f"{type(fault).__name__} at " + " < ".join(f"{f.filename}:{f.lineno}" for f in reversed(frames))
