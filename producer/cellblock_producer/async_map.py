"""Carries the jobs of one `AsyncClient.map`: from their source to the queue, from their slots to the caller.

source  --feed (a task)-->  under way, at most so many  --slots-->  finished  --take-->  caller
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from functools import partial
from itertools import count

from .async_link import AsyncLink
from .core import Core
from .errors import ResultTimeout
from .job import Job, JobLike, read_job
from .post import Post
from .slot import Slot, Waker

JobSource = Iterable[JobLike] | AsyncIterable[JobLike]
"""Jobs from anywhere: a list, a generator, an asynchronous generator."""

_JOBS_PER_TURN = 64
_LARGEST_LOT = 64


class Flow:
    """What is finished and not yet taken counts as under way: a slow caller slows down the source."""

    def __init__(self, link: AsyncLink, core: Core, in_flight: int) -> None:
        if in_flight < 1:
            raise ValueError("in_flight must be at least 1")
        self._link = link
        self._core = core
        self._room = asyncio.Semaphore(in_flight)
        self._lot = max(1, min(in_flight // 4, _LARGEST_LOT))
        self._taken = 0
        self._finished: asyncio.Queue[Slot | Exception | None] = asyncio.Queue()
        self._tickets = count()
        self._awaited: dict[int, tuple[Slot, Waker]] = {}
        self._underway = 0
        self._fed = False
        self._closed = False

    async def feed(self, source: JobSource) -> None:
        """Submit the jobs of `source` as there is room for them."""
        try:
            async with aclosing(each_job(source)) as jobs:
                while await self._room.acquire():
                    job = await anext(jobs, None)
                    if job is None:
                        break
                    self._link.post(partial(self._core.submit, job), self._submitted)
                    self._underway += 1
        except Exception as error:  # whatever it is, it belongs to the caller
            self._finished.put_nowait(error)
        self._fed = True
        self._end_if_over()

    async def take(self, timeout: float | None) -> Slot | None:  # noqa: ASYNC109 - the promise of `map`
        """Return the next slot that is done, None after the last. Raises what went wrong on the way."""
        while self._finished.empty():
            try:
                async with asyncio.timeout(timeout):
                    return self._taken_out(await self._finished.get())
            except TimeoutError:
                if self._underway:  # otherwise it is the source that takes its time
                    raise ResultTimeout("the jobs under way have", timeout or 0.0) from None
        return self._taken_out(self._finished.get_nowait())

    def close(self) -> None:
        """Wait for nothing any more; the jobs go on."""
        self._closed = True
        for slot, waker in self._awaited.values():
            slot.forget(waker)
        self._awaited.clear()

    def _taken_out(self, item: Slot | Exception | None) -> Slot | None:
        if isinstance(item, Exception):
            raise item
        self._taken += 1
        if self._taken == self._lot:  # room is made in lots, so that jobs go out in lots
            for _ in range(self._taken):
                self._room.release()
            self._taken = 0
        return item

    def _submitted(self, post: Post[Slot]) -> None:
        if self._closed:
            return
        try:
            slot = post.get()
        except Exception as error:
            self._finished.put_nowait(error)
            return
        ticket = next(self._tickets)  # one job may be given twice, and then has one slot
        waker = partial(self._finish, ticket)
        self._awaited[ticket] = slot, waker
        slot.when_done(waker)

    def _finish(self, ticket: int) -> None:
        slot, _ = self._awaited.pop(ticket)
        self._underway -= 1
        self._finished.put_nowait(slot)
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._fed and not self._underway:
            self._finished.put_nowait(None)


async def each_job(source: JobSource) -> AsyncGenerator[Job, None]:
    """Yield the jobs of `source`, checked, and let others have their turn. Raises InvalidJob."""
    if isinstance(source, AsyncIterable):
        async for job in source:
            yield read_job(job)
        return
    for number, job in enumerate(source, start=1):
        yield read_job(job)
        if number % _JOBS_PER_TURN == 0:
            await asyncio.sleep(0)
