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
from celery.exceptions import Reject, TimeLimitExceeded
from celery.worker.request import Request as StockRequest
from cellblock_producer.contract import ErrorKind

from .ledger_link import LedgerLink
from .sealed import Sealed, SealedJob

if TYPE_CHECKING:
    from .app import Cellblock

# What could not be run just now is not tried again at once, or the same would happen at once.
TROUBLE_PAUSE_MS = 1000

_STOPPED = "The worker did not answer in time and was stopped."


class Request(StockRequest):
    """One delivered message."""

    _payload: Any
    _message: Any
    _request_dict: dict[str, Any]
    _eventer: Any
    told = False
    """Whether an event has told that it runs."""

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        (what,), kwargs, embed = self._payload
        self._sealed = Sealed(self.id, message.body, message.lease)
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

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Handle a pool process that outlived the time limit of last resort."""
        self._message.closed = False
        if not soft and not self._batch:
            self._give_up(self._sealed.jobs(), ErrorKind.INTERNAL, _STOPPED)
        super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """Handle a failure; of a batch that outlived its time limit, all goes back but the job that hangs.

        Celery calls this before `on_timeout`, and acknowledges the message here.
        """
        exception = exc_info.exception
        self._message.closed = False
        if isinstance(getattr(exception, "exc", exception), Reject):
            self._message.delay_ms = TROUBLE_PAUSE_MS
        if self._batch and isinstance(getattr(exception, "exc", exception), TimeLimitExceeded):
            self._stop_hanging()
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
            lost = [job for job in self._in_hand() if not self._link.may_run_again(job)]
        except redis.RedisError:
            lost = []  # the next to take it will ask
        self._give_up(lost, ErrorKind.WORKER_LOST, "The worker process died each time that it ran the job.")
        again = self._batch or not lost
        if again:
            self.reject(requeue=True)
        return again

    def _stop_hanging(self) -> None:
        with suppress(redis.RedisError):  # the one that hangs is begun once more, then
            self._give_up(self._in_hand(), ErrorKind.INTERNAL, _STOPPED)
        self.reject(requeue=True)

    def _in_hand(self) -> list[SealedJob]:
        """Return the job that was being run: of a batch, where one comes after the other, none or one."""
        jobs = self._sealed.jobs()
        return [job for job in jobs if self._link.is_running(job)][:1] if self._batch else jobs

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
