"""A job or a batch as the worker's main process holds it, from delivery to acknowledgement.

Celery's Request knows the arguments and prints them; ours has them sealed. It also writes the Result of a job
that no pool process will write one for: its process died too often, it was revoked, or it hung.

Of a batch, one job at a time is begun, so only that one is charged with the death of its process or hangs;
its neighbours keep their attempts, and are delivered again.
"""

# ruff: noqa: ANN401 - what Celery and kombu pass is not typed

from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import redis
from billiard.exceptions import Terminated, WorkerLostError
from celery.exceptions import Ignore, Reject, Retry, TimeLimitExceeded
from celery.worker.request import Request as StockRequest
from celery.worker.state import task_ready
from cellblock_producer.contract import ErrorKind

from .ledger_link import LedgerLink
from .sealed import Sealed, SealedJob
from .task import InternalFaultError

if TYPE_CHECKING:
    from .app import Cellblock

# What could not be run just now is not tried again at once, or the same would happen at once.
TROUBLE_PAUSE_MS = 1000

_STOPPED = "The worker did not answer in time and was stopped."
_FAULT = "The worker met a fault of its own when it ran the job; this is not the job's fault."
# What our tasks raise, and what Celery handles without an acknowledgement.
_EXPECTED = (Ignore, Reject, Retry, Terminated, WorkerLostError, InternalFaultError)


class Request(StockRequest):
    """One delivered message."""

    _payload: Any
    _message: Any
    _request_dict: dict[str, Any]
    _eventer: Any
    told = False
    """Whether an event has told that it runs."""
    _already_revoked: bool

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        (what,), kwargs, embed = self._payload
        self._sealed = Sealed(self.id, message.body, message.lease, fresh=message.fresh)
        self._args = (self._sealed,)
        self._batch = isinstance(what, list)
        if self._batch:  # the task's own limit is that of one job
            self.time_limits = (cast("Cellblock", self.app).time_limit_s(len(what)), None)
        self._request_dict["args"] = self._args
        # Without a content type the pool process takes the body as it is, not as text to decode.
        self._body = (self._args, kwargs, embed)
        self._content_type = self._content_encoding = None

    def info(self, safe: bool = False) -> Any:
        """Describe the request to `inspect`, with the description of the job in place of the job."""
        return super().info(safe=True)

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002
        """Tell those who watch."""
        if self._eventer and self._eventer.enabled:
            cast("Cellblock", self.app).news.tell(self._eventer, self, type, fields)

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """End what runs, for Celery's revoke: the cell, and not the pool process."""
        cast("Cellblock", self.app).stops.post(self._sealed.lease.holder)
        if not self._already_revoked:
            self._announce_revoked("terminated", True, signal, False)

    def on_success(self, failed__retval__runtime: Any, **options: Any) -> None:
        """Handle an answer; one that was revoked meanwhile has had its own."""
        if self._already_revoked:
            task_ready(self)
        else:
            super().on_success(failed__retval__runtime, **options)

    def on_retry(self, exc_info: Any) -> None:
        """Put back what is to be run again later; Celery would have sent a copy."""
        self._message.delay_ms = max(1, round(exc_info.exception.when * 1000))
        self.reject(requeue=True)
        super().on_retry(exc_info)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Handle a pool process that outlived the time limit of last resort; `on_failure` came before."""
        self._message.closed = False
        super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """Handle a failure. Celery acknowledges the message here, so nothing without a Result may pass.

        Of a message that outlived its time limit, or met a fault of ours that it did not expect, the job in
        hand is answered, and what else there is goes back.
        """
        exception = getattr(exc_info.exception, "exc", exc_info.exception)
        self._message.closed = False
        if isinstance(exception, Reject):
            self._message.delay_ms = TROUBLE_PAUSE_MS
        elif isinstance(exception, TimeLimitExceeded):
            self._answer_in_hand(_STOPPED)
        elif isinstance(exception, Exception) and not isinstance(exception, _EXPECTED):
            self._message.delay_ms = TROUBLE_PAUSE_MS
            self._answer_in_hand(_FAULT)
        super().on_failure(exc_info, send_failed_event, return_ok)

    def _success_was_stored(self) -> bool:
        # Celery would look into its own result backend, and show what it finds there in an event.
        return False

    def _retry_worker_lost(self, exc: BaseException, exc_info: Any) -> bool:
        """Put the message back, except for a job that has cost enough processes; Celery calls this.

        Celery would send a copy with the arguments spelled out, and count in the copy; the ledger counts
        for all copies, and across workers. A job that is given up has its Result then: when a batch comes
        back, that one is left out, as those are that were finished.
        """
        try:
            in_hand = self._in_hand()
            self._message.lost = not in_hand  # else the attempt is counted
            lost = [job for job in in_hand if not self._link.is_delivered_again(job)]
        except redis.RedisError:
            lost = []  # the next to take it will ask
        self._give_up(lost, ErrorKind.WORKER_LOST, "The worker process died each time that it ran the job.")
        again = self._batch or not lost
        if again:
            self.reject(requeue=True)
        return again

    def _answer_in_hand(self, message: str) -> None:
        """Answer the job in hand; the rest goes back, and all of it where Redis does not let us answer."""
        in_hand: list[SealedJob] = []
        with suppress(redis.RedisError):
            in_hand = self._in_hand()
        self._give_up(in_hand, ErrorKind.INTERNAL, message)
        if self._batch or not in_hand:
            self.reject(requeue=True)

    def _in_hand(self) -> list[SealedJob]:
        """Return the job that is being run: none or one, as those of a batch come one after the other.

        None where we have lost the lease: what becomes of the job is for the other holder to say.
        """
        lease = self._message.lease
        return [job for job in self._sealed.jobs() if self._link.is_running(job.name, lease)][:1]

    def _announce_revoked(self, reason: str, terminated: bool, signum: object, expired: bool) -> None:
        self._message.closed = False
        jobs = self._sealed.jobs()
        if expired:
            self._give_up(jobs, ErrorKind.EXPIRED, "The message expired before the job was started.")
        else:
            self._give_up(jobs, ErrorKind.CANCELLED, "The job was revoked.")
        super()._announce_revoked(reason, terminated, signum, expired)  # type: ignore[misc]

    def _give_up(self, jobs: list[SealedJob], kind: ErrorKind, message: str) -> None:
        for job in jobs:
            if not self._link.give_up(job, kind, message, self.hostname):
                self._message.closed = True  # not by us either, then: it comes back when its lease expires

    @property
    def _link(self) -> LedgerLink:
        return cast("Cellblock", self.app).link
