"""Takes jobs off the queue as a worker does and answers without running code: outputs are the inputs."""

import json
import threading
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

from cellblock_producer.contract import (
    ErrorInfo,
    Execution,
    Job,
    Result,
    read_job,
    settle_failure,
    settle_success,
)
from cellblock_producer.keys import DEFAULT_QUEUE
from cellblock_producer.leases import Delivery, Leases
from cellblock_producer.ledger import Ledger, Turn
from redis import Redis

from tests.support.valkey import ValkeyServer

_STOP = b"stop"


def jobs_in(message: bytes) -> list[Job]:
    """Read the jobs out of a message, by hand: one, or those of a batch."""
    said = json.loads(json.loads(message)["body"])[0][0]
    return [read_job(each) for each in (said if isinstance(said, list) else [said])]


def answer(job: Job, attempts: int = 1) -> Result:
    """Return the inputs as outputs, or fail with the kind that the label `fail` names."""
    execution = Execution(attempts=attempts, worker="fake")
    if kind := job.labels.get("fail"):
        return settle_failure(job, ErrorInfo(kind=kind, message="asked to"), execution)
    return settle_success(job, job.inputs, execution)


def take(redis: "Redis", queue: str = DEFAULT_QUEUE) -> Job:
    """Take the next job off the queue, which must have one."""
    delivery = take_unit(redis, queue)
    assert delivery is not None, "nothing waits"
    [job] = jobs_in(delivery.message)
    return job


def take_unit(redis: "Redis", queue: str = DEFAULT_QUEUE) -> Delivery | None:
    """Take what is next on the queue, for a minute."""
    return Leases(redis, 60_000).take(queue, token_hex(4))


class FakeWorker:
    """One thread that answers jobs until it is left."""

    def __init__(self, server: ValkeyServer, *, queue: str = DEFAULT_QUEUE) -> None:
        self._server = server
        self._queue = queue
        self._thread = threading.Thread(target=self._work)
        self.ran: list[str] = []
        """The jobs that were run, by name, in order."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._server.connect() as redis:
            redis.rpush(self._queue, _STOP)
        self._thread.join()

    def _work(self) -> None:
        with Redis.from_url(self._server.url, socket_timeout=None) as redis:  # it waits as long as it takes
            ledger = Ledger(redis, ttl_s=60)
            while True:
                popped: Any = redis.brpop([self._queue])
                if popped[1] == _STOP:
                    return
                if delivery := take_unit(redis, self._queue):
                    jobs = jobs_in(delivery.message)
                    for place, job in enumerate(jobs, 1):
                        self._run(job, ledger, Turn(delivery.lease, last=place == len(jobs)))

    def _run(self, job: Job, ledger: Ledger, turn: Turn) -> None:
        begun = ledger.begin(job.name, job.digest(), turn)
        if begun.result is None:
            self.ran.append(str(job.name))
            ledger.finish(job.name, answer(job, begun.attempts), turn)
