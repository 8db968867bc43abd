"""A tenant that floods a real worker with two pool processes, and how others fare meanwhile.

Counted by the server's clock, after the fact: how many of the flood's jobs were begun between the moment that
another job was submitted and the moment that it was begun.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from cellblock_producer import Client, Job, JobName, QueueFull
from cellblock_producer.keys import DEFAULT_QUEUE, SHARES, WAITING, record_key

from tests.support.stack import Stack
from tests.worker.harness import wait_for

SLOTS = 2
_LOT = 100


def job(job_id: str, tenant: str, priority: int = 5, takes_s: float = 0.02) -> Job:
    """Return a job that takes so long and uses next to no CPU."""
    code = f"import time\ndef main():\n    time.sleep({takes_s})\n    return {{}}\n"
    return Job.model_validate(
        {"id": job_id, "tenant": tenant, "language": "python3", "code": code, "priority": priority}
    )


@contextmanager
def world(most_each: int) -> Iterator[tuple[Client, redis.Redis]]:
    """Run a worker that lets so many jobs of a tenant wait; yield a client and a connection to Redis."""
    settings = {
        "CELLBLOCK_CONCURRENCY": str(SLOTS),
        "CELLBLOCK_RUNTIMES": json.dumps({"python3": {}}),
        "CELLBLOCK_MAX_QUEUED_PER_TENANT": str(most_each),
        "CELLBLOCK_LOG_LEVEL": "warning",
    }
    with (
        Stack(**settings) as stack,
        redis.Redis.from_url(stack.url) as server,
        Client(stack.url) as client,
    ):
        wait_for(lambda: server.hexists(DEFAULT_QUEUE + SHARES, "*bounds"))  # the worker has told
        yield client, server


class Flood:
    """Jobs of one tenant, of which as many wait as may."""

    tenant = "flood"

    def __init__(self, client: Client, server: redis.Redis) -> None:
        self._client = client
        self._server = server
        self._jobs: list[Job] = []

    def fill(self) -> QueueFull:
        """Submit until the queue refuses more, and return its words."""
        while True:
            lot = [job(f"flood-{len(self._jobs) + n}", self.tenant) for n in range(_LOT)]
            self._jobs += lot
            try:
                self._client.submit_many(lot)
            except QueueFull as full:
                return full

    @property
    def waiting(self) -> int:
        return int(self._server.zcard(DEFAULT_QUEUE + WAITING + self.tenant))

    def begun_before(self, name: JobName) -> int:
        """Count the jobs of the flood that were begun while this one waited."""
        times: list[Any] = self._server.hmget(record_key(name), "at", "began")
        at, began = (int(number) for number in times)
        return sum(at < each < began for each in self.begins())

    def begins(self) -> list[int]:
        """Return when those were begun that were, in microseconds by the server's clock."""
        pipe = self._server.pipeline(transaction=False)
        for each in self._jobs:
            pipe.hget(record_key(each.name), "began")
        return [int(began) for began in pipe.execute() if began]
