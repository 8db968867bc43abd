"""Starts real workers for tests, sends them messages by hand, and waits for what comes of them."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar, cast
from uuid import uuid4

import redis
from celery import Celery
from cellblock_producer.contract import Result
from cellblock_producer.keys import JobName, result_key
from cellblock_producer.leases import Leases, Stray
from cellblock_producer.wire import TASK_NAME
from cellblock_worker.urls import backend_url

T = TypeVar("T")

PROGRAM = Path(__file__).with_name("program.py")
WAIT_S = 30.0


class WorkerProcess:
    """A worker as a process of its own, with two pool processes; what it logs is kept."""

    def __init__(self, url: str, **settings: str) -> None:
        self.url = url
        variables = {"REDIS_URL": url, "CONCURRENCY": "2", "LOG_LEVEL": "debug"} | settings
        given = {f"CELLBLOCK_{name}": value for name, value in variables.items()}
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONW")}
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            env=environ | given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._lines: list[str] = []
        self._news = threading.Condition()
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        with self._news:
            return "".join(self._lines)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self) -> Self:
        self.wait_for_log(" ready.")
        return self

    def wait_for_log(self, text: str, times: int = 1) -> None:
        """Wait until `text` has been logged `times` times."""
        with self._news:
            if not self._news.wait_for(lambda: "".join(self._lines).count(text) >= times, WAIT_S):
                raise AssertionError(f"{text!r} was not logged {times} times:\n{''.join(self._lines)}")

    def stop(self, signum: int) -> int:
        """Send a signal; return the exit code."""
        self._process.send_signal(signum)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; return the exit code."""
        return self._process.wait(WAIT_S)

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self._lines.append(line)
                    self._news.notify_all()


def stock_app(url: str) -> Celery:
    """Return an application as an engine would have it: Celery's own transport and defaults."""
    app = Celery("engine", broker=backend_url(url), backend=backend_url(url), set_as_current=False)
    app.conf.task_default_queue = "cellblock"
    return app


def leave_in_dead_hands(client: redis.Redis, messages: Iterable[str]) -> None:
    """Have messages held by a worker that will not renew its leases."""
    for message in messages:
        Leases(client, lease_ms=1).adopt("cellblock", Stray("default", message), "the dead")


def nothing_is_left(client: redis.Redis) -> bool:
    """Say whether no message waits or is in hand."""
    return not (
        client.exists("cellblock", "cellblock:leases", "cellblock:tenants")
        or client.keys("cellblock:message:*")
        or client.keys("cellblock:waiting:*")
    )


def envelope(*args: Any, **changes: Any) -> dict[str, Any]:
    """Return a message in kombu's envelope, with fields changed, or left out where the change is `...`."""
    task_id = str(uuid4())
    message: dict[str, Any] = {
        "body": json.dumps([args, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": TASK_NAME, "id": task_id, "argsrepr": repr(args)},
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_tag": str(uuid4()),
            "delivery_info": {"exchange": "cellblock", "routing_key": "cellblock"},
            "priority": 0,
        },
    }
    changed = message | {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in changed.items() if value is not ...}


def result_of(client: redis.Redis, job_id: str, tenant: str = "default") -> Result:
    """Wait for the Result in the ledger."""
    key = result_key(JobName(tenant, job_id))
    return Result.from_json(wait_for(lambda: cast("bytes | None", client.get(key))))


def wait_for(look: Callable[[], T | None]) -> T:
    """Look again and again until there is something, and return it."""
    give_up = time.monotonic() + WAIT_S
    while time.monotonic() < give_up:
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def processes_under(pid: int) -> set[int]:
    """Return the pids of all living descendants of a process."""
    found: set[int] = set()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found |= {int(child)} | processes_under(int(child))
    return found
