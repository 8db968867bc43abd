"""Several jobs in one message: what kombu reads, and what the clients make of each job."""

import json
from itertools import count
from typing import Any

import pytest
from celery import Celery
from celery.worker.request import Request
from cellblock_producer import AsyncClient, Cancellation, Client, Job, JobConflict
from cellblock_producer.keys import DEFAULT_QUEUE
from cellblock_producer.ledger import Ledger
from cellblock_producer.lots import MAX_CHARS, lots
from cellblock_producer.wire import TASK_NAME, batch_message, batch_part, describe_batch
from redis import Redis

from tests.producer.aio import in_loop
from tests.producer.fake_worker import FakeWorker, answer, jobs_in, take_unit
from tests.producer.test_wire import receive
from tests.support.valkey import ValkeyServer

WAIT_S = 60.0
SECRET = "hunter2"


def job(number: int = 0, **fields: object) -> Job:
    given = {"language": "python3", "code": f"'{SECRET}' é\u2028 %s \"", "inputs": {"n": number}}
    return Job.model_validate(given | fields)


def take_all(redis: "Redis") -> list[list[Job]]:
    """Take every message off the queue, the oldest first."""
    messages = []
    while delivery := take_unit(redis):
        messages.append(jobs_in(delivery.message))
    return messages


def finish(redis: "Redis", *jobs: Job) -> None:
    ledger = Ledger(redis, ttl_s=60)
    for each in jobs:
        ledger.finish(each.name, answer(each))


def test_celery_reads_the_jobs_and_shows_no_code(redis: Redis, server: ValkeyServer) -> None:
    broker = f"redis+socket://{server.socket}"
    app = Celery(broker=broker, set_as_current=False)

    @app.task(name=TASK_NAME, shared=False)
    def run(jobs: list[dict[str, Any]]) -> None: ...

    sent = [job(number, tenant="acme") for number in range(3)]
    head, tail = batch_message(sent, DEFAULT_QUEUE, "the-batch")
    redis.lpush(DEFAULT_QUEUE, head + ",".join(batch_part(each.to_json()) for each in sent) + tail)
    message = receive(broker)
    args, kwargs, embed = message.payload
    assert [Job.model_validate(said) for said in args[0]] == sent
    assert (len(args), kwargs) == (1, {})
    assert embed == {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    request = Request(message, app=app)
    shown = f"jobs=3 first={sent[0].id} language=python3 tenant=acme"
    assert request.argsrepr == describe_batch(sent) == shown
    assert SECRET not in f"{request!r} {request} {request.info(safe=True)['args']}"


def test_golden_message() -> None:
    sent = [job(1, id="one"), job(2, id="two")]
    head, tail = batch_message(sent, "q", "the-batch")
    message = json.loads(head + ",".join(batch_part(each.to_json()) for each in sent) + tail)
    body = message.pop("body")
    assert body == f"[[[{sent[0].to_json()},{sent[1].to_json()}]],{{}}," + (
        '{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]'
    )
    assert SECRET not in json.dumps(message)
    assert message["headers"]["argsrepr"] == "jobs=2 first=one language=python3 tenant=default"
    assert message["headers"]["id"] == message["properties"]["correlation_id"]
    assert message["properties"]["delivery_info"] == {"exchange": "", "routing_key": "q"}


def test_jobs_are_cut_into_messages(client: Client, redis: Redis) -> None:
    sent = [job(number) for number in range(25)]
    handles = client.submit_many(sent, per_message=10)
    assert [handle.name for handle in handles] == [each.name for each in sent]
    messages = take_all(redis)
    assert [len(message) for message in messages] == [10, 10, 5]
    assert [each for message in messages for each in message] == sent
    finish(redis, *reversed(sent))
    assert [handle.result(WAIT_S).outputs["n"] for handle in handles] == list(range(25))


def test_large_jobs_go_in_messages_of_fewer() -> None:
    sizes = [MAX_CHARS // 3, MAX_CHARS // 3, MAX_CHARS // 3, 2 * MAX_CHARS, 1, 1]
    cut = lots((job(code="x" * size) for size in sizes), 100)
    assert [[len(each.job.code) for each in lot] for lot in cut] == [
        sizes[:2],
        sizes[2:3],
        sizes[3:4],
        [1, 1],
    ]


def test_a_known_job_is_left_out_of_the_message(client: Client, redis: Redis) -> None:
    queued, done, new = job(1), job(2), job(3)
    client.submit_many([queued, done])
    finish(redis, done)
    take_all(redis)
    handles = client.submit_many([queued, done, new], per_message=3)
    assert take_all(redis) == [[new]]
    assert [handle.done() for handle in handles] == [False, True, False]
    finish(redis, queued, new)
    assert [handle.result(WAIT_S).outputs["n"] for handle in handles] == [1, 2, 3]
    client.submit_many([queued, done, new], per_message=3)
    assert take_all(redis) == []


def test_a_conflict_concerns_its_own_job(client: Client, redis: Redis) -> None:
    taken = job(1, id="taken")
    first = client.submit(taken)
    take_all(redis)
    before, other, after = job(2), job(3, id="taken"), job(4)
    handles = client.submit_many([before, other, after], per_message=3)
    assert take_all(redis) == [[before, after]]
    with pytest.raises(JobConflict, match="taken"):
        handles[1].result(WAIT_S)
    with pytest.raises(JobConflict):
        handles[1].cancel()
    assert first.cancel() is Cancellation.CANCELLED
    finish(redis, before, after)
    assert [handles[place].result(WAIT_S).outputs["n"] for place in (0, 2)] == [2, 4]


def test_duplicates_inside_a_batch(client: Client, redis: Redis) -> None:
    same, other = job(1, id="same"), job(2, id="same")
    handles = client.submit_many([same, same, other], per_message=3)
    assert take_all(redis) == [[same]]
    finish(redis, same)
    assert [handle.result(WAIT_S).outputs["n"] for handle in handles[:2]] == [1, 1]
    with pytest.raises(JobConflict):
        handles[2].result(WAIT_S)


def test_the_script_is_sent_when_the_server_has_lost_it(client: Client, redis: Redis) -> None:
    client.submit_many([job()], per_message=2)
    redis.script_flush()
    client.submit_many([job(), job()], per_message=2)
    assert [len(message) for message in take_all(redis)] == [1, 2]


@pytest.mark.parametrize("per_message", [0, -1, 101])
def test_bounds(client: Client, per_message: int) -> None:
    with pytest.raises(ValueError, match="per_message"):
        client.submit_many([job()], per_message)
    with pytest.raises(ValueError, match="per_message"):
        next(client.map([job()], per_message=per_message))


def test_map_in_batches(client: Client, worker: FakeWorker) -> None:
    results = client.map(map(job, count()), WAIT_S, in_flight=30, per_message=10)
    assert sorted(next(results).outputs["n"] for _ in range(30)) == list(range(30))


@in_loop
async def test_asyncio_client(server: ValkeyServer, redis: Redis) -> None:
    async with AsyncClient(server.url) as client:
        taken = job(0, id="taken")
        await client.submit(taken)
        take_all(redis)
        sent = [job(number) for number in range(25)]
        handles = await client.submit_many([*sent, job(1, id="taken"), taken], per_message=10)
        messages = take_all(redis)
        assert [len(message) for message in messages] == [10, 10, 5]
        finish(redis, taken, *sent)
        assert [(await handle.result(WAIT_S)).outputs["n"] for handle in handles[:25]] == list(range(25))
        with pytest.raises(JobConflict, match="taken"):
            await handles[25]
        with pytest.raises(JobConflict):
            await handles[25].cancel()
        assert (await handles[26]).outputs["n"] == 0
        with pytest.raises(ValueError, match="per_message"):
            await client.submit_many([], 101)


@in_loop
async def test_many_batches_of_the_asyncio_client(server: ValkeyServer, worker: FakeWorker) -> None:
    async with AsyncClient(server.url) as client:
        handles = await client.submit_many(map(job, range(2_000)), per_message=50)
        assert [(await handle).outputs["n"] for handle in handles] == list(range(2_000))
