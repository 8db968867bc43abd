"""The message on the queue, read by kombu and Celery as a stock worker does."""

import json
from typing import Any

import pytest
from celery import Celery
from celery.worker.request import Request
from cellblock_producer import Job
from cellblock_producer.keys import DEFAULT_QUEUE
from cellblock_producer.wire import TASK_NAME, describe, task_message
from kombu import Connection, Consumer, Queue
from redis import Redis

from tests.support.valkey import ValkeyServer

SECRET = "hunter2"


def job(**fields: object) -> Job:
    given = {
        "language": "python3",
        "code": f"print('{SECRET} é\u2028')",
        "inputs": {"a": [SECRET, 1.5, None]},
    }
    return Job.model_validate(given | fields)


@pytest.fixture
def broker(server: ValkeyServer) -> str:
    return f"redis+socket://{server.socket}"


def receive(broker: str) -> Any:
    """Take one message off the queue as Celery's consumer does, and acknowledge it."""
    received: list[Any] = []
    with Connection(broker) as connection, connection.channel() as channel:
        with Consumer(
            channel, [Queue(DEFAULT_QUEUE)], accept=["json"], on_message=received.append, no_ack=False
        ):
            connection.drain_events(timeout=10)
        received[0].decode()
        received[0].ack()
    return received[0]


def test_a_stock_worker_reads_the_job(redis: Redis, broker: str) -> None:
    sent = job()
    redis.lpush(DEFAULT_QUEUE, task_message(sent, DEFAULT_QUEUE))
    message = receive(broker)
    args, kwargs, embed = message.payload
    assert Job.model_validate(args[0]) == sent
    assert (len(args), kwargs) == (1, {})
    assert embed == {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    assert (message.headers["task"], message.headers["id"]) == (TASK_NAME, sent.id)
    assert message.headers["ignore_result"] is True


def test_celery_makes_a_request_of_it_that_shows_no_code(redis: Redis, broker: str) -> None:
    app = Celery(broker=broker, set_as_current=False)

    @app.task(name=TASK_NAME, shared=False)
    def run(job: dict[str, Any]) -> None: ...

    sent = job(tenant="acme", id="one")
    redis.lpush(DEFAULT_QUEUE, task_message(sent, DEFAULT_QUEUE))
    request = Request(receive(broker), app=app)
    assert (request.id, request.name, request.args[0]["id"]) == ("acme:one", TASK_NAME, "one")
    assert request.argsrepr == describe(sent) == "job_id=one language=python3 tenant=acme"
    assert SECRET not in f"{request!r} {request} {request.info(safe=True)['args']}"


def test_headers_and_properties_are_those_that_celery_writes(broker: str, redis: Redis) -> None:
    app = Celery(broker=broker, set_as_current=False)
    app.conf.task_default_queue = DEFAULT_QUEUE
    with app.connection_for_write() as connection:
        app.send_task(TASK_NAME, [{}], connection=connection)
    ours, stock = json.loads(task_message(job(), DEFAULT_QUEUE)), take_raw(redis)
    assert set(ours) == set(stock)
    assert set(ours["headers"]) == set(stock["headers"])
    # kombu takes a body without `body_encoding` as it is.
    assert set(ours["properties"]) == set(stock["properties"]) - {"body_encoding"}
    assert ours["properties"]["delivery_info"] == stock["properties"]["delivery_info"]


def test_code_and_inputs_are_in_the_body_only() -> None:
    message = json.loads(task_message(job(), DEFAULT_QUEUE))
    assert SECRET in message.pop("body")
    assert SECRET not in json.dumps(message)


def test_each_message_has_a_delivery_tag_of_its_own() -> None:
    sent = job()
    tags = {json.loads(task_message(sent, "q"))["properties"]["delivery_tag"] for _ in range(100)}
    assert len(tags) == 100


def take_raw(redis: "Redis") -> Any:
    message: Any = redis.rpop(DEFAULT_QUEUE)
    return json.loads(message)


def test_any_name_will_do_for_a_queue() -> None:
    for queue in ('100%(id)s "quoted" \\ é', "%", "%%s"):
        message = json.loads(task_message(job(), queue))
        assert message["properties"]["delivery_info"]["routing_key"] == queue
        assert Job.model_validate(json.loads(message["body"])[0][0]).code == job().code
