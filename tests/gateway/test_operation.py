"""Hang-ups, thousands of open waits, shutdown, a second gateway, traces and metrics."""

import json
import re
import socket
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cellblock_producer.leases import Bounds, Leases
from cellblock_worker.embedded import EmbeddedServer
from redis import Redis

from tests.gateway.calling import KEY, GatewayProcess, read, write_keys
from tests.support.stack import Stack
from tests.worker.harness import wait_for

JOB: dict[str, Any] = {"language": "python3", "code": "def main(): return {'a': 1}"}
SCRIPT = {"language": "python3", "code": "print('a')"}
WAITS = 300  # `tests/benchmarks` opens 2,000


class Alone:
    """A gateway on a server of its own that no worker serves: all jobs wait."""

    def __init__(self, keys: Path, *options: str) -> None:
        self._stack = ExitStack()
        self._keys = keys
        self._options = options

    def __enter__(self) -> "Alone":
        self.server = self._stack.enter_context(EmbeddedServer())
        self.gateway = self.another()
        self.redis: Redis = self._stack.enter_context(Redis.from_url(self.server.url))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def another(self) -> GatewayProcess:
        process = GatewayProcess(self.server.url, "--keys", str(self._keys), *self._options)
        return self._stack.enter_context(process)

    def queued(self, jobs: int) -> None:
        wait_for(lambda: self.redis.zcard("cellblock:waiting:default") == jobs)


def metric(gateway: GatewayProcess, name: str) -> float:
    page = gateway.call("GET", "/metrics", key=None).body.decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    assert found is not None, page
    return float(found[1])


def waits(gateway: GatewayProcess, count: int) -> bool:
    return metric(gateway, "cellblock_gateway_open_waits") == count


def test_a_caller_that_hangs_up_frees_its_slot_and_its_job_goes_on(keys: Path) -> None:
    with Alone(keys) as alone:
        single = "a-key-with-a-single-wait"
        caller = alone.gateway.send("POST", "/v1/jobs?wait=60", JOB | {"id": "mine"}, key=single)
        wait_for(partial(waits, alone.gateway, 1))
        assert alone.gateway.call("POST", "/v1/jobs?wait=60", JOB, key=single).status == 429
        caller.close()
        wait_for(partial(waits, alone.gateway, 0))
        assert alone.gateway.call("GET", "/v1/jobs/mine?wait=0.01", key=single).status == 202
        assert metric(alone.gateway, "cellblock_gateway_hang_ups_total") == 1


def test_a_caller_of_difys_route_that_hangs_up_takes_its_job_along(keys: Path) -> None:
    with Alone(keys) as alone:
        caller = alone.gateway.send("POST", "/v1/sandbox/run", SCRIPT)
        alone.queued(1)
        caller.close()
        alone.queued(0)
        wait_for(partial(waits, alone.gateway, 0))


def test_a_run_that_has_begun_is_ended_when_its_caller_of_difys_route_hangs_up(
    stack: Stack, gateway: GatewayProcess
) -> None:
    caller = gateway.send("POST", "/v1/sandbox/run", {"language": "python3", "code": "while True: pass"})
    with Redis.from_url(stack.url) as redis:
        [unit] = wait_for(lambda: redis.zrange("cellblock:leases", 0, -1))
        caller.close()
    job_id = unit.decode().rpartition(":")[2]
    assert gateway.call("GET", f"/v1/jobs/{job_id}?wait=30").json["error"]["kind"] == "cancelled"


def test_many_open_waits_are_all_answered(stack: Stack, keys: Path, gateway: GatewayProcess) -> None:
    held = {
        "language": "python3",
        "code": "import time\ndef main(s):\n    time.sleep(s)\n    return {'s': s}",
    }
    gateway.call("POST", "/v1/jobs", held | {"inputs": {"s": 2}, "id": "held"})
    callers = [gateway.send("GET", "/v1/jobs/held?wait=60") for _ in range(WAITS)]
    answers = [read(caller) for caller in callers]
    for caller in callers:
        caller.close()
    assert {answer.status for answer in answers} == {200}
    assert {answer.json["outputs"]["s"] for answer in answers} == {2}


def test_a_shutdown_answers_who_waits_and_loses_no_job(keys: Path) -> None:
    with Alone(keys) as alone:
        by_id = alone.gateway.send("POST", "/v1/jobs?wait=60", JOB | {"id": "goes-on"})
        wait_for(partial(waits, alone.gateway, 1))
        alone.gateway.terminate()
        answer = read(by_id)
        by_id.close()
        assert (answer.status, answer.json["id"]) == (202, "goes-on")
        code, logged = alone.gateway.wait()
        assert code == 0, logged
        assert "Traceback" not in logged
        other = alone.another()
        assert other.call("GET", "/v1/jobs/goes-on").status == 202


def test_a_shutdown_lets_a_run_of_dify_end(stack: Stack, keys: Path) -> None:
    with GatewayProcess(stack.url, "--keys", str(keys)) as ending:
        code = "import time\nprint('begun', flush=True)\ntime.sleep(1)\nprint('done')"
        caller = ending.send("POST", "/v1/sandbox/run", {"language": "python3", "code": code})
        wait_for(partial(waits, ending, 1))
        ending.terminate()
        answer = read(caller)
        caller.close()
        assert answer.json["data"]["stdout"] == "begun\ndone\n"
        assert ending.wait()[0] == 0


def test_a_shutdown_ends_though_a_run_of_dify_does_not(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_GATEWAY_DRAIN_S", "0.2")
    with Alone(keys) as alone:
        caller = alone.gateway.send("POST", "/v1/sandbox/run", SCRIPT)
        wait_for(partial(waits, alone.gateway, 1))
        alone.gateway.terminate()
        answer = read(caller)
        caller.close()
        assert (answer.status, answer.json["code"]) == (200, -500)
        assert "shutting down" in answer.json["message"]
        assert alone.gateway.wait()[0] == 0
        alone.queued(0)


def test_a_second_gateway_shares_everything(stack: Stack, keys: Path, gateway: GatewayProcess) -> None:
    with GatewayProcess(stack.url, "--keys", str(keys)) as second:
        accepted = gateway.call("POST", "/v1/jobs", JOB | {"id": "shared"})
        assert accepted.status in (200, 202)
        assert second.call("GET", "/v1/jobs/shared?wait=30").json["outputs"] == {"a": 1}
        assert second.call("POST", "/v1/jobs", JOB | {"id": "shared"}).json["attempts"] == 1


def test_ready_says_whether_redis_answers(
    tmp_path: Path, gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_GATEWAY_REDIS_S", "0.2")
    assert gateway.call("GET", "/ready", key=None).json == "ready"
    nowhere = f"unix://{tmp_path}/nothing.sock"
    with GatewayProcess(nowhere, "--keys", str(write_keys(tmp_path / "keys.json"))) as cut_off:
        assert cut_off.call("GET", "/health", key=None).status == 200
        answer = cut_off.call("GET", "/ready", key=None)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        lost = cut_off.call("POST", "/v1/jobs", JOB)
        assert (lost.status, lost.json["type"]) == (503, "urn:cellblock:problem:queue-unreachable")
        assert "nothing.sock" not in lost.body.decode()
        assert cut_off.call("POST", "/v1/sandbox/run", SCRIPT).json["code"] == -503


def test_a_full_queue_says_when_to_come_again(keys: Path) -> None:
    with Alone(keys) as alone:
        Leases(alone.redis, 60_000, Bounds(100, 2)).reap("cellblock", pause_ms=0)
        for _ in range(2):
            assert alone.gateway.call("POST", "/v1/jobs", JOB).status == 202
        full = alone.gateway.call("POST", "/v1/jobs", JOB)
        assert (full.status, full.json["type"]) == (429, "urn:cellblock:problem:queue-full")
        assert 1 <= int(full.headers["Retry-After"]) <= 60
        of_dify = alone.gateway.call("POST", "/v1/sandbox/run", SCRIPT)
        assert (of_dify.status, of_dify.json["code"]) == (503, -503)
        assert 1 <= int(of_dify.headers["Retry-After"]) <= 60
        batch = alone.gateway.call("POST", "/v1/jobs:batch", {"jobs": [JOB]})
        assert batch.status == 429


def test_bytes_fill_a_queue_too(keys: Path) -> None:
    with Alone(keys) as alone:
        Leases(alone.redis, 60_000, Bounds(most_bytes_each=15_000)).reap("cellblock", pause_ms=0)
        large, huge = (JOB | {"inputs": {"a": "#" * size}} for size in (10_000, 15_000))
        assert alone.gateway.call("POST", "/v1/jobs", large).status == 202
        full = alone.gateway.call("POST", "/v1/jobs", large)
        assert (full.status, full.json["type"]) == (429, "urn:cellblock:problem:queue-full")
        never = alone.gateway.call("POST", "/v1/jobs", huge)
        assert (never.status, never.json["type"]) == (413, "urn:cellblock:problem:too-large")
        assert "15000 may wait" in never.json["detail"]


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_ids_of_request_and_trace_go_with_the_job_and_into_the_log(keys: Path) -> None:
    with Alone(keys) as alone:
        given = {"X-Request-ID": "req-1", "traceparent": TRACEPARENT, "tracestate": "vendor=a,cellblock=old"}
        answer = alone.gateway.call("POST", "/v1/jobs", JOB | {"id": "traced"}, headers=given)
        assert answer.headers["X-Request-ID"] == "req-1"
        trace = stored_trace(alone.redis, "traced")
        assert trace == {"traceparent": TRACEPARENT, "tracestate": "cellblock=req-1,vendor=a"}

        own = {"traceparent": TRACEPARENT.replace("b7ad", "aaaa")}
        alone.gateway.call("POST", "/v1/jobs", JOB | {"id": "own", "trace": own}, headers=given)
        assert stored_trace(alone.redis, "own") == own

        bad = {"X-Request-ID": "bad id", "traceparent": "00-" + "0" * 32 + "-b7ad6b7169203331-01"}
        made = alone.gateway.call("POST", "/v1/jobs", JOB | {"id": "made"}, headers=bad)
        request_id = made.headers["X-Request-ID"]
        made_trace = stored_trace(alone.redis, "made")
        assert made_trace["traceparent"][3:35] == request_id
        assert made_trace["tracestate"] == f"cellblock={request_id}"

        alone.gateway.terminate()
        code, logged = alone.gateway.wait()
    assert code == 0
    told = "request=req-1 trace=0af7651916cd43dd8448eb211c80319c key=tests tenant=default job=traced"
    assert "POST /v1/jobs 202 in " in logged
    assert told in logged
    assert KEY not in logged
    assert "return {'a'" not in logged


def stored_trace(redis: "Redis", job_id: str) -> Any:
    message = json.loads(redis.hget(f"cellblock:job:default:{job_id}", "message"))  # type: ignore[arg-type]
    return json.loads(message["body"])[0][0]["trace"]


def test_metrics_count_requests_by_route_and_name_nobody(gateway: GatewayProcess) -> None:
    gateway.call("POST", "/v1/jobs?wait=30", JOB | {"id": "counted"})
    page = gateway.call("GET", "/metrics", key=None).body.decode()
    assert 'cellblock_gateway_requests_total{method="POST",route="/v1/jobs",status="200"}' in page
    assert 'cellblock_gateway_request_seconds_bucket{le="0.002",route="/v1/jobs"}' in page
    assert "default" not in page
    assert "counted" not in page


def test_a_connection_that_sends_garbage_harms_nobody(gateway: GatewayProcess) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as raw:
        raw.sendall(b"\x00\x01garbage\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert gateway.call("GET", "/health", key=None).status == 200
