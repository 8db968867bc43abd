"""The synchronous client: submit jobs, wait for their Results.

client.submit(job) -> Handle -> result(), done(), cancel()
client.run(job) -> Result                      client.map(jobs) -> Results as they come
client.get(id) -> Result | None                client.attach(id) -> Handle
"""

import weakref
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self, TypeVar

from .core import Call, Cancellation, Core
from .errors import ResultTimeout
from .handle import Handle
from .job import JobLike, read_job
from .keys import DEFAULT_QUEUE, DEFAULT_TENANT, JobName
from .link import Link
from .lots import Written, check_per_message, lots
from .result import Result
from .slot import Slot, parse_result

T = TypeVar("T")

_TAKEN_AT_ONCE = 64


class Client:
    """Submits jobs and waits for their Results, over one connection and one thread, however many jobs.

    Any number of threads may share a client; a process that was forked makes its own. Nothing is connected
    before the first call. While Redis cannot be reached, calls go on trying for `timeout` seconds and then
    raise Unreachable; Results that were missed meanwhile are fetched when it is back.

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
        self._link = Link(url, self._core, timeout=timeout)
        # The thread holds the link and not the client: a client that is forgotten gives up its connection.
        self._finalizer = weakref.finalize(self, self._link.close, join=False)
        self._finalizer.atexit = False

    def __repr__(self) -> str:
        return f"Client({self._link.server!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection. Who still waits for a Result gets ClientClosed; the jobs themselves go on."""
        self._link.close()

    def submit(self, job: JobLike) -> Handle:
        """Put a job on the queue and return its handle, without waiting for the job.

        The same job submitted again (same id, same content) is not run again: the handle is the first one's.
        Raises InvalidJob, before anything is sent, JobConflict where the id is taken, QueueFull where as much
        waits as may, and JobTooLarge where there will never be room for it.
        """
        return self._handle(self._call(self._core.submit(read_job(job))))

    def submit_many(self, jobs: Iterable[JobLike], per_message: int = 1) -> list[Handle]:
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
        valid = [read_job(job) for job in jobs]
        if check_per_message(per_message) > 1:
            return self._submit_lots(lots(valid, per_message))
        calls: list[Call[Slot]] = []
        self._link.exchange(_note(calls, map(self._core.submit, valid)))
        return [self._handle(call.get()) for call in calls]

    def run(self, job: JobLike, timeout: float | None = None, *, cancel: bool = False) -> Result:
        """Submit a job and wait for its Result; see `submit` and `Handle.result`."""
        return self.submit(job).result(timeout, cancel=cancel)

    def map(
        self,
        jobs: Iterable[JobLike],
        timeout: float | None = None,
        *,
        in_flight: int = 1000,
        per_message: int = 1,
    ) -> Iterator[Result]:
        """Submit jobs and yield their Results as they finish, in the order of finishing.

        `jobs` may be endless: at most `in_flight` of them are on their way. `timeout`: seconds to wait for
        the next Result. `per_message`: as in `submit_many`. Raises what `submit_many` and `Handle.result`
        raise; jobs on their way then go on.
        """
        if in_flight < 1:
            raise ValueError("in_flight must be at least 1")
        finished: SimpleQueue[Handle] = SimpleQueue()
        source, more, underway = iter(jobs), True, 0
        chunk = min(max(_TAKEN_AT_ONCE, check_per_message(per_message)), in_flight)
        while more or underway:
            if more and underway <= in_flight - chunk:
                handles = self.submit_many(islice(source, chunk), per_message)
                more = bool(handles)
                underway += len(handles)
                for handle in handles:
                    handle.when_done(partial(finished.put, handle))
            # Wait only when no further jobs may be sent: in chunks, since one by one would cost a lot more.
            wait = underway > 0 and (underway > in_flight - chunk or not more)
            for handle in _take(finished, wait=wait, timeout=timeout):
                underway -= 1
                yield handle.result()

    def get(self, job_id: str, tenant: str = DEFAULT_TENANT) -> Result | None:
        """Return the Result of a job, or None while it has none.

        Raises JobUnknown where there is neither a record nor a Result of it.
        """
        name = JobName(tenant, job_id)
        payload = self._call(self._core.look(name))
        return None if payload is None else parse_result(name, payload)

    def attach(self, job_id: str, tenant: str = DEFAULT_TENANT) -> Handle:
        """Return a handle of a job that was submitted earlier, by whomever. Raises JobUnknown."""
        return self._handle(self._call(self._core.watch(JobName(tenant, job_id), {})))

    def _submit_lots(self, cut: Iterable[Sequence[Written]]) -> list[Handle]:
        calls: list[Call[list[Slot]]] = []
        self._link.exchange(_note(calls, map(self._core.submit_lot, cut)))
        return [self._handle(slot) for call in calls for slot in call.get()]

    def _handle(self, slot: Slot) -> Handle:
        return Handle(slot, self._cancel)

    def _cancel(self, slot: Slot) -> Cancellation:
        return self._call(self._core.cancel(slot))

    def _call(self, call: Call[T]) -> T:
        self._link.exchange([call])
        return call.get()


def _note(noted: list[Call[T]], calls: Iterable[Call[T]]) -> Iterator[Call[T]]:
    for call in calls:
        noted.append(call)
        yield call


def _take(finished: SimpleQueue[Handle], *, wait: bool, timeout: float | None) -> Iterator[Handle]:
    """Yield what is finished, and if `wait` at least one."""
    try:
        if wait:
            yield finished.get(timeout=timeout)
    except Empty:
        raise ResultTimeout("the jobs under way have", timeout or 0.0) from None
    while not finished.empty():
        yield finished.get()
