"""The straight path through a real worker, for our own messages and for stock Celery's."""

import base64
import json
from typing import Any

import pytest
import redis
from celery import Celery
from celery.exceptions import TaskRevokedError
from cellblock_producer.contract import ErrorKind, Job, Status
from cellblock_producer.keys import record_key
from cellblock_producer.wire import task_message
from cellblock_worker.embedded import EmbeddedServer

from tests.worker.harness import WorkerProcess, envelope, result_of, stock_app


@pytest.fixture
def app(server: EmbeddedServer, worker: WorkerProcess) -> Celery:
    return stock_app(server.url)


def make_job(**fields: Any) -> Job:
    return Job.model_validate({"language": "python3", "code": "echo"} | fields)


def test_message_of_our_client(client: redis.Redis, worker: WorkerProcess) -> None:
    job = make_job(inputs={"a": [1, None, "ü"]}, tenant="acme", labels={"node": "n1"})
    client.lpush("cellblock", task_message(job, "cellblock"))
    result = result_of(client, job.id, "acme")
    assert result.status == Status.SUCCEEDED
    assert result.outputs["echo"] == {"a": [1, None, "ü"]}
    assert (result.attempts, result.labels) == (1, {"node": "n1"})
    assert result.worker.startswith("cellblock-")
    assert not client.exists(f"celery-task-meta-{job.name.task_id}")


def test_finished_job_is_announced_to_who_waits(client: redis.Redis, worker: WorkerProcess) -> None:
    job = make_job()
    client.hset(record_key(job.name), mapping={"digest": job.digest(), "submitted_ms": 0, "reply": "here"})
    with client.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
        channel.subscribe("here")
        channel.get_message(timeout=5)
        client.lpush("cellblock", task_message(job, "cellblock"))
        announced = channel.get_message(timeout=30)
    assert announced is not None
    assert announced["data"].split(b" ", 1)[0].decode() == str(job.name)


def test_stock_send_task_gets_the_result_as_a_dict(app: Celery, client: redis.Redis) -> None:
    answer = app.send_task("cellblock.run", args=[{"language": "python", "code": "echo", "inputs": {"a": 1}}])
    result = answer.get(timeout=30)
    assert result["status"] == "succeeded"
    assert result["outputs"]["echo"] == {"a": 1}
    assert result["job_id"] == answer.id  # it had none of its own
    assert result_of(client, answer.id).model_dump(mode="json") == result


def test_stock_apply_async_of_a_signature(app: Celery) -> None:
    job = {"language": "python3", "code": "echo", "id": "my-id", "tenant": "t"}
    result = app.signature("cellblock.run", args=[job]).apply_async(priority=6).get(timeout=30)
    assert (result["job_id"], result["tenant"]) == ("my-id", "t")


def test_stock_link_receives_the_result(app: Celery, client: redis.Redis) -> None:
    link = app.signature("engine.resume", queue="engine", args=["state"])
    job = {"language": "python3", "code": "echo"}
    answer = app.send_task("cellblock.run", args=[job], link=link)
    answer.get(timeout=30)
    popped = client.brpop(["engine"], timeout=30)
    assert popped is not None
    sent = json.loads(popped[1])
    (result, state), *_ = json.loads(base64.b64decode(sent["body"]))
    assert (result["job_id"], state) == (answer.id, "state")
    assert "<Result succeeded" in sent["headers"]["argsrepr"]


def test_invalid_job_is_answered_to_the_stock_sender_and_names_the_field(app: Celery) -> None:
    answer = app.send_task("cellblock.run", args=[{"language": "python3", "code": "echo", "tennant": "x"}])
    result = answer.get(timeout=30)
    assert result["error"]["kind"] == "invalid_job"
    assert "tennant" in result["error"]["message"]


def test_inputs_that_look_like_kombus_own_types_stay_as_they_are(
    client: redis.Redis, worker: WorkerProcess
) -> None:
    inputs = {
        "u": {"__type__": "uuid", "__value__": {"hex": "0" * 32}},
        "x": {"__type__": "?", "__value__": 1},
    }
    job = make_job(inputs=inputs)
    client.lpush("cellblock", task_message(job, "cellblock"))
    assert result_of(client, job.id).outputs["echo"] == inputs


def test_delivered_twice_runs_once(client: redis.Redis, worker: WorkerProcess) -> None:
    first, after = make_job(), make_job()
    client.lpush("cellblock", task_message(first, "cellblock"))
    result_of(client, first.id)
    for job in (first, after):
        client.lpush("cellblock", task_message(job, "cellblock"))
    result_of(client, after.id)
    assert client.hget(record_key(first.name), "attempts") == b"1"


def test_same_id_with_other_content_leaves_the_result_alone(app: Celery, client: redis.Redis) -> None:
    job = {"language": "python3", "code": "echo", "id": "taken"}
    assert app.send_task("cellblock.run", args=[job]).get(timeout=30)["status"] == "succeeded"
    other = app.send_task("cellblock.run", args=[job | {"inputs": {"a": 1}}]).get(timeout=30)
    assert other["error"]["kind"] == "invalid_job"
    assert result_of(client, "taken").status == Status.SUCCEEDED


def test_deadline_that_has_passed(client: redis.Redis, worker: WorkerProcess) -> None:
    job = make_job(deadline_ms=1_000, on_error={"strategy": "branch"})
    client.lpush("cellblock", task_message(job, "cellblock"))
    result = result_of(client, job.id)
    assert (result.status, result.attempts) == (Status.EXCEPTION, 0)  # no cell was started
    assert result.error is not None
    assert result.error.kind == ErrorKind.EXPIRED


def test_message_that_expired_is_recorded(app: Celery, client: redis.Redis) -> None:
    job = {"language": "python3", "code": "echo"}
    answer = app.send_task("cellblock.run", args=[job], expires=-10, retry=False)
    with pytest.raises(TaskRevokedError):
        answer.get(timeout=30)
    error = result_of(client, answer.id).error
    assert error is not None
    assert error.kind == ErrorKind.EXPIRED


def test_our_own_fault_is_a_result_and_a_failure(app: Celery, client: redis.Redis) -> None:
    answer = app.send_task("cellblock.run", args=[{"language": "python3", "code": "raise sEcReT"}])
    with pytest.raises(Exception, match="fault of the worker") as caught:
        answer.get(timeout=30)
    assert "sEcReT" not in str(caught.value) + str(answer.traceback)
    error = result_of(client, answer.id).error
    assert error is not None
    assert error.kind == ErrorKind.INTERNAL
    assert "sEcReT" not in error.message


def test_time_limit_of_the_sender_is_ignored(app: Celery) -> None:
    job = {"language": "python3", "code": "slow"}
    answer = app.send_task("cellblock.run", args=[job], time_limit=1, soft_time_limit=1)
    assert answer.get(timeout=30)["status"] == "succeeded"


def test_a_megabyte_of_code(client: redis.Redis, worker: WorkerProcess) -> None:
    job = make_job(code="echo " + "#" * (1024 * 1024 - 5))
    client.lpush("cellblock", json.dumps(envelope(job.model_dump(mode="json"))))
    assert result_of(client, job.id).status == Status.SUCCEEDED
