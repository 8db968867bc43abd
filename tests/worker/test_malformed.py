"""Garbage on the queue of a real worker: recorded or dropped, once, without a word of it in the log."""

import base64
import json
import pickle
from typing import Any

import pytest
import redis
from cellblock_producer.contract import ErrorKind

from tests.worker.harness import (
    WorkerProcess,
    envelope,
    leave_in_dead_hands,
    nothing_is_left,
    result_of,
    wait_for,
)

SECRET = "sEcReT-in-the-code"
JOB = {"language": "python3", "code": f"echo {SECRET}", "id": "the-id"}
HEADERS = {"task": "cellblock.run", "id": "the-id"}
PROPERTIES: dict[str, Any] = {
    "delivery_tag": "t",
    "delivery_info": {"exchange": "", "routing_key": "cellblock"},
}
PICKLED = base64.b64encode(pickle.dumps([[JOB], {}, {}])).decode()

WITH_AN_ID: dict[str, object] = {
    "a job without an envelope": JOB,
    "no properties": envelope(JOB, properties=...),
    "no headers": envelope(JOB, headers=...),
    "headers that are a list": envelope(JOB, headers=[]),
    "an unknown task": envelope(JOB, headers=HEADERS | {"task": "other"}),
    "a task of Celery's own": envelope(JOB, headers=HEADERS | {"task": "celery.starmap"}),
    "a task that is a list": envelope(JOB, headers=HEADERS | {"task": [SECRET]}),
    "no task id": envelope(JOB, headers={"task": "cellblock.run"}),
    "pickle": envelope(
        headers=HEADERS,
        content_type="application/x-python-serialize",
        content_encoding="binary",
        body=PICKLED,
        properties=PROPERTIES | {"body_encoding": "base64"},
    ),
    "an unknown content type": envelope(JOB, content_type="text/plain"),
    "compression": envelope(JOB, headers=HEADERS | {"compression": "zlib"}),
    "a body that is not JSON": envelope(headers=HEADERS, body=f"{{ {SECRET}"),
    "a body that is an object": envelope(headers=HEADERS, body=json.dumps(JOB)),
    "a body without embed": envelope(headers=HEADERS, body=json.dumps([[JOB], {}])),
    "a body of null": envelope(headers=HEADERS, body=None),
    "a body of numbers": envelope(headers=HEADERS, body=json.dumps([1, 2, 3])),
    "a body that is nested too deeply": envelope(headers=HEADERS, body="[" * 100_000),
    "a body that is not base64": envelope(
        headers=HEADERS, body=f"!{SECRET}", properties=PROPERTIES | {"body_encoding": "base64"}
    ),
    "two arguments": envelope(JOB, JOB, headers=HEADERS),
    "no arguments": envelope(headers=HEADERS),
    "an argument by name": envelope(headers=HEADERS, body=json.dumps([[], {"job": JOB}, {}])),
    "a job that is text": envelope(SECRET, headers=HEADERS),
    "an ETA that is no time": envelope(JOB, headers=HEADERS | {"eta": SECRET}),
    "an expiry that is no time": envelope(JOB, headers=HEADERS | {"expires": {"at": SECRET}}),
    "version 2": envelope(JOB | {"v": 2}, headers=HEADERS),
    "no version": envelope(JOB | {"v": None}, headers=HEADERS),
    "an unknown field": envelope(JOB | {"colour": SECRET}, headers=HEADERS),
    "an unknown language": envelope(JOB | {"language": SECRET}, headers=HEADERS),
    "a language that is a list": envelope(JOB | {"language": [SECRET]}, headers=HEADERS),
    "no code": envelope({"language": "python3", "id": "the-id"}, headers=HEADERS),
    "a tenant with a colon": envelope(JOB | {"tenant": "a:b"}, headers=HEADERS),
    "an id that is a number": envelope(JOB | {"id": 5}, headers=HEADERS),
    "inputs that are nested too deeply": envelope(
        headers=HEADERS, body=f'[[{{"code": "x", "inputs": {{"a": {"[" * 500 + "]" * 500}}}}}], {{}}, {{}}]'
    ),
    "inputs with NaN": envelope(JOB | {"inputs": {"a": float("nan")}}, headers=HEADERS),
    "inputs with a lone surrogate": envelope(JOB | {"inputs": {"a": "\ud800"}}, headers=HEADERS),
}

WITHOUT_AN_ID: dict[str, bytes] = {
    "text": f"{SECRET} is not JSON".encode(),
    "bytes": b"\x80\x02\xff\x00" + SECRET.encode(),
    "nothing": b"",
    "a list": json.dumps([SECRET]).encode(),
    "a number": b"5",
    "a huge number": b"9" * 100_000,
    "deep nesting": b"[" * 1_000_000,
    "an empty object": b"{}",
    "an envelope of nothing": json.dumps({"headers": {}, "properties": {}, "body": SECRET}).encode(),
    "ids that are no ids": json.dumps(envelope(JOB | {"id": "a b"}, headers={"id": ["x"]})).encode(),
    "more than a message may hold": b"x" * (64 * 1024 * 1024 + 1),
}


@pytest.fixture(autouse=True)
def _forget_the_id(client: redis.Redis) -> None:
    client.flushdb()


@pytest.mark.parametrize("message", WITH_AN_ID.values(), ids=WITH_AN_ID.keys())
def test_recorded_as_invalid_job(message: object, client: redis.Redis, worker: WorkerProcess) -> None:
    client.lpush("cellblock", json.dumps(message))
    result = result_of(client, "the-id")
    assert result.error is not None
    assert result.error.kind == ErrorKind.INVALID_JOB
    _still_works(client, worker)


@pytest.mark.parametrize("message", WITHOUT_AN_ID.values(), ids=WITHOUT_AN_ID.keys())
def test_dropped(message: bytes, client: redis.Redis, worker: WorkerProcess) -> None:
    before = worker.log.count("dropped a message")
    client.lpush("cellblock", message)
    _still_works(client, worker)
    assert worker.log.count("dropped a message") == before + 1
    assert len(client.keys("cellblock:result:*")) == 1


def test_no_other_message_is_lost(client: redis.Redis, worker: WorkerProcess) -> None:
    for number in range(50):
        client.lpush("cellblock", json.dumps(envelope(JOB | {"id": f"good-{number}"})))
        client.lpush("cellblock", *WITHOUT_AN_ID.values())
    for number in range(50):
        assert result_of(client, f"good-{number}").outputs["echo"] == {}
    _still_works(client, worker)


def test_garbage_among_what_comes_back_is_dropped_and_blocks_nothing(
    client: redis.Redis, worker: WorkerProcess
) -> None:
    lost = json.dumps(envelope(JOB | {"id": "came-back"}))
    garbage = ["not JSON", "[1]", "", f'[{{"x": "{SECRET}"}}, "", "cellblock"]']
    leave_in_dead_hands(client, [*garbage, lost])
    client.zadd("cellblock:leases", {"cellblock:message:nothing": 0})
    assert result_of(client, "came-back").outputs["echo"] == {}
    wait_for(lambda: nothing_is_left(client))
    _still_works(client, worker)


def test_wake_ups_for_nothing_are_harmless(client: redis.Redis, worker: WorkerProcess) -> None:
    client.lpush("cellblock", *["take"] * 100)
    _still_works(client, worker)


def _still_works(client: redis.Redis, worker: WorkerProcess) -> None:
    client.lpush("cellblock", json.dumps(envelope({"language": "python3", "code": "echo", "id": "next"})))
    assert result_of(client, "next").error is None
    wait_for(lambda: nothing_is_left(client))
    assert worker.running
    assert "Connection to broker lost" not in worker.log
    assert SECRET not in worker.log
