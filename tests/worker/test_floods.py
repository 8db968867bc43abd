"""Floods: ten thousand messages that are no jobs, and as many words of Celery's remote control and events.

The worker lives and does its jobs; its memory, its log and what it leaves in Redis are bounded.
"""

import json
import random
import re
import signal
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from celery import Celery
from cellblock_producer import Client
from cellblock_producer.contract import Job
from cellblock_worker.embedded import EmbeddedServer
from cellblock_worker.envelope import Refused, admit

from tests.worker.harness import (
    WorkerProcess,
    envelope,
    nothing_is_left,
    processes_under,
    stock_app,
    wait_for,
)
from tests.worker.test_malformed import HEADERS, WITH_AN_ID, WITHOUT_AN_ID

MESSAGES = 10_000
WARM_UP = 500
GROWTH_KB = 32 * 1024
LINES = 2_000
"""What a flood may add to the log: fifty of each kind in a minute, some of them with a traceback."""
REVOKED = 20_000
REVOKED_MOST = 5_000
PIDBOX = "/0.celery.pidbox"
EVENTS = "/0.celeryev/worker.heartbeat"
GARBAGE: tuple[bytes, ...] = (
    *(b"\xff\x00", b"5", b"{}", b"[]", b"[" * 100_000),
    *(json.dumps(envelope(*arguments)).encode() for arguments in ((5,), ({},), ({"method": ["ping"]},))),
)


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


@pytest.fixture
def worker(server: EmbeddedServer) -> Iterator[WorkerProcess]:
    with WorkerProcess(server.url, LOG_LEVEL="info").wait_until_ready() as worker:
        yield worker


def test_malformed_messages(server: EmbeddedServer, client: redis.Redis, worker: WorkerProcess) -> None:
    messages = _malformed()
    with Client(server.url) as producer:
        _answers(producer)
        _flood(client, islice(messages, WARM_UP))
        before, logged = _memory(worker), worker.log.count("\n")
        jobs = []
        for _ in range(10):
            jobs.append(producer.submit(_job()))
            _flood(client, islice(messages, MESSAGES // 10))
        assert [job.result(60).error for job in jobs] == [None] * 10
        _answers(producer)
    wait_for(lambda: nothing_is_left(client))
    _is_as_before(worker, before, logged)
    _expires(client)
    assert worker.stop(signal.SIGTERM) == 0
    dropped = sum(map(_is_nobodys, islice(_malformed(), WARM_UP + MESSAGES)))
    assert _told(worker.log, "dropped a message that is no job") == dropped > MESSAGES / 2


def test_remote_control_and_events(
    server: EmbeddedServer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_WORKER_REVOKES_MAX", str(REVOKED_MOST))
    with (
        WorkerProcess(server.url, LOG_LEVEL="info").wait_until_ready() as worker,
        Client(server.url) as producer,
        stock_app(server.url) as app,
    ):
        wait_for(client.pubsub_numpat)
        _answers(producer)
        _talk(app, client, WARM_UP // 10)
        before, logged = _memory(worker), worker.log.count("\n")
        running = producer.submit(_job("slow"))
        _talk(app, client, MESSAGES // 10)
        app.control.revoke([f"many-{number}" for number in range(REVOKED)])
        app.control.broadcast("revoke", {"task_id": [["no id"], 5, "x" * 1_000_000]})
        assert running.result(60).error is None
        _answers(producer)
        assert client.dbsize() < REVOKED, "jobs go on meanwhile"
        (revoked,) = (app.control.inspect(timeout=30, limit=1).revoked() or {}).values()
        assert 0 < len(revoked) <= REVOKED_MOST
        assert max(map(len, revoked)) < 20
        _is_as_before(worker, before, logged)
        _expires(client)
        assert worker.stop(signal.SIGTERM) == 0
        dropped = len(GARBAGE) * (WARM_UP // 10 + MESSAGES // 10)
        assert _told(worker.log, "dropped a message of remote control that is no command") == dropped


def test_an_answer_that_nobody_reads_expires(
    server: EmbeddedServer, client: redis.Redis, worker: WorkerProcess
) -> None:
    with stock_app(server.url) as app, app.connection() as connection:
        wait_for(client.pubsub_numpat)
        mailbox = cast("Any", app.control).mailbox(connection)
        mailbox._publish("ping", {}, reply_ticket="t", channel=connection.channel())
        (answer,) = wait_for(lambda: client.keys("[0-9a-f]*.reply.celery.pidbox")[:1])
        assert client.type(answer) == b"list"
        assert client.ttl(answer) > 0


def _malformed() -> Iterator[bytes]:
    """Every kind of garbage in turn; by far the most is of one's own making each time."""
    dice = random.Random(1)
    kinds = [message for message in WITHOUT_AN_ID.values() if len(message) <= 1_000_000]
    kinds += [json.dumps(message).encode() for message in WITH_AN_ID.values()]
    for number, kind in enumerate(cycle(kinds)):
        yield dice.randbytes(100)
        yield json.dumps({"headers": number, "x": 10**300}).encode()
        yield json.dumps(envelope({"language": number}, headers=HEADERS | {"id": f"wrong-{number}"})).encode()
        yield json.dumps(envelope(headers={"task": "other", "id": f"other-{number}"})).encode()
        if number % 5 == 0:
            yield kind


def _talk(app: Celery, client: redis.Redis, count: int) -> None:
    """Send events, garbage where commands and they come, and commands that name nothing there is."""
    event = {"type": "worker-heartbeat", "hostname": "x"}
    with app.events.default_dispatcher() as dispatcher:
        for number in range(count):
            dispatcher.send("task-failed", uuid=f"event-{number}", exception="x" * 1000)
            client.publish(EVENTS, json.dumps(envelope(event)))
            for garbage in GARBAGE:
                client.publish(PIDBOX, garbage)
            app.control.revoke(f"one-{number}", terminate=number % 2 == 0)
            app.control.broadcast("no_such_command")
            app.control.broadcast("revoke_by_stamped_headers", {"headers": {f"h{number}": ["x" * 100]}})
    for _ in range(max(1, count // 100)):
        assert app.control.inspect(timeout=30, limit=1).ping()


def _flood(client: redis.Redis, messages: Iterator[bytes]) -> None:
    pipeline = client.pipeline(transaction=False)
    for message in messages:
        pipeline.lpush("cellblock", message)
    pipeline.execute()


def _answers(producer: Client) -> None:
    assert producer.run(_job(), timeout=60).error is None


def _job(code: str = "echo") -> Job:
    return Job(language="python3", code=code)


def _memory(worker: WorkerProcess) -> dict[int, int]:
    """Return the kilobytes that each process has of its own."""
    pids = (worker.pid, *processes_under(worker.pid))
    statuses = {pid: Path(f"/proc/{pid}/status").read_text().splitlines() for pid in pids}
    return {
        pid: int(next(line.split()[1] for line in status if line.startswith("RssAnon:")))
        for pid, status in statuses.items()
    }


def _is_as_before(worker: WorkerProcess, before: dict[int, int], logged: int) -> None:
    """Compare the processes, their memory, and the number of lines in the log."""
    after = _memory(worker)
    assert after.keys() == before.keys()
    assert max(after[pid] - before[pid] for pid in after) < GROWTH_KB
    assert worker.log.count("\n") - logged < LINES


def _expires(client: redis.Redis) -> None:
    lasting = {key for key in client.scan_iter(count=1000) if client.ttl(key) < 0}
    assert all(key.startswith(b"_kombu.binding") for key in lasting), lasting
    assert sum(client.memory_usage(key) or 0 for key in lasting) < 10_000


def _is_nobodys(message: bytes) -> bool:
    verdict = admit(message, "cellblock")
    return isinstance(verdict, Refused) and not verdict.names


def _told(log: str, line: str) -> int:
    """Of how many lines of a kind the log tells, in full or by their number."""
    rest = [int(number) for number in re.findall(rf"(\d+) more lines within a minute: {line}", log)]
    return log.count(line) - len(rest) + sum(rest)
