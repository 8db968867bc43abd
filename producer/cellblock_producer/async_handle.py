"""The handle of one submitted job, for asyncio."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

from .core import Cancellation
from .errors import ResultTimeout
from .handle import JobHandle
from .post import wake
from .result import Result
from .slot import Slot


class AsyncHandle(JobHandle):
    """Stands for a job in the client that submitted it or attached to it.

    `await handle` is `await handle.result()`. Any number of tasks may await one handle, any number of times.
    """

    __slots__ = ("_abandon", "_cancel", "_loop")

    def __init__(
        self,
        slot: Slot,
        loop: Callable[[], asyncio.AbstractEventLoop],
        cancel: Callable[[Slot], Coroutine[Any, Any, Cancellation]],
        abandon: Callable[[Slot], None],
    ) -> None:
        super().__init__(slot)
        self._loop = loop
        self._cancel = cancel
        self._abandon = abandon

    def __await__(self) -> Generator[Any, None, Result]:
        return self.result().__await__()

    async def result(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - ends the wait, not the task
        *,
        cancel: bool = False,
    ) -> Result:
        """Return the job's Result, waiting for at most `timeout` seconds; None waits as long as it takes.

        A node that failed is a Result as well: follow its `branch`. Cancelling the wait leaves the job alone,
        as does a timeout; with `cancel`, both cancel the job (unless its Result comes just when the time is
        over, and is returned). Raises ResultTimeout, WorkerFailed for a Result of kind `internal`,
        JobUnknown when the server has lost the job, UnreadableResult, and ClientClosed.
        """
        slot = self._slot
        if not slot.done:
            try:
                await _wait(self._loop(), slot, timeout)
            except asyncio.CancelledError:
                if cancel and not slot.done:
                    self._abandon(slot)
                raise
        if not slot.done:
            if not cancel:
                raise ResultTimeout(f"job {slot.name} has", timeout or 0.0)
            if await self.cancel() is Cancellation.CANCELLED:
                raise ResultTimeout(f"job {slot.name} has", timeout or 0.0, cancelled=True)
            await _wait(self._loop(), slot, None)
        return slot.read()

    def when_done(self, call: Callable[[], object]) -> None:
        """Have `call` called once, in the loop, when the job is done, or now if it is.

        What it raises is logged.
        """
        self._slot.when_done(call)

    def forget(self, call: Callable[[], object]) -> None:
        """Do not call `call` any more."""
        self._slot.forget(call)

    async def cancel(self) -> Cancellation:
        """Cancel the job: unless it has a Result, it has one of kind `cancelled`, status failed, from now on.

        What runs of it is stopped within a moment. Raises JobUnknown, Unreachable and the like.
        """
        return await self._cancel(self._slot)


async def _wait(loop: asyncio.AbstractEventLoop, slot: Slot, timeout: float | None) -> None:  # noqa: ASYNC109
    future = loop.create_future()
    waker = partial(wake, future)
    timer = None if timeout is None else loop.call_later(max(0.0, timeout), waker)
    slot.when_done(waker)
    try:
        await future
    finally:
        slot.forget(waker)
        if timer is not None:
            timer.cancel()
