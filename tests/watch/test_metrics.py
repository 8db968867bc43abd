"""What a worker tells Prometheus, from real jobs in real cells."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cellblock_producer import Client
from cellblock_producer.contract import Job
from redis import Redis

from tests.support.stack import Stack
from tests.watch.looking import address_of, metrics, total
from tests.worker.harness import wait_for

RIGHT = "def main(a):\n    return {'b': a}"
JAVASCRIPT = "function main({a}) { return {b: a} }"
NETWORK = "import socket\ndef main():\n    socket.create_connection(('10.0.0.1', 80))"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(
        CELLBLOCK_HTTP="127.0.0.1:0",
        CELLBLOCK_METRICS_TENANTS="2",
        CELLBLOCK_MAX_QUEUED_BYTES="1000000",
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as client:
        yield client


@pytest.fixture(scope="module")
def url(stack: Stack) -> str:
    return address_of(stack)


def job(code: str = RIGHT, language: str = "python3", **fields: object) -> Job:
    inputs = {} if code is NETWORK else {"a": 1}
    return Job.model_validate({"language": language, "code": code, "inputs": inputs} | fields)


def test_each_job_is_counted_once_by_language_branch_kind_and_tenant(client: Client, url: str) -> None:
    branch = {"strategy": "branch"}
    jobs = [
        *(job() for _ in range(6)),
        *(job(JAVASCRIPT, "nodejs") for _ in range(3)),
        *(job(NETWORK, on_error=branch) for _ in range(2)),
    ]
    assert len(list(client.map(jobs, timeout=60))) == 11
    counted = metrics(url)
    told = {
        (labels["language"], labels["branch"], labels["kind"], labels["tenant"]): value
        for labels, value in counted["cellblock_jobs_total"]
    }
    assert told == {
        ("python3", "success", "", "default"): 6,
        ("nodejs", "success", "", "default"): 3,
        ("python3", "fail", "blocked", "default"): 2,
    }
    for histogram in ("job_queue", "job_run", "job_total"):
        assert total(counted[f"cellblock_{histogram}_seconds_count"]) == 11, histogram
    cells = counted["cellblock_cell_start_seconds_count"]
    assert (total(cells, runtime="python3"), total(cells, runtime="nodejs")) == (8, 3)
    assert total(counted["cellblock_standby_total"]) == 11
    # The second pool process may still be warming up.
    wait_for(lambda: total(metrics(url)["cellblock_zygote_starts_total"], runtime="python3") == 2)


def test_tenants_beyond_the_first_few_share_a_label(client: Client, url: str) -> None:
    assert len(list(client.map([job(tenant=f"tenant-{n % 8}") for n in range(32)], timeout=60))) == 32
    tenants = {labels["tenant"] for labels, _ in metrics(url)["cellblock_jobs_total"]}
    assert len(tenants) == 3
    assert {"default", "other"} < tenants


def test_the_queue_the_slots_and_the_sandbox_are_told_of(stack: Stack, url: str) -> None:
    told = metrics(url)
    assert total(told["cellblock_redis_up"]) == 1
    places = [labels["place"] for labels, _ in told["cellblock_queue_messages"]]
    assert places == ["waiting", "in_hand", "dead"]
    assert total(told["cellblock_queue_bytes"]) == 0
    with Redis.from_url(stack.url) as redis:  # the bounds that it tells clients
        wait_for(lambda: redis.hget("cellblock:shares", "*bounds") == b"100000 50000 1000000 268435456")
    assert [labels["slot"] for labels, _ in told["cellblock_slot_memory_bytes"]] == ["0", "1"]
    assert all(value > 10 << 20 for _, value in told["cellblock_slot_memory_bytes"])
    assert total(told["cellblock_sandbox_layer"], layer="seccomp") == 1
    assert total(told["cellblock_selftest_ok"]) == total(told["cellblock_ready"]) == 1
    assert told["cellblock_build_info"][0][0].keys() == {"version", "python", "celery"}


def test_counts_outlive_a_pool_process_and_are_looked_at_while_jobs_run(
    stack: Stack, client: Client, url: str
) -> None:
    before = total(metrics(url)["cellblock_jobs_total"])
    assert stack.worker is not None
    os.kill(max(children(stack.worker.pid)), signal.SIGKILL)
    with ThreadPoolExecutor() as threads:
        seen = threads.submit(lambda: [total(metrics(url)["cellblock_jobs_total"]) for _ in range(10)])
        assert len(list(client.map([job() for _ in range(40)], timeout=60))) == 40
        counts = seen.result()
    assert counts == sorted(counts)
    assert counts[0] >= before
    assert total(metrics(url)["cellblock_jobs_total"]) == before + 40


def children(worker: int) -> list[int]:
    """Its pool processes: forked last of all that it starts."""
    return [int(pid) for pid in Path(f"/proc/{worker}/task/{worker}/children").read_text().split()]
