"""Requests that wait for a job: bounded, ended by a hang-up and by a shutdown, thousands at a time.

the Result is there          -> it is returned
the time is over, a shutdown -> None; the job goes on
the caller hung up           -> HungUp; what waited is gone at once
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.types import Receive

from ..async_handle import AsyncHandle
from ..errors import ResultTimeout, WorkerFailed
from ..result import Result
from .api_keys import Key
from .bodies import HungUp
from .metrics import Metrics
from .problems import busy


class Waits:
    """All waits of one gateway."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most = most
        self._metrics = metrics
        self._count = 0
        self._of_key: Counter[str] = Counter()
        self._open: set[asyncio.Task[Result]] = set()
        self._resumable: set[asyncio.Task[Result]] = set()
        self.closing = False
        """Whether nobody is to wait any more who can ask again."""

    async def result(
        self, handle: AsyncHandle, seconds: float, request: Request, key: Key, *, resumable: bool
    ) -> Result | None:
        """Wait for a job's Result; one of kind `internal` is a Result, too.

        `resumable`: whether the caller knows the job's id, and can ask for the Result again. Raises HungUp,
        Problem where too many wait, and what the handle raises.
        """
        if handle.done():
            return await _read(handle, 0)
        if seconds <= 0 or (resumable and self.closing):
            return None
        with self._room(key):
            return await self._wait(handle, seconds, request, resumable=resumable)

    def close(self, *, all_of_them: bool = False) -> None:
        """End the waits of callers that can ask again, or of all."""
        self.closing = True
        for task in [*(self._open if all_of_them else self._resumable)]:
            task.cancel()

    async def _wait(
        self, handle: AsyncHandle, seconds: float, request: Request, *, resumable: bool
    ) -> Result | None:
        wait = asyncio.create_task(_read(handle, seconds))
        gone = asyncio.create_task(_hang_up(request.receive))
        groups = (self._open, self._resumable) if resumable else (self._open,)
        for group in groups:
            group.add(wait)
        try:
            await asyncio.wait((wait, gone), return_when=asyncio.FIRST_COMPLETED)
            if not wait.done():
                self._metrics.hang_ups.inc()
                raise HungUp
            return wait.result()
        except ResultTimeout:
            return None
        except asyncio.CancelledError:
            if wait.done() and self.closing:
                return None
            raise
        finally:
            wait.cancel()
            gone.cancel()
            for group in groups:
                group.discard(wait)

    @contextmanager
    def _room(self, key: Key) -> Iterator[None]:
        if self._count >= self._most:
            raise busy(503, "too-busy", "Too many requests wait at this gateway; call again.")
        if key.open_waits is not None and self._of_key[key.name] >= key.open_waits:
            raise busy(429, "quota", "Too many requests of this key wait; wait for one to end.")
        self._count += 1
        self._of_key[key.name] += 1
        self._metrics.open_waits.set(self._count)
        try:
            yield
        finally:
            self._count -= 1
            self._of_key[key.name] -= 1
            self._metrics.open_waits.set(self._count)


async def _read(handle: AsyncHandle, seconds: float) -> Result:
    try:
        return await handle.result(seconds)
    except WorkerFailed as failed:
        return failed.result


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
