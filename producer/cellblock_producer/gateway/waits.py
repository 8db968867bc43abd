"""Requests that wait for a job: bounded, ended by a hang-up and by a shutdown, thousands at a time.

the Result is there          -> it is returned
the time is over, a shutdown -> None; the job goes on
the caller hung up           -> HungUp; what waited is gone at once
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from starlette.requests import Request
from starlette.types import Receive

from ..async_handle import AsyncHandle
from ..errors import WorkerFailed
from ..post import wake
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
        self._resumable: set[Callable[[], None]] = set()
        self._others: set[Callable[[], None]] = set()
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
            return await _read(handle)
        if seconds <= 0 or (resumable and self.closing):
            return None
        with self._room(key):
            return await self._wait(handle, seconds, request, resumable=resumable)

    def close(self, *, all_of_them: bool = False) -> None:
        """End the waits of callers that can ask again, or of all."""
        self.closing = True
        for end in [*self._resumable, *(self._others if all_of_them else ())]:
            end()

    async def _wait(
        self, handle: AsyncHandle, seconds: float, request: Request, *, resumable: bool
    ) -> Result | None:
        # One future, which whatever comes first wakes, and no task but the hang-up's.
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        end = partial(wake, over)
        gone = loop.create_task(_hang_up(request.receive, end))
        timer = loop.call_later(seconds, end)
        waits = self._resumable if resumable else self._others
        waits.add(end)
        handle.when_done(end)
        try:
            await over
            if handle.done():
                return await _read(handle)
            if gone.done():
                self._metrics.hang_ups.inc()
                raise HungUp
            return None
        finally:
            handle.forget(end)
            waits.discard(end)
            timer.cancel()
            gone.cancel()

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


async def _read(handle: AsyncHandle) -> Result:
    try:
        return await handle.result()
    except WorkerFailed as failed:
        return failed.result


async def _hang_up(receive: Receive, end: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    end()
