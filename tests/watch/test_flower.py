"""Flower beside a real worker: what it shows, to whom, and what can be done from it."""

import json
import time
import urllib.request
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import pytest
from cellblock_producer import Client
from cellblock_producer.contract import Job, Result
from cellblock_worker.cli.parts import part
from cellblock_worker.embedded import EmbeddedServer
from cellblock_worker.flower import environ_of

from tests.support.ports import free_port
from tests.support.stack import Stack
from tests.watch.looking import events
from tests.worker.harness import wait_for

AUTH = "operator:secret-of-flower"
SECRET = "sEcReT"
LABELS = {"workflow": "orders", "node": "sum"}
CODES = {
    "python3": f"import time\ndef main(a, s):\n    time.sleep(s)\n    return {{'b': '{SECRET}'}}",
    "nodejs": f"const main = ({{a, s}}) => ({{b: '{SECRET}'}})",
}


class Flower:
    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, path: str, *, auth: str = AUTH, post: bool = False) -> str:
        headers = {"Authorization": "Basic " + b64encode(auth.encode()).decode()} if auth else {}
        request = urllib.request.Request(self._url + path, b"" if post else None, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def task(self, job: Job) -> dict[str, Any] | None:
        found: dict[str, dict[str, Any]] = json.loads(self.ask("/api/tasks?limit=1000"))
        return found.get(job.name.task_id)


@contextmanager
def flower(url: str, state: Path) -> Iterator[Flower]:
    port = free_port()
    environ = environ_of(url, "cellblock", AUTH, state, ("127.0.0.1", port))
    with part("Flower", ("celery", "flower"), environ, 20) as process:
        it = Flower(f"http://127.0.0.1:{port}")
        while not answers(it):
            process.check()
            time.sleep(0.05)
        yield it


def answers(it: Flower) -> bool:
    try:
        return bool(it.ask("/healthcheck"))
    except URLError:
        return False


def job(language: str = "python3", seconds: float = 0, **fields: object) -> Job:
    inputs = {"a": SECRET, "s": seconds}
    said = {"language": language, "code": CODES[language], "inputs": inputs, "labels": LABELS} | fields
    return Job.model_validate(said)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stack = Stack(CELLBLOCK_WALL_MS="60000")
    stack.server = EmbeddedServer(tcp=True)  # which has a password
    with stack:
        yield stack


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as client:
        client.run(job(), timeout=60)
        yield client


def test_flower(stack: Stack, client: Client, tmp_path: Path) -> None:
    with ExitStack() as first:
        it = first.enter_context(flower(stack.url, tmp_path / "flower.db"))
        shown = shows_how_a_job_went(it, client)
        lets_nobody_in_without_the_password(it)
        cancels_a_job_that_runs(it, client)
        password = urlsplit(stack.url).password
        assert password
        shows_nothing_secret(it, shown, password)
    with flower(stack.url, tmp_path / "flower.db") as it:
        assert it.task(shown), "what it knew before its restart"


def shows_how_a_job_went(it: Flower, client: Client) -> Job:
    wait_for(lambda: ask_for_events(it, client))  # it asks the worker for events some time after its start
    javascript = job("nodejs", tenant="acme")
    client.run(javascript, timeout=30)
    seen = wait_for(lambda: it.task(javascript))
    assert (seen["name"], seen["state"]) == ("cellblock.run", "SUCCESS")
    told = f"language=nodejs tenant=acme labels={json.dumps(LABELS)} job_id={javascript.id}"
    assert seen["args"] == told
    assert seen["worker"]
    return javascript


def ask_for_events(it: Flower, client: Client) -> bool:
    """Run a job and look for it for longer than a worker keeps an event back.

    A job each time that one looks would soon be more than Flower lists.
    """
    trial = job()
    client.run(trial, timeout=30)
    give_up = time.monotonic() + 3
    while it.task(trial) is None and time.monotonic() < give_up:
        time.sleep(0.05)
    return it.task(trial) is not None


def lets_nobody_in_without_the_password(it: Flower) -> None:
    for path in ("/", "/workers", "/tasks", "/broker", "/api/tasks", "/api/workers"):
        for auth in ("", "operator:", "admin:admin"):
            with pytest.raises(HTTPError) as refused:
                it.ask(path, auth=auth)
            refused.value.close()
            assert refused.value.code == 401, path


def cancels_a_job_that_runs(it: Flower, client: Client) -> None:
    running = job(seconds=50)
    handle = client.submit(running)
    seen = wait_for(lambda: it.task(running))
    assert seen["state"] == "STARTED"
    it.ask(f"/api/task/revoke/{running.name.task_id}?terminate=true", post=True)
    result: Result = handle.result(timeout=60)
    assert result.error is not None
    assert result.error.kind == "cancelled"
    wait_for(lambda: (it.task(running) or {}).get("state") == "REVOKED")


def shows_nothing_secret(it: Flower, seen: Job, password: str) -> None:
    told = it.ask("/api/workers?refresh=1")
    [worker] = json.loads(told)
    pages = ["/", "/tasks", f"/task/{seen.name.task_id}", "/broker", "/api/tasks", f"/worker/{worker}"]
    for path, page in {path: it.ask(path) for path in pages}.items() | {("/api/workers", told)}:
        assert SECRET not in page, path
        assert password not in page, path


def telling() -> list[Job]:
    """Jobs of all kinds, with the secret wherever a job may have one."""
    return [
        *(job(), job("nodejs"), job(code=f"def main(a, s):\n    raise ValueError('{SECRET}', a)")),
        *(job(code=f"def main(a, s):\n    open('/etc/{SECRET}')"), job(code=f"def main({SECRET}:")),
        job("nodejs", code=f"const main = ({{a}}) => {{ throw new Error(a + '{SECRET}') }}"),
    ]


def test_celerys_own_events_show_nothing_secret(tmp_path: Path) -> None:
    with ExitStack() as parts:
        stack = parts.enter_context(Stack(CELLBLOCK_EVENTS="full"))
        client = parts.enter_context(Client(stack.url))
        client.run(job(), timeout=60)
        it = parts.enter_context(flower(stack.url, tmp_path / "flower.db"))
        wait_for(lambda: ask_for_events(it, client))
        seen = parts.enter_context(events(stack.url))
        ran = {handle.name.task_id for handle in client.submit_many(telling())}
        client.submit_many(telling(), per_message=len(ran))
        three = dict.fromkeys(("task-received", "task-started", "task-succeeded"), len(ran))
        wait_for(lambda: Counter(event["type"] for event in seen if event.get("uuid") in ran) == three)
        wait_for(lambda: [event for event in seen if event.get("result") == f"<Results jobs={len(ran)}>"])
        assert SECRET not in json.dumps(seen)
        tasks = wait_for(lambda: found if ran <= (found := json.loads(it.ask("/api/tasks"))).keys() else None)
        for task in tasks:
            for path in (f"/task/{task}", f"/api/task/info/{task}"):
                assert SECRET not in it.ask(path), path
        assert SECRET not in json.dumps(tasks)


def test_a_password_is_a_must(tmp_path: Path) -> None:
    for auth in ("", "admin", "admin:", ":secret"):
        with pytest.raises(ValueError, match="user:password"):
            environ_of("redis://127.0.0.1", "cellblock", auth, tmp_path, ("127.0.0.1", 5555))
