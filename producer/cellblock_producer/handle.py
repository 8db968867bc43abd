"""The handle of one submitted job."""

import threading
from collections.abc import Callable

from .core import Cancellation
from .errors import ResultTimeout
from .keys import JobName
from .result import Result
from .slot import Slot


class JobHandle:
    """What the handles of both clients have in common: which job it is, and whether it is done."""

    __slots__ = ("_slot",)

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    def __repr__(self) -> str:
        state = "done" if self._slot.done else "waiting"
        return f"{type(self).__name__}({str(self._slot.name)!r}, {state})"

    @property
    def name(self) -> JobName:
        """The full name of the job: tenant and id."""
        return self._slot.name

    @property
    def job_id(self) -> str:
        """The id of the job within its tenant."""
        return self._slot.name.id

    def done(self) -> bool:
        """Whether `result()` would return or raise at once. Sends nothing."""
        return self._slot.done


class Handle(JobHandle):
    """Stands for a job in the client that submitted it or attached to it. Any thread may use it."""

    __slots__ = ("_cancel",)

    def __init__(self, slot: Slot, cancel: Callable[[Slot], Cancellation]) -> None:
        super().__init__(slot)
        self._cancel = cancel

    def result(self, timeout: float | None = None, *, cancel: bool = False) -> Result:
        """Return the job's Result, waiting for at most `timeout` seconds; None waits as long as it takes.

        A node that failed is a Result as well: follow its `branch`. Raises ResultTimeout: the job goes on or,
        with `cancel`, is cancelled then (unless its Result comes just now, which is returned). Raises
        WorkerFailed for a Result of kind `internal`, JobUnknown when the server has lost the job,
        UnreadableResult, and ClientClosed.
        """
        slot = self._slot
        if not slot.done and not _wait(slot, timeout):
            if not cancel:
                raise ResultTimeout(f"job {slot.name} has", timeout or 0.0)
            if self.cancel() is Cancellation.CANCELLED:
                raise ResultTimeout(f"job {slot.name} has", timeout or 0.0, cancelled=True)
            _wait(slot, None)
        return slot.read()

    def when_done(self, call: Callable[[], object]) -> None:
        """Have `call` called once when the job is done: soon, in the client's thread, or now if it is done.

        It must be quick, since every other job of the client waits for it. What it raises is logged.
        """
        self._slot.when_done(call)

    def cancel(self) -> Cancellation:
        """Cancel the job: unless it has a Result, it has one of kind `cancelled`, status failed, from now on.

        What runs of it is stopped within a moment. Raises JobUnknown, Unreachable and the like.
        """
        return self._cancel(self._slot)


def _wait(slot: Slot, timeout: float | None) -> bool:
    gate = threading.Lock()
    gate.acquire()
    slot.when_done(gate.release)
    if gate.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
        return True
    slot.forget(gate.release)
    return slot.done
