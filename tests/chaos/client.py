"""A client as a process of its own, so that it can be killed: submits jobs and says each Result that it gets.

    jobs as a JSON list --stdin--> python -m tests.chaos.client URL KIND SEED --stdout--> Results, a line each

KIND is `threads` (Client) or `asyncio` (AsyncClient). A line that starts with `{` is a Result; whatever else
is written is trouble.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

from cellblock_producer import (
    AsyncClient,
    AsyncHandle,
    CellblockError,
    Client,
    Handle,
    Refused,
    ResultTimeout,
    Unreachable,
    WorkerFailed,
)
from cellblock_producer.contract import Result

IN_FLIGHT = 24
PER_MESSAGE = 6
_TIMEOUT_S = 3.0
_PAUSE_S = 0.2
_TRANSIENT = (Unreachable, Refused)

Job = dict[str, Any]


class Todo:
    """The jobs that are still to be submitted, in chunks; some chunks go in one message."""

    def __init__(self, jobs: list[Job], seed: str) -> None:
        self._jobs = jobs
        self._rng = random.Random(seed)

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def take(self) -> tuple[list[Job], int]:
        chunk, self._jobs = self._jobs[:PER_MESSAGE], self._jobs[PER_MESSAGE:]
        return chunk, self._rng.choice([1, 1, PER_MESSAGE])

    def put_back(self, chunk: list[Job]) -> None:
        self._jobs = chunk + self._jobs


def live(url: str, todo: Todo) -> None:
    """Go on until every job has its Result; what the server will not take now is submitted again."""
    handles: list[Handle] = []
    with Client(url, timeout=_TIMEOUT_S) as client:
        while todo or handles:
            if todo and len(handles) <= IN_FLIGHT - PER_MESSAGE:
                chunk, per_message = todo.take()
                try:
                    handles += client.submit_many(chunk, per_message)
                except _TRANSIENT:
                    todo.put_back(chunk)
                    time.sleep(_PAUSE_S)
            else:
                _await(handles[0])
            handles = list(_unless_done(handles))


def _await(handle: Handle) -> None:
    try:
        handle.result(timeout=0.2)
    except (ResultTimeout, WorkerFailed):
        return


def _unless_done(handles: list[Handle]) -> Iterator[Handle]:
    for handle in handles:
        if not handle.done():
            yield handle
            continue
        try:
            say(handle.result(0))
        except WorkerFailed as failed:
            say(failed.result)


async def live_async(url: str, todo: Todo) -> None:
    """The same with the asyncio client."""
    waiting: set[asyncio.Task[Result]] = set()
    async with AsyncClient(url, timeout=_TIMEOUT_S) as client:
        while todo or waiting:
            if todo and len(waiting) <= IN_FLIGHT - PER_MESSAGE:
                chunk, per_message = todo.take()
                try:
                    handles = await client.submit_many(chunk, per_message)
                except _TRANSIENT:
                    todo.put_back(chunk)
                    await asyncio.sleep(_PAUSE_S)
                    continue
                waiting |= {asyncio.create_task(_result(handle)) for handle in handles}
            else:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    say(task.result())


async def _result(handle: AsyncHandle) -> Result:
    try:
        return await handle.result()
    except WorkerFailed as failed:
        return failed.result


def say(result: Result) -> None:
    os.write(1, f"{result.to_json()}\n".encode())  # in one piece, or a kill could tear it


def main() -> int:
    url, kind, seed = sys.argv[1:]
    todo = Todo(json.load(sys.stdin), seed)
    try:
        if kind == "asyncio":
            asyncio.run(live_async(url, todo))
        else:
            live(url, todo)
    except CellblockError as error:
        os.write(1, f"{error!r}\n".encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
