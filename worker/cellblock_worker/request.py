"""A job as the worker's main process holds it, from delivery to acknowledgement.

Celery's Request knows the arguments and prints them; ours has them sealed. It also writes the Result of a job
that no pool process will write one for: its process died too often, it was revoked, or it hung.
"""

# ruff: noqa: ANN401 - what Celery and kombu pass is not typed

from typing import TYPE_CHECKING, Any, cast

import redis
from celery.worker.request import Request as StockRequest
from cellblock_producer.contract import ErrorKind

from .envelope import job_name
from .ledger_link import LedgerLink
from .sealed import SealedJob

if TYPE_CHECKING:
    from .app import Cellblock


class Request(StockRequest):
    """One delivered job."""

    _payload: Any
    _request_dict: dict[str, Any]

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        (job,), kwargs, embed = self._payload
        name = job_name(job, self.id)
        assert name is not None  # the door admits no message without one
        self._job = SealedJob(name, message.body)
        self._args = (self._job,)
        self._request_dict["args"] = self._args
        # Without a content type the pool process takes the body as it is, not as text to decode.
        self._body = (self._args, kwargs, embed)
        self._content_type = self._content_encoding = None

    def info(self, safe: bool = False) -> Any:
        """Describe the request to `inspect`, with the description of the job in place of the job."""
        return super().info(safe=True)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Handle a pool process that outlived the time limit of last resort."""
        if not soft:
            self._give_up(ErrorKind.INTERNAL, "The worker did not answer in time and was stopped.")
        super().on_timeout(soft, timeout)

    def _success_was_stored(self) -> bool:
        # Celery would look into its own result backend, and show what it finds there in an event.
        return False

    def _retry_worker_lost(self, exc: BaseException, exc_info: Any) -> bool:
        """Put the job back on its queue, unless it has cost enough processes; Celery calls this.

        Celery would send a copy with the arguments spelled out, and count in the copy; the ledger counts
        for all copies, and across workers.
        """
        try:
            again = self._link.may_run_again(self._job)
        except redis.RedisError:
            return True  # unacknowledged, so it comes back by itself after the visibility time-out
        if again:
            self.reject(requeue=True)
        else:
            self._give_up(ErrorKind.WORKER_LOST, "The worker process died each time that it ran the job.")
        return again

    def _announce_revoked(self, reason: str, terminated: bool, signum: object, expired: bool) -> None:
        if expired:
            self._give_up(ErrorKind.EXPIRED, "The message expired before the job was started.")
        else:
            self._give_up(ErrorKind.CANCELLED, "The job was revoked.")
        super()._announce_revoked(reason, terminated, signum, expired)  # type: ignore[misc]

    def _give_up(self, kind: ErrorKind, message: str) -> None:
        self._link.give_up(self._job, kind, message, self.hostname)

    @property
    def _link(self) -> LedgerLink:
        return cast("Cellblock", self.app).link
