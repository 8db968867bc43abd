"""One id is one job: whoever submits it, however often and how, it runs once and all get the one Result.

The jobs answer with a random number, so that two runs could not be taken for one.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from cellblock_producer import AsyncClient, Client, Job, JobConflict, Result
from cellblock_producer.keys import record_key, result_key
from cellblock_producer.wire import TASK_NAME

from tests.support.stack import Stack
from tests.worker.harness import stock_app, wait_for

RANDOM = "import random\ndef main():\n    return {'n': random.random()}\n"
SLOW = "import random, time\ndef main():\n    time.sleep(0.5)\n    return {'n': random.random()}\n"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(CELLBLOCK_RUNTIMES=json.dumps({"python3": {}})) as stack:
        yield stack


@pytest.fixture(scope="module")
def clients(stack: Stack) -> Iterator[tuple[Client, Client]]:
    with Client(stack.url) as one, Client(stack.url) as other:
        yield one, other


@pytest.fixture(scope="module")
def server(stack: Stack) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(stack.url) as server:
        yield server


def job(job_id: str, code: str = RANDOM, **fields: Any) -> Job:
    return Job.model_validate({"id": job_id, "language": "python3", "code": code} | fields)


def wait_until_begun(server: redis.Redis, job: Job) -> None:
    wait_for(lambda: server.hget(record_key(job.name), "state") in (b"running", b"done"))


def test_two_clients_at_once(stack: Stack, clients: tuple[Client, Client]) -> None:
    jobs = [job(f"at-once-{n}") for n in range(30)]
    found: dict[int, list[Result]] = {}
    gate = threading.Barrier(len(clients))

    def submit(which: int) -> None:
        gate.wait()
        handles = [clients[which].submit(each) for each in jobs]
        found[which] = [handle.result(timeout=60) for handle in handles]

    threads = [threading.Thread(target=submit, args=(which,)) for which in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert {result.attempts for result in found[0]} == {1}
    assert len({result.outputs["n"] for result in found[0]}) == len(jobs)


def test_the_other_client_while_it_runs_and_when_it_is_done(
    clients: tuple[Client, Client], server: redis.Redis
) -> None:
    slow = job("slow", SLOW)
    first = clients[0].submit(slow)
    wait_until_begun(server, slow)
    second = clients[1].submit(slow)
    assert second.result(timeout=60) == first.result(timeout=60)
    third = clients[1].submit(slow)
    assert third.done()
    assert third.result() == first.result()


def test_by_every_way_that_leads_to_the_queue(
    stack: Stack, clients: tuple[Client, Client], server: redis.Redis
) -> None:
    one = job("every-way", SLOW)
    single = clients[0].submit(one)
    batch = clients[1].submit_many([job("neighbour"), one, one], per_message=3)

    async def submit() -> Result:
        async with AsyncClient(stack.url) as client:
            return await client.run(one, timeout=60)

    with stock_app(stack.url) as stock:
        sent = [stock.send_task(TASK_NAME, args=[one.model_dump(mode="json")]) for _ in range(2)]
        results = [single.result(timeout=60), *(handle.result(timeout=60) for handle in batch[1:])]
        results += [asyncio.run(submit()), *(Result.model_validate(each.get(timeout=60)) for each in sent)]
    assert {result.to_json() for result in results} == {results[0].to_json()}
    assert results[0].attempts == 1
    assert server.hget(record_key(one.name), "attempts") == b"1"


@pytest.mark.parametrize("when", ["queued", "running", "done"])
def test_other_content_is_an_error_and_changes_nothing(
    clients: tuple[Client, Client], server: redis.Redis, when: str
) -> None:
    blocker = clients[0].submit_many([job(f"blocker-{when}-{n}", SLOW) for n in range(4)])
    first, other = job(f"taken-{when}", SLOW), job(f"taken-{when}", RANDOM)
    handle = clients[0].submit(first)
    if when == "running":
        wait_until_begun(server, first)
    if when == "done":
        handle.result(timeout=60)
    with pytest.raises(JobConflict, match="exists with other content"):
        clients[1].submit(other)
    [by_batch] = clients[1].submit_many([other], per_message=2)
    with pytest.raises(JobConflict):
        by_batch.result(timeout=60)
    assert handle.result(timeout=60) == clients[1].submit(first).result(timeout=60)
    for each in blocker:
        each.result(timeout=60)


def test_another_tenant_has_ids_of_its_own(clients: tuple[Client, Client]) -> None:
    mine = clients[0].run(job("shared"), timeout=60)
    theirs = clients[1].run(job("shared", RANDOM + "# theirs", tenant="other"), timeout=60)
    assert mine.outputs != theirs.outputs


def test_when_its_record_is_gone_it_is_a_new_job(stack: Stack, server: redis.Redis) -> None:
    with Client(stack.url, ttl_s=1) as client:
        again = job("again")
        first = client.run(again, timeout=60)
        wait_for(lambda: not server.exists(record_key(again.name), result_key(again.name)))
        assert client.run(again, timeout=60).outputs != first.outputs
