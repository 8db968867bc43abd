"""Jobs over HTTP, through a real gateway, a real worker and real cells."""

import json
from functools import partial
from typing import Any

import pytest
from cellblock_producer.contract import Result
from cellblock_producer.keys import JobName, record_key
from redis import Redis

from tests.gateway.calling import OTHER_KEY, GatewayProcess
from tests.support.stack import Stack
from tests.worker.harness import wait_for

DIVIDE = "def main(a, b):\n    return {'result': a / b}\n"
SLEEP = "import time\ndef main(s):\n    time.sleep(s)\n    return {'slept': s}\n"


def job(code: str = DIVIDE, inputs: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "language": "python3",
        "code": code,
        "inputs": {"a": 1, "b": 4} if inputs is None else inputs,
        **fields,
    }


def is_running(redis: "Redis", key: str) -> bool:
    return redis.hget(key, "state") == b"running"


def kind(body: dict[str, Any]) -> str:
    prefix, _, name = body["type"].rpartition(":")
    assert prefix == "urn:cellblock:problem"
    return str(name)


def test_a_job_that_is_waited_for_is_answered_with_its_result(gateway: GatewayProcess) -> None:
    answer = gateway.call("POST", "/v1/jobs?wait=30", job())
    assert answer.status == 200
    result = Result.from_json(answer.body)
    assert (result.status, result.branch, result.outputs) == ("succeeded", "success", {"result": 0.25})


def test_javascript_and_the_fail_branch(gateway: GatewayProcess) -> None:
    code = "async function main({a}) { return {b: a.c.d} }"
    sent = {"language": "javascript", "code": code, "inputs": {"a": 1}, "on_error": {"strategy": "branch"}}
    said = gateway.call("POST", "/v1/jobs?wait=30", sent).json
    assert (said["status"], said["branch"], said["error"]["line"]) == ("exception", "fail", 1)


def test_without_wait_the_job_is_accepted_and_asked_for_later(gateway: GatewayProcess) -> None:
    later = job(SLEEP, {"s": 1}, id="later")
    accepted = gateway.call("POST", "/v1/jobs", later)
    assert (accepted.status, accepted.json["status"]) == (202, "pending")
    assert accepted.headers["Location"] == accepted.json["href"] == "/v1/jobs/later"
    assert gateway.call("GET", "/v1/jobs/later?wait=30").json["outputs"] == {"slept": 1}
    assert gateway.call("GET", "/v1/jobs/later").json["outputs"] == {"slept": 1}
    again = gateway.call("POST", "/v1/jobs", later)
    assert (again.status, again.json["attempts"]) == (200, 1)


def test_a_wait_that_is_over_leaves_the_job_alone(gateway: GatewayProcess) -> None:
    answer = gateway.call("POST", "/v1/jobs?wait=0.1", job(SLEEP, {"s": 1}, id="slow"))
    assert answer.status == 202
    assert gateway.call("GET", "/v1/jobs/slow?wait=30").json["outputs"] == {"slept": 1}


def test_an_id_with_other_content_is_a_conflict(gateway: GatewayProcess) -> None:
    gateway.call("POST", "/v1/jobs", job(id="taken"))
    answer = gateway.call("POST", "/v1/jobs", job(id="taken", labels={"other": "content"}))
    assert (answer.status, kind(answer.json)) == (409, "job-conflict")


def test_a_job_of_another_tenant_does_not_exist(gateway: GatewayProcess) -> None:
    gateway.call("POST", "/v1/jobs?wait=30", job(id="mine"))
    for method, path in [
        ("GET", "/v1/jobs/mine"),
        ("GET", "/v1/jobs/mine?wait=1"),
        ("DELETE", "/v1/jobs/mine"),
    ]:
        answer = gateway.call(method, path, key=OTHER_KEY)
        assert (answer.status, kind(answer.json)) == (404, "job-unknown")
    theirs = gateway.call("POST", "/v1/jobs?wait=30", job(id="mine", inputs={"a": 4, "b": 2}), key=OTHER_KEY)
    assert (theirs.json["tenant"], theirs.json["outputs"]) == ("other", {"result": 2})


def test_the_key_says_whose_job_it_is(gateway: GatewayProcess) -> None:
    answer = gateway.call("POST", "/v1/jobs", job(tenant="other"))
    assert (answer.status, kind(answer.json)) == (403, "forbidden")


def test_a_job_that_waits_is_cancelled(stack: Stack, gateway: GatewayProcess) -> None:
    with Redis.from_url(stack.url) as redis:
        running = [f"running-{number}" for number in range(2)]
        for name in running:
            gateway.call("POST", "/v1/jobs", job(SLEEP, {"s": 2}, id=name))
        for name in running:
            key = record_key(JobName("default", name))
            wait_for(partial(is_running, redis, key))
    gateway.call("POST", "/v1/jobs", job(id="waits"))
    assert gateway.call("DELETE", "/v1/jobs/waits").json == {"id": "waits", "cancellation": "cancelled"}
    assert gateway.call("GET", "/v1/jobs/waits").json["error"]["kind"] == "cancelled"
    assert gateway.call("DELETE", "/v1/jobs/waits").json["cancellation"] == "finished"
    for name in running:
        assert gateway.call("GET", f"/v1/jobs/{name}?wait=30").status == 200


def test_a_batch_says_of_each_job_what_became_of_it(gateway: GatewayProcess) -> None:
    gateway.call("POST", "/v1/jobs", job(id="in-the-way"))
    jobs = [
        job(SLEEP, {"s": 1}, id="batch-1"),
        job(id="in-the-way", labels={"a": "b"}),
        job(SLEEP, {"s": 1}, id="batch-2"),
    ]
    answer = gateway.call("POST", "/v1/jobs:batch", {"jobs": jobs})
    assert answer.status == 202
    assert [one["status"] for one in answer.json["jobs"]] == ["pending", "refused", "pending"]
    assert answer.json["jobs"][1]["problem"] == "urn:cellblock:problem:job-conflict"
    assert gateway.call("GET", "/v1/jobs/batch-2?wait=30").json["outputs"] == {"slept": 1}


def test_a_batch_with_a_job_that_is_none_queues_nothing(gateway: GatewayProcess) -> None:
    jobs = [job(id="never"), {"language": "cobol", "code": ""}]
    answer = gateway.call("POST", "/v1/jobs:batch", {"jobs": jobs})
    assert answer.status == 422
    assert [error.split(":")[0] for error in answer.json["errors"]] == ["jobs.1.language", "jobs.1.code"]
    assert gateway.call("GET", "/v1/jobs/never").status == 404


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "not-json"),
        (b"", 400, "not-json"),
        (b'{"a": NaN}', 400, "not-json"),
        (b"\xff\xfe", 400, "not-json"),
        (b'{"code": "\\ud800", "language": "python3"}', 400, "not-json"),
        (b"[" * 100_000, 400, "not-json"),
        (b"[]", 422, "invalid-job"),
        (b"{}", 422, "invalid-job"),
        (json.dumps(job(unknown=1)).encode(), 422, "invalid-job"),
        (json.dumps(job(inputs={"a": "secret-input"}, limits={"wall_ms": -1})).encode(), 422, "invalid-job"),
        (b'{"language": "python3", "code": "x", "inputs": {"a": 1' + b"0" * 5000 + b"}}", 400, "not-json"),
    ],
)
def test_bodies_that_are_no_job_are_problems_that_quote_nothing(
    gateway: GatewayProcess, body: bytes, status: int, said: str
) -> None:
    answer = gateway.call("POST", "/v1/jobs", body)
    assert (answer.status, kind(answer.json)) == (status, said)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert b"secret-input" not in answer.body


@pytest.mark.parametrize("wait", ["-1", "x", "3601", "nan", "inf"])
def test_waits_that_are_none(gateway: GatewayProcess, wait: str) -> None:
    answer = gateway.call("POST", f"/v1/jobs?wait={wait}", job())
    assert (answer.status, kind(answer.json)) == (422, "invalid-request")


def test_unknown_routes_and_methods_are_problems(gateway: GatewayProcess) -> None:
    assert kind(gateway.call("GET", "/v2").json) == "no-such-route"
    answer = gateway.call("PUT", "/v1/jobs", {})
    assert (answer.status, kind(answer.json)) == (405, "method-not-allowed")


def test_the_check_stands_behind_its_route(gateway: GatewayProcess) -> None:
    code = "import socket\ndef main(a):\n    socket.create_connection((a, 80))\n"
    said = gateway.call("POST", "/v1/check", {"code": code, "language": "python3"}).json
    assert said["refused"] is True
    assert [(one["kind"], one["line"]) for one in said["findings"]] == [("refused", 3)]
    clean = gateway.call("POST", "/v1/check", {"code": "function main() {}", "language": "javascript"})
    assert clean.json == {"findings": [], "refused": False}
    wrong = gateway.call("POST", "/v1/check", {"code": 1, "more": 2})
    assert (wrong.status, kind(wrong.json)) == (422, "invalid-request")
