"""Where the Result of one job arrives; every handle of the job in one client shares it."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress

from pydantic import ValidationError

from .errors import CellblockError, UnreadableResult, WorkerFailed
from .keys import JobName
from .kinds import ErrorKind
from .result import Result

Waker = Callable[[], object]

_log = logging.getLogger(__name__)


class Slot:
    """Settled or failed once, by the reader of the connection; waited for by anybody.

    Needs no lock: a waker is added before `done` is looked at, `done` is set before the wakers are called,
    and taking a waker off the list is atomic. So none is missed, and none is called twice.
    """

    __slots__ = ("_failure", "_payload", "_result", "_wakers", "labels", "name")

    def __init__(self, name: JobName, labels: Mapping[str, str]) -> None:
        self.name = name
        self.labels = labels
        self._wakers: list[Waker] = []
        self._payload: bytes | None = None
        self._result: Result | None = None
        self._failure: CellblockError | None = None

    @property
    def done(self) -> bool:
        """Whether there is something to read."""
        return self._payload is not None or self._failure is not None

    @property
    def failure(self) -> CellblockError | None:
        """The reason why no Result will come, if there is one."""
        return self._failure

    def settle(self, payload: bytes) -> None:
        """Take the Result, as JSON."""
        self._payload = payload
        self._wake()

    def fail(self, failure: CellblockError) -> None:
        """Take the reason why no Result will come."""
        self._failure = failure
        self._wake()

    def when_done(self, waker: Waker) -> None:
        """Have `waker` called once, in whatever thread settles the slot, or at once when it is settled."""
        self._wakers.append(waker)
        if self.done:
            self._wake()

    def forget(self, waker: Waker) -> None:
        """Do not call `waker` any more."""
        with suppress(ValueError):  # it has been called already
            self._wakers.remove(waker)

    def read(self) -> Result:
        """Return the Result of a settled slot. It is parsed here, when it is asked for.

        Raises the failure, UnreadableResult, or WorkerFailed for a Result of kind `internal`.
        """
        if self._payload is None:
            assert self._failure is not None, "read only when done"
            raise self._failure.with_traceback(None)
        if self._result is None:
            self._result = parse_result(self.name, self._payload)
        if self._result.error is not None and self._result.error.kind == ErrorKind.INTERNAL:
            raise WorkerFailed(self._result)
        return self._result

    def _wake(self) -> None:
        while self._wakers:
            try:
                waker = self._wakers.pop()
            except IndexError:  # another thread was faster
                return
            try:
                waker()
            except Exception:  # the thread is every job's
                _log.exception("what was to be called when job %s is done has raised", self.name)


def parse_result(name: JobName, payload: bytes) -> Result:
    """Read a stored Result. Raises UnreadableResult."""
    try:
        return Result.from_json(payload)
    except ValidationError:
        raise UnreadableResult(name) from None
