"""The asyncio client: submit jobs, await their Results.

await client.submit(job) -> AsyncHandle -> await handle, handle.result(timeout), handle.cancel()
await client.run(job) -> Result                async for result in client.map(jobs): as they finish
await client.get(id) -> Result | None          await client.attach(id) -> AsyncHandle
"""

import asyncio
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from .async_handle import AsyncHandle
from .async_link import AsyncLink
from .async_map import Flow, JobSource, each_job
from .core import Call, Cancellation, Core
from .errors import ClientClosed
from .job import JobLike, read_job
from .keys import DEFAULT_QUEUE, DEFAULT_TENANT, JobName
from .lots import check_per_message, lots
from .post import Post
from .result import Result
from .slot import Slot, parse_result

T = TypeVar("T")

_POSTS_UNDERWAY = 256
_LOTS_UNDERWAY = 4


class AsyncClient:
    """Submits jobs and awaits their Results, over one connection and without threads, however many jobs.

        async with AsyncClient("redis://localhost:6379/0") as client:
            handle = await client.submit(job)
            result = await handle

    Any number of tasks of one event loop may share a client; another loop, and a process that was forked,
    make their own (or get ClientClosed). Nothing is connected before the first call. While Redis cannot be
    reached, calls go on trying for `timeout` seconds and then raise Unreachable; Results that were missed
    meanwhile are fetched when it is back. Whatever is awaited may be cancelled: the client then forgets the
    wait, and a job that is on the queue goes on. Close the client (`async with`, or `await client.close()`);
    one that is forgotten gives a ResourceWarning.

    Every call may raise Unreachable, Refused and ClientClosed.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        queue: str = DEFAULT_QUEUE,
        timeout: float = 5.0,
        ttl_s: int = 3600,
    ) -> None:
        """Set up a client of the server at `url`: `redis://`, `rediss://` (TLS) or `unix://`.

        `queue`: where the workers look for jobs. `timeout`: seconds that Redis has to answer a call; how long
        a job takes is another matter. `ttl_s`: seconds that Results and records are kept after a job's end.
        Raises ValueError for a URL that is none, and for numbers that make no sense.
        """
        self._core = Core(queue=queue, ttl_s=ttl_s)
        self._link = AsyncLink(url, self._core, timeout=timeout)

    def __repr__(self) -> str:
        return f"AsyncClient({self._link.server!r})"

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        link: AsyncLink | None = getattr(self, "_link", None)
        if link is not None and link.active:
            _warn(f"unclosed {self!r}", ResourceWarning, source=self)
            link.forsake()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection. Who still waits for a Result gets ClientClosed; the jobs themselves go on."""
        await self._link.close()

    async def submit(self, job: JobLike) -> AsyncHandle:
        """Put a job on the queue and return its handle, without waiting for the job.

        Jobs that many tasks submit at the same time go out together. The same job submitted again (same id,
        same content) is not run again: the handle is the first one's. Raises InvalidJob, before anything is
        sent, JobConflict where the id is taken, QueueFull where as much waits as may, and JobTooLarge where
        there never will be room. When cancelled, it may be on the queue or not: submit it again to be sure.
        """
        return self._handle(await self._call(partial(self._core.submit, read_job(job))))

    async def submit_many(self, jobs: Iterable[JobLike], per_message: int = 1) -> list[AsyncHandle]:
        """Put many jobs on the queue, in few round trips; the handles are in the order of the jobs.

        `per_message`: how many jobs go in one message, at most 100. One worker process runs those of a
        message one after the other, each in a cell of its own and with a Result of its own that comes as soon
        as it is there: cheaper by job, and right where jobs are short and many. Large jobs go in messages of
        fewer.

        Raises InvalidJob before anything is sent. After any other error some jobs are on the queue;
        submitting all of them again queues none twice. QueueFull, JobTooLarge and JobConflict are raised when
        all are sent; a message of several jobs finds room for all that are new or queues none, and a conflict
        in it is raised by the `result()` of that job's handle.
        """
        check_per_message(per_message)
        valid = [job async for job in each_job(jobs)]
        if per_message > 1:
            cut = (partial(self._core.submit_lot, lot) for lot in lots(valid, per_message))
            found = await self._post_all(cut, _LOTS_UNDERWAY)
            return [self._handle(slot) for slots in found for slot in slots]
        makes = (partial(self._core.submit, job) for job in valid)
        return [self._handle(slot) for slot in await self._post_all(makes, _POSTS_UNDERWAY)]

    async def run(
        self,
        job: JobLike,
        timeout: float | None = None,  # noqa: ASYNC109 - as in Client
        *,
        cancel: bool = False,
    ) -> Result:
        """Submit a job and await its Result; see `submit` and `AsyncHandle.result`."""
        handle = await self.submit(job)
        return await handle.result(timeout, cancel=cancel)

    async def map(
        self,
        jobs: JobSource,
        timeout: float | None = None,  # noqa: ASYNC109 - as in Client
        *,
        in_flight: int = 1000,
    ) -> AsyncGenerator[Result, None]:
        """Submit jobs and yield their Results as they finish, in the order of finishing.

        `jobs`: an iterable or an asynchronous iterable, endless if you like: at most `in_flight` of them are
        on their way or wait for you to take their Result. `timeout`: seconds to wait for the next Result,
        while jobs are on their way. Raises what `submit_many` and `AsyncHandle.result` raise, and what `jobs`
        raises; jobs on their way then go on, as they do when you leave the loop early.
        """
        flow = Flow(self._link, self._core, in_flight)
        feeder = asyncio.create_task(flow.feed(jobs), name="cellblock-map")
        try:
            while (slot := await flow.take(timeout)) is not None:
                yield slot.read()
        finally:
            flow.close()
            feeder.cancel()
            await asyncio.wait({feeder})

    async def get(self, job_id: str, tenant: str = DEFAULT_TENANT) -> Result | None:
        """Return the Result of a job, or None while it has none.

        Raises JobUnknown where there is neither a record nor a Result of it.
        """
        name = JobName(tenant, job_id)
        payload = await self._call(partial(self._core.look, name))
        return None if payload is None else parse_result(name, payload)

    async def attach(self, job_id: str, tenant: str = DEFAULT_TENANT) -> AsyncHandle:
        """Return a handle of a job that was submitted earlier, by whomever: for example before a restart.

        Raises JobUnknown.
        """
        name = JobName(tenant, job_id)
        return self._handle(await self._call(partial(self._core.watch, name, {})))

    async def ping(self) -> None:
        """Return when the server has answered: it can be reached now. Raises Unreachable and Refused."""
        await self._call(self._core.ping)

    async def _post_all(self, makes: Iterable[Callable[[], Call[T]]], most: int) -> list[T]:
        """Make calls, at most so many at a time, and return the answers. Raises what one meant instead."""
        posts: list[Post[T]] = []
        underway: deque[Post[T]] = deque()
        try:
            for make in makes:
                if len(underway) == most:
                    await underway.popleft().answered()
                underway.append(self._link.post(make))
                posts.append(underway[-1])
            for post in underway:
                await post.answered()
        finally:
            for post in posts[-most:]:
                if not post.done:
                    self._link.drop(post)
        return [post.get() for post in posts]

    def _handle(self, slot: Slot) -> AsyncHandle:
        return AsyncHandle(slot, self._link.loop, self._cancel, self._abandon)

    async def _cancel(self, slot: Slot) -> Cancellation:
        return await self._call(partial(self._core.cancel, slot))

    def _abandon(self, slot: Slot) -> None:
        """Have a job cancelled for somebody who does not wait for that either."""
        with suppress(ClientClosed):
            self._link.post(partial(self._core.cancel, slot))

    async def _call(self, make: Callable[[], Call[T]]) -> T:
        return await self._link.answer(self._link.post(make))
