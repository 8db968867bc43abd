"""A tenant that floods, a real worker with two pool processes, real cells: whose job is begun when.

Counted by the server's clock, after the fact: how many of the flood's jobs were begun between the moment that
another job was submitted and the moment that it was begun.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from cellblock_producer import Client, Job, JobName, QueueFull
from cellblock_producer.keys import DEFAULT_QUEUE, SHARES, record_key

from tests.support.stack import Stack
from tests.worker.harness import wait_for

SLOTS = 2
MOST_EACH = 2000
SETTINGS = {
    "CELLBLOCK_CONCURRENCY": str(SLOTS),
    "CELLBLOCK_RUNTIMES": json.dumps({"python3": {}}),
    "CELLBLOCK_MAX_QUEUED_PER_TENANT": str(MOST_EACH),
    "CELLBLOCK_LOG_LEVEL": "warning",
}
CODE = "import time\ndef main():\n    time.sleep(0.02)\n    return {}\n"


def job(job_id: str, tenant: str, priority: int = 5) -> Job:
    return Job.model_validate(
        {"id": job_id, "tenant": tenant, "language": "python3", "code": CODE, "priority": priority}
    )


LOT = 100


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(**SETTINGS) as stack:
        yield stack


@pytest.fixture(scope="module")
def server(stack: Stack) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(stack.url) as server:
        yield server


@pytest.fixture(scope="module")
def producer(stack: Stack, server: redis.Redis) -> Iterator[Client]:
    wait_for(lambda: server.hexists(DEFAULT_QUEUE + SHARES, "*bounds"))  # the worker is there
    with Client(stack.url) as client:
        yield client


class Flood:
    """Jobs of one tenant, of which as many wait as may."""

    tenant = "flood"

    def __init__(self, client: Client, server: redis.Redis) -> None:
        self._client = client
        self._server = server
        self._jobs: list[Job] = []

    def fill(self) -> None:
        """Submit until the queue refuses more."""
        while True:
            lot = [job(f"flood-{len(self._jobs) + n}", self.tenant) for n in range(LOT)]
            self._jobs += lot
            try:
                self._client.submit_many(lot)
            except QueueFull as full:
                assert (full.tenant, full.bound, full.most) == (self.tenant, "tenant", MOST_EACH)
                return

    @property
    def goes_on(self) -> bool:
        return self._server.zcard(f"{DEFAULT_QUEUE}:waiting:{self.tenant}") > 0

    def begun_before(self, name: JobName) -> int:
        """Count the jobs of the flood that were begun while this one waited."""
        times: list[Any] = self._server.hmget(record_key(name), "at", "began")
        at, began = (int(number) for number in times)
        pipe = self._server.pipeline(transaction=False)
        for each in self._jobs:
            pipe.hget(record_key(each.name), "began")
        return sum(at < int(number) < began for number in pipe.execute() if number)


@pytest.fixture(scope="module")
def the_flood(producer: Client, server: redis.Redis) -> Flood:
    return Flood(producer, server)


@pytest.fixture
def flood(the_flood: Flood) -> Flood:
    """A flood that has just been filled up."""
    the_flood.fill()
    return the_flood


def test_the_single_jobs_of_other_tenants_wait_for_what_is_in_hand_alone(
    flood: Flood, producer: Client
) -> None:
    for n in range(5):
        handle = producer.submit(job("single", f"small-{n}"))
        assert handle.result(timeout=60).status == "succeeded"
        assert flood.begun_before(handle.name) <= SLOTS
    assert flood.goes_on


def test_several_other_tenants_at_once_wait_for_each_other_and_not_for_the_flood(
    flood: Flood, producer: Client
) -> None:
    handles = producer.submit_many([job("at-once", f"small-{n}") for n in range(10)])
    for handle in handles:
        handle.result(timeout=60)
    assert max(flood.begun_before(handle.name) for handle in handles) <= SLOTS + len(handles)
    assert flood.goes_on


def test_an_urgent_job_of_the_flood_itself_goes_before_the_rest(flood: Flood, producer: Client) -> None:
    handle = None
    while handle is None:  # the flood has left no room; a job that is taken makes some
        with suppress(QueueFull):
            handle = producer.submit(job("urgent", flood.tenant, priority=9))
    handle.result(timeout=60)
    assert flood.begun_before(handle.name) <= SLOTS
    assert flood.goes_on
