"""Code and inputs are in no log line, event, answer to inspect, or exception, whoever sent the job."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery
from cellblock_producer.contract import Job
from cellblock_producer.wire import task_message
from cellblock_worker.embedded import EmbeddedServer

from tests.worker.harness import WorkerProcess, envelope, result_of, stock_app, wait_for

SECRET = "sEcReT-in-code-and-inputs"


class Events:
    """Every event that the worker sends, as Flower would receive it."""

    def __init__(self, app: Celery) -> None:
        self.seen: list[dict[str, Any]] = []
        self._receiver = app.events.Receiver(app.connection_for_read(), handlers={"*": self.seen.append})
        self._thread = threading.Thread(target=self._receiver.capture, kwargs={"wakeup": False}, daemon=True)
        self._thread.start()
        with app.events.Dispatcher(app.connection_for_write()) as dispatcher:
            wait_for(lambda: dispatcher.send("test-probe") or self.seen)

    def close(self) -> None:
        self._receiver.should_stop = True
        self._thread.join()

    def of(self, task_id: str) -> dict[str, dict[str, Any]]:
        return {event["type"]: event for event in list(self.seen) if event.get("uuid") == task_id}


@pytest.fixture(scope="module")
def worker(server: EmbeddedServer) -> Iterator[WorkerProcess]:
    with WorkerProcess(server.url, EVENTS="full", MAX_ATTEMPTS="1") as worker:
        yield worker.wait_until_ready()


@pytest.fixture(scope="module")
def app(server: EmbeddedServer, worker: WorkerProcess) -> Celery:
    return stock_app(server.url)


@pytest.fixture(scope="module")
def events(app: Celery) -> Iterator[Events]:
    events = Events(app)
    yield events
    events.close()


def job_fields(do: str) -> dict[str, Any]:
    return {"language": "python3", "code": f"{do} {SECRET}", "inputs": {SECRET: {"deep": SECRET}}}


@pytest.mark.parametrize(
    ("do", "end"), [("echo", "task-succeeded"), ("raise", "task-failed"), ("die", "task-failed")]
)
def test_stock_sender(do: str, end: str, app: Celery, events: Events, worker: WorkerProcess) -> None:
    answer = app.send_task("cellblock.run", args=[job_fields(do)])
    seen = wait_for(lambda: events.of(answer.id) if end in events.of(answer.id) else None)
    shown = f"job_id={answer.id} language=python3 tenant=default"
    assert (seen["task-received"]["args"], seen["task-received"]["kwargs"]) == (shown, "{}")
    assert SECRET not in json.dumps(events.seen)
    assert SECRET not in worker.log
    assert answer.id in worker.log


def test_our_client(client: redis.Redis, events: Events, worker: WorkerProcess) -> None:
    job = Job.model_validate(job_fields("echo") | {"tenant": "acme"})
    client.lpush("cellblock", task_message(job, "cellblock"))
    task_id = job.name.task_id
    seen = wait_for(lambda: events.of(task_id) if "task-succeeded" in events.of(task_id) else None)
    assert seen["task-received"]["args"] == f"job_id={job.id} language=python3 tenant=acme"
    assert seen["task-succeeded"]["result"] == f"<Result succeeded job_id={job.id}>"
    assert SECRET not in json.dumps(events.seen) + worker.log


def test_headers_of_a_sender_are_not_believed(
    client: redis.Redis, events: Events, worker: WorkerProcess
) -> None:
    said: dict[str, Any] = dict.fromkeys(("argsrepr", "kwargsrepr", "shadow", "lang", "meth"), SECRET)
    headers = said | {
        "task": "cellblock.run",
        "id": "loud",
        "stamps": {"s": SECRET},
        "stamped_headers": ["s"],
    }
    client.lpush("cellblock", json.dumps(envelope(job_fields("echo"), headers=headers)))
    wait_for(lambda: "task-succeeded" in events.of("loud"))
    assert SECRET not in json.dumps(events.seen) + worker.log


def test_inspect_and_revoke(app: Celery, client: redis.Redis, events: Events, worker: WorkerProcess) -> None:
    answer = app.send_task("cellblock.run", args=[job_fields("hang")])
    waiting = app.send_task("cellblock.run", args=[job_fields("echo")], countdown=3600)
    wait_for(lambda: "task-started" in events.of(answer.id) and "task-received" in events.of(waiting.id))
    inspect = app.control.inspect(timeout=5)
    told = [
        inspect.active(),
        inspect.reserved(),
        inspect.scheduled(),
        inspect.query_task(answer.id, waiting.id),
    ]
    assert answer.id in json.dumps(told)
    assert waiting.id in json.dumps(told)
    app.control.revoke([answer.id, waiting.id], terminate=True)
    error = result_of(client, answer.id).error
    assert error is not None
    assert error.kind == "cancelled"
    assert SECRET not in json.dumps(told + events.seen) + worker.log


def test_batch(client: redis.Redis, events: Events, worker: WorkerProcess) -> None:
    members = [job_fields("echo"), job_fields("raise"), {SECRET: SECRET}, SECRET, job_fields("die")]
    headers = {"task": "cellblock.run", "id": "several", "argsrepr": SECRET}
    client.lpush("cellblock", json.dumps(envelope(members, headers=headers)))
    seen = wait_for(lambda: events.of("several") if "task-succeeded" in events.of("several") else None)
    assert seen["task-received"]["args"] == "jobs=5 first=several.0 language=python3 tenant=default"
    assert seen["task-succeeded"]["result"] == "<Results jobs=5>"
    kinds = [result_of(client, f"several.{place}").error for place in range(1, 5)]
    assert [error and error.kind for error in kinds] == [
        "internal",
        "invalid_job",
        "invalid_job",
        "worker_lost",
    ]
    assert SECRET not in json.dumps(events.seen) + worker.log
