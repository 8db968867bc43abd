"""The worker's connection to the ledger: one per process, made when it is first used there."""

import logging
import os
from contextlib import suppress

import redis
from cellblock_producer.calls import Line
from cellblock_producer.contract import (
    ErrorInfo,
    ErrorKind,
    Execution,
    Result,
    is_retried,
    settle_cancelled,
    settle_failure,
    settle_unread,
)
from cellblock_producer.errors import InvalidJob
from cellblock_producer.job import read_job
from cellblock_producer.keys import JobName, record_key, result_key
from cellblock_producer.leases import Lease
from cellblock_producer.ledger import Grave, Ledger
from cellblock_producer.wire import task_message
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from .envelope import Refused
from .replies import reply_to_unread
from .sealed import SealedJob
from .settings import Settings
from .watch import tally

SOCKET_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
# A pool process with a finished job in its hands waits about 25 seconds for Redis to come back; the main
# process must not, since it would stand still.
_PATIENT_RETRIES = 30
_QUICK_RETRIES = 2

REFUSALS = f"{__name__}.refusals"
"""Name of the logger for messages that are no jobs."""

_log = logging.getLogger(__name__)
_refusals = logging.getLogger(REFUSALS)


class LedgerLink:
    """The ledger as this process reaches it. Errors of redis-py pass through where nothing else is said."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._main_pid = os.getpid()
        self._pid = 0
        self._redis: redis.Redis | None = None
        self._line: Line | None = None

    @property
    def ledger(self) -> Ledger:
        """The ledger, on a connection of this process's own."""
        return self._ledger(self._client())

    @property
    def own_ledger(self) -> Ledger:
        """The same for the one thread that runs jobs, which keeps a connection for it."""
        client = self._client()
        self._line = self._line or Line(client)
        return self._ledger(self._line)

    def _ledger(self, redis: "redis.Redis | Line") -> Ledger:
        settings = self._settings
        return Ledger(
            redis,
            ttl_s=settings.result_ttl_s,
            lease_ms=settings.lease_ms,
            max_attempts=settings.max_attempts,
        )

    def close(self) -> None:
        """Close the connection; the next use makes a new one."""
        (client, self._redis), (line, self._line) = (self._redis, None), (self._line, None)
        if line is not None:
            line.close()
        if client is not None:
            client.close()

    def is_delivered_again(self, job: SealedJob) -> bool:
        """Say whether a job whose pool process died is to be delivered once more, or is to be given up.

        It is when its Result stands already, since delivering it then runs nothing, and when it wants to be
        put off now, since whoever takes it next does that.
        """
        client = self._client()
        if client.exists(result_key(job.name)):
            return True
        fields = client.hmget(record_key(job.name), "attempts", "retries", "handed")
        attempts, retries, handed = (int(field or 0) for field in fields)
        if attempts < self._settings.max_attempts + retries + handed:
            return True
        try:
            return is_retried(read_job(job.open()), ErrorKind.WORKER_LOST)
        except InvalidJob:
            return False

    def cancel(self, name: JobName, *, unless_running: bool) -> bool:
        """Cancel a job that waits or runs, anywhere. False: it is done, is not known or is left alone."""
        return self.ledger.cancel(name, settle_cancelled(name, {}), unless_running=unless_running)

    def is_running(self, name: JobName, lease: Lease) -> bool:
        """Say whether the job was begun by this holder and by nobody after it, and has no Result."""
        fields = self._client().hmget(record_key(name), "state", "runner", "runner_holder")
        return fields == [b"running", lease.unit.encode(), lease.holder.encode()]

    def give_up(self, job: SealedJob, kind: ErrorKind, message: str, worker: str) -> bool:
        """Write a Result for a job that will not be run (again); one that stands already stands.

        False where Redis would not record it.
        """
        error = ErrorInfo(kind=kind, message=message)
        execution = Execution(attempts=self._attempts(job.name), worker=worker)
        grave = None
        try:
            read = read_job(job.open())
            result = settle_failure(read, error, execution)
            if kind is ErrorKind.WORKER_LOST:
                grave = Grave(self._settings.queue, task_message(read, self._settings.queue))
        except InvalidJob:
            result = settle_unread(job.name, error, execution)
        return self._record(result, kind, grave, reply_to_unread(job, self._settings))

    def refuse(self, refused: Refused) -> bool:
        """Record a message that is no job, where it says whose it was; else log it and let it go.

        False where Redis would not record it.
        """
        if not refused.names:
            _refusals.warning("dropped a message that is no job: %s", refused.reason)
            return True
        error = ErrorInfo(kind=ErrorKind.INVALID_JOB, message=f"not a message of a job: {refused.reason}")
        recorded = [self._record(settle_unread(name, error), error.kind) for name in refused.names]
        return all(recorded)

    def _attempts(self, name: JobName) -> int:
        with suppress(redis.RedisError):  # it is the Result that counts, which may not be recorded either
            return int(self._client().hget(record_key(name), "attempts") or 0)
        return 0

    def _record(self, result: Result, kind: str, grave: Grave | None = None, to: str = "") -> bool:
        try:
            self.ledger.finish(result.name, result, grave=grave, reply_to=to)
        except redis.RedisError as error:
            _log.error("job %s: could not record %s: %s", result.name, kind, type(error).__name__)
            return False
        log = _refusals if kind == ErrorKind.INVALID_JOB else _log
        log.warning("job %s: %s", result.name, kind)
        tally.count_unrun(result)
        return True

    def _client(self) -> redis.Redis:
        if self._redis is None or self._pid != os.getpid():
            self._pid, self._line = os.getpid(), None
            self._redis = connect(self._settings.redis_url, patient=self._pid != self._main_pid)
        return self._redis


def connect(url: str, *, patient: bool) -> redis.Redis:
    """Return a client for `url`; it connects on first use and retries, longer if `patient`."""
    return redis.Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        health_check_interval=25,
        # A Result is not thrown away because the server is out of memory for a moment.
        retry_on_error=[redis.OutOfMemoryError] if patient else [],
        retry=Retry(ExponentialBackoff(cap=1, base=0.05), _PATIENT_RETRIES if patient else _QUICK_RETRIES),
    )
