"""What an asyncio client keeps when a wait is cancelled, it is closed in the middle, or it is forgotten."""

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from cellblock_producer import AsyncClient, ClientClosed, Result
from cellblock_producer.slot import Slot
from redis import Redis

from tests.producer.aio import WAIT_S, in_loop, internals, is_idle, job, until, until_asked
from tests.producer.fake_worker import FakeWorker
from tests.support.valkey import ValkeyServer


async def first(results: AsyncGenerator[Result, None]) -> Result:
    async with aclosing(results):
        return await anext(results)


async def cancelled(task: "asyncio.Task[object]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@in_loop
async def test_a_cancelled_wait_leaves_nothing_and_the_job_goes_on(server: ValkeyServer) -> None:
    async with AsyncClient(server.url) as client:
        handle = await client.submit(job(1))
        waiters = [asyncio.create_task(handle.result(timeout)) for timeout in (None, WAIT_S) for _ in "ab"]
        await asyncio.sleep(0)
        (slot,) = internals(client)["outstanding"].values()
        assert len(slot._wakers) == 4
        for waiter in waiters:
            await cancelled(waiter)
        assert slot._wakers == []
        del waiters, waiter
        with FakeWorker(server):
            assert (await handle).outputs == {"n": 1}
        assert is_idle(client)
        name = handle.name
        del handle, slot
        gc.collect()
        assert not [each for each in gc.get_objects() if isinstance(each, Slot) and each.name == name]


@in_loop
async def test_a_submission_cancelled_in_line_is_never_made(server: ValkeyServer, redis: Redis) -> None:
    async with AsyncClient(server.url) as client:
        task = asyncio.create_task(client.submit(job(1)))
        await asyncio.sleep(0)
        assert len(internals(client)["line"]) == 1  # there is no connection yet
        await cancelled(task)
        await client.submit(job(2))
        assert redis.llen("cellblock") == 1


@in_loop
async def test_a_submission_cancelled_under_way_leaves_nothing(server: ValkeyServer, redis: Redis) -> None:
    async with AsyncClient(server.url) as client:
        await client.submit(job(1, id="one"))
        task = asyncio.create_task(client.submit(job(2)))
        for _ in range(2):  # one turn to get in line, one to be sent
            await asyncio.sleep(0)
        assert len(internals(client)["expected"]) == 1
        await cancelled(task)
        await client.submit(job(3, id="three"))  # its reply comes after that of the cancelled one
        assert set(internals(client)["outstanding"]) == {"default:one", "default:three"}
        assert redis.llen("cellblock") == 3
        with FakeWorker(server) as worker:
            await (await client.attach("three"))
            await (await client.attach("one"))
        assert len(worker.ran) == 3
        assert is_idle(client)


@in_loop
async def test_a_batch_cancelled_in_the_middle_leaves_nothing(server: ValkeyServer, redis: Redis) -> None:
    async with AsyncClient(server.url) as client:
        task = asyncio.create_task(client.submit_many(job(number) for number in range(5000)))
        await until_asked(redis, 300)
        await cancelled(task)
        await client.submit(job(1))
        assert not internals(client)["line"]
        assert not internals(client)["expected"]
        assert redis.llen("cellblock") < 5000


@in_loop
async def test_a_wait_for_a_connection_that_is_cancelled_ends_the_attempts() -> None:
    async with AsyncClient("unix:///nonexistent/socket", timeout=WAIT_S) as client:
        tasks = [asyncio.create_task(client.submit(job(number))) for number in range(3)]
        await asyncio.sleep(0.01)
        assert [task.get_name() for task in asyncio.all_tasks()].count("cellblock-connect") == 1
        for task in tasks:
            await cancelled(task)
        assert is_idle(client)
        for _ in range(3):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}


@in_loop
async def test_leaving_a_map_early_leaves_nothing(server: ValkeyServer) -> None:
    async with AsyncClient(server.url) as client:
        results = client.map(job(number) for number in range(100))
        task = asyncio.create_task(first(results))
        await until(lambda: bool(internals(client)["outstanding"]))
        await cancelled(task)
        assert [slot._wakers for slot in internals(client)["outstanding"].values() if slot._wakers] == []
        assert asyncio.all_tasks() == {asyncio.current_task()}


@in_loop
async def test_closing_in_the_middle_tells_everyone(server: ValkeyServer, redis: Redis) -> None:
    before = len(redis.client_list())
    client = AsyncClient(server.url)
    handles = await client.submit_many(job(number) for number in range(50))
    tasks: list[asyncio.Task[object]] = [asyncio.create_task(handle.result()) for handle in handles]
    tasks += [asyncio.create_task(client.submit_many(job(number) for number in range(3000)))]
    tasks += [asyncio.create_task(client.get(handle.job_id)) for handle in handles]
    tasks += [asyncio.create_task(first(client.map(job(number) for number in range(50))))]
    await asyncio.sleep(0)
    await client.close()
    failures = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(failure) for failure in failures} == {ClientClosed}
    assert is_idle(client)
    with pytest.raises(ClientClosed, match="was closed"):
        await client.submit(job(1))
    with pytest.raises(ClientClosed):
        await handles[0]
    await client.close()
    await until(lambda: len(redis.client_list()) == before)  # the server takes its time to notice


@in_loop
async def test_closing_while_connecting_ends_the_attempt() -> None:
    client = AsyncClient("unix:///nonexistent/socket", timeout=WAIT_S)
    task = asyncio.create_task(client.submit(job(1)))
    await asyncio.sleep(0.01)
    await client.close()
    with pytest.raises(ClientClosed):
        await task


@in_loop
async def test_results_that_came_before_the_close_can_still_be_read(
    server: ValkeyServer, worker: FakeWorker
) -> None:
    async with AsyncClient(server.url) as client:
        handle = await client.submit(job(1))
        await handle.result(WAIT_S)
    assert (await handle).outputs == {"n": 1}


def test_another_event_loop_is_told_to_make_its_own(server: ValkeyServer) -> None:
    client = AsyncClient(server.url)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        handle = first.run(client.submit(job(1)))
        for use in (client.submit(job(2)), handle.result(), client.close()):
            with pytest.raises(ClientClosed, match="another event loop"):
                second.run(use)
        first.run(client.close())


@in_loop
async def test_a_forked_process_must_make_its_own_client(server: ValkeyServer, worker: FakeWorker) -> None:
    async with AsyncClient(server.url) as client:
        await client.run(job(1), timeout=WAIT_S)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                await client.submit(job(2))
            except ClientClosed:
                await client.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0  # noqa: ASYNC222 - it ends at once
        # The child's end has not touched the parent's connection.
        assert (await client.run(job(3), timeout=WAIT_S)).outputs == {"n": 3}


@in_loop
async def test_a_forgotten_client_warns_and_gives_up_its_connection(
    server: ValkeyServer, redis: Redis
) -> None:
    before = len(redis.client_list())
    client = AsyncClient(server.url)
    await client.submit(job(1))
    with pytest.warns(ResourceWarning, match="unclosed AsyncClient"):
        del client
        gc.collect()
    await until(lambda: len(redis.client_list()) == before)


@pytest.mark.parametrize("url", [None, "unix:///nonexistent/socket"])
def test_a_forgotten_client_keeps_no_program_from_ending(server: ValkeyServer, url: str | None) -> None:
    program = """
        import asyncio, sys
        from cellblock_producer import AsyncClient, Unreachable
        async def main():
            client = AsyncClient(sys.argv[1], timeout=0.05)
            try:
                await client.submit({"language": "python3", "code": "x"})
            except Unreachable:
                print("unreachable")
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(program), url or server.url],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )
    if url is None:
        assert "ResourceWarning: unclosed AsyncClient" in done.stderr
    else:
        assert (done.stdout, done.stderr) == ("unreachable\n", "")
