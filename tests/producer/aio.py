"""What the tests of the asyncio client share: running them, and looking for what they leave behind."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ParamSpec

from cellblock_producer import AsyncClient, Job
from redis import Redis

WAIT_S = 60.0
SHORT_S = 0.3

P = ParamSpec("P")


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own, which must have no other task at the end."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def alone() -> None:
            await test(*args, **kwargs)
            # A task that was cancelled just now still has to hear of it.
            left = asyncio.all_tasks() - {asyncio.current_task()}
            if left:
                await asyncio.wait(left, timeout=SHORT_S)
            assert {task for task in left if not task.done()} == set()

        asyncio.run(alone())

    return run


def job(number: int = 0, **fields: object) -> Job:
    given = {"language": "python3", "code": "def main(n): return {'n': n}", "inputs": {"n": number}}
    return Job.model_validate(given | fields)


def internals(client: AsyncClient) -> dict[str, Any]:
    """Return what the client keeps of calls and jobs, by name; all of it is empty at rest."""
    link, core = vars(client)["_link"], vars(client)["_core"]
    wire = vars(link)["_wire"]
    kept = {"line": vars(link)["_line"], "outstanding": vars(core)["_outstanding"]}
    return kept if wire is None else kept | {"expected": vars(wire)["_expected"]}


def is_idle(client: AsyncClient) -> bool:
    return not any(internals(client).values())


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that no event tells of."""
    while not holds():  # noqa: ASYNC110 - as it says
        await asyncio.sleep(0)


async def until_asked(redis: "Redis", jobs: int) -> None:
    """Wait until so many jobs are on the queue."""
    await until(lambda: redis.llen("cellblock") >= jobs)


@asynccontextmanager
async def heartbeat() -> AsyncIterator[list[float]]:
    """Measure in the background how long the loop was not free, in seconds; the largest gap comes last."""
    loop = asyncio.get_running_loop()
    gaps = [0.0]

    async def beat() -> None:
        last = loop.time()
        while True:
            await asyncio.sleep(0)
            now = loop.time()
            gaps.append(max(gaps.pop(), now - last))
            last = now

    task = asyncio.create_task(beat())
    try:
        yield gaps
    finally:
        task.cancel()
        await asyncio.wait({task})
