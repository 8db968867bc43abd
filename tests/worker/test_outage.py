"""The server is away for a while: who waits goes on waiting, and gets its Result.

OUTAGE_S says for how many seconds; 30 and more are served, too.
"""

import asyncio
import os
import time
from collections.abc import Iterator

import pytest
from cellblock_producer import AsyncClient, Client, Job

from tests.support.valkey import ValkeyServer, running_valkey
from tests.worker.harness import WorkerProcess, nothing_is_left, wait_for

OUTAGE_S = float(os.environ.get("OUTAGE_S", "3"))
WAIT_S = OUTAGE_S + 60


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    with running_valkey("--appendonly", "yes") as server:
        yield server


def make_jobs(count: int, code: str = "slow") -> list[Job]:
    return [Job.model_validate({"language": "python3", "code": code}) for _ in range(count)]


def be_away(server: ValkeyServer) -> None:
    server.stop()
    time.sleep(OUTAGE_S)
    server.start()


def begun(server: ValkeyServer) -> bool:
    with server.connect() as redis:
        return bool(redis.zcard("cellblock:leases") == 2)


@pytest.mark.timeout(WAIT_S + 60)
def test_results_come_after_an_outage(server: ValkeyServer) -> None:
    jobs = make_jobs(4)
    with WorkerProcess(server.url).wait_until_ready(), Client(server.url) as client:
        handles = client.submit_many(jobs)
        wait_for(lambda: begun(server))
        be_away(server)
        assert [handle.result(WAIT_S).error for handle in handles] == [None] * 4
        with Client(server.url) as again:  # one that was restarted, with the same jobs
            assert [handle.result(5).error for handle in again.submit_many(jobs)] == [None] * 4
        with server.connect() as redis:
            wait_for(lambda: nothing_is_left(redis))


@pytest.mark.timeout(WAIT_S + 60)
def test_results_come_to_the_asyncio_client_after_an_outage(server: ValkeyServer) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            handles = await client.submit_many(make_jobs(4))
            await asyncio.to_thread(wait_for, lambda: begun(server))
            server.stop()
            await asyncio.sleep(OUTAGE_S)
            server.start()
            results = await asyncio.gather(*(handle.result(WAIT_S) for handle in handles))
            assert [result.error for result in results] == [None] * 4

    with WorkerProcess(server.url).wait_until_ready():
        asyncio.run(main())
