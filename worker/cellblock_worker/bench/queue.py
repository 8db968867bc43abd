"""Through the queue, two pool processes: round trip and drained rates beside a stock no-op task's.

one server ──┬── our worker ──── Client
             └── stock worker ── delay().get()      one idles while the other is measured
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import redis as redis_py
from celery import Celery
from cellblock_producer import Client
from cellblock_producer.contract import Language

from cellblock_worker.attached import start_attached
from cellblock_worker.bench.cells import CODE
from cellblock_worker.bench.noop import QUEUE_VARIABLE, URL_VARIABLE, noop_app
from cellblock_worker.bench.stats import Noise, summary

_POOL: Final = 2
_START_S: Final = 60.0
_STOP_S: Final = 20.0
_PAUSE_S: Final = 0.004
_PER_MESSAGE: Final = 50
_JOBS: Final[dict[str, dict[str, Any]]] = {
    language.value: {"language": language.value, "code": code, "inputs": {"a": 1}}
    for language, code in CODE.items()
}
_NODE_ZYGOTE: Final = b"zygote.js"


class Bench:
    """Both workers up and warm."""

    def __init__(self, url: str, names: Sequence[str], client: Client, noop: Celery, worker_pid: int) -> None:
        self._url, self._client, self._noop, self._worker_pid = url, client, noop, worker_pid
        self._jobs = {name: _JOBS[name] for name in names}
        self._first = self._jobs[names[0]]

    def measure(self, scale: float, noise: Noise, progress: Callable[[], None]) -> dict[str, Any]:
        """All figures of the queue."""
        self._warm()
        latency = self._latency(max(20, int(200 * scale)), noise, progress)
        rates = self._rates(max(1, int(3 * scale)), max(100, int(1000 * scale)), progress)
        return {**latency, **rates}

    def slot_pss_mb(self) -> dict[str, float | None]:
        """Proportional memory of a pool process, zygotes and standbys; None where it cannot be read.

        For Python of the pool process and what is Python's, for Node.js of the whole slot with both warm.
        """
        slots = _children(self._worker_pid)
        found: dict[str, float | None] = dict.fromkeys(self._jobs)
        with suppress(OSError):
            for name in self._jobs:
                without = _NODE_ZYGOTE if name == Language.PYTHON3 else None
                sizes = [_pss_mb({slot, *_descendants(slot, without)}) for slot in slots]
                found[name] = round(sum(sizes) / len(sizes), 1)
        return found

    def _warm(self) -> None:
        for _ in range(20):
            for job in self._jobs.values():
                self._client.run(job, timeout=_START_S)
            self._noop.send_task("cellblock.bench.noop").get(timeout=_START_S)

    def _latency(self, turns: int, noise: Noise, progress: Callable[[], None]) -> dict[str, Any]:
        ours: list[int] = []
        theirs: list[int] = []
        task = self._noop.tasks["cellblock.bench.noop"]
        for turn in range(turns):
            noise.sample()
            time.sleep(_PAUSE_S)
            started = time.perf_counter_ns()
            self._client.run(self._first, timeout=_START_S)
            ours.append(time.perf_counter_ns() - started)
            time.sleep(_PAUSE_S)
            started = time.perf_counter_ns()
            task.delay().get(timeout=_START_S)
            theirs.append(time.perf_counter_ns() - started)
            if turn % 10 == 0:
                progress()
        return {
            "round_trip_ms": summary(ours, 50, 95),
            "noop_round_trip_ms": summary(theirs, 50, 95),
            "samples": {"round_trip_ms": ours, "noop_round_trip_ms": theirs},
        }

    def _rates(self, turns: int, count: int, progress: Callable[[], None]) -> dict[str, Any]:
        drains: dict[str, Callable[[int], float]] = {
            **{name: partial(self._drain_ours, job) for name, job in self._jobs.items()},
            "batch": partial(self._drain_ours, self._first, per_message=_PER_MESSAGE),
            "noop": self._drain_noop,
        }
        seconds = dict.fromkeys(drains, 0.0)
        for _ in range(turns):
            for name, drain in drains.items():
                seconds[name] += drain(count)
                progress()
        rate = {name: round(turns * count / spent, 1) for name, spent in seconds.items()}
        noop = rate.pop("noop")
        return {"jobs_per_second": rate, "noop_per_second": noop}

    def _drain_ours(self, job: dict[str, Any], count: int, per_message: int = 1) -> float:
        started = time.perf_counter()
        handles = self._client.submit_many((job for _ in range(count)), per_message)
        for handle in handles:
            handle.result(timeout=_START_S)
        return time.perf_counter() - started

    def _drain_noop(self, count: int) -> float:
        """Put the messages on the queue at once, copies of one that Celery wrote, and see the last Result."""
        with redis_py.Redis.from_url(self._url) as redis:
            scratch = f"cellblock-bench-{secrets.token_hex(4)}"
            self._noop.send_task("cellblock.bench.noop", queue=scratch)
            template = json.loads(redis.rpop(scratch) or b"")
            queue = self._noop.conf.task_default_queue
            ids = [str(uuid.uuid4()) for _ in range(count)]
            started = time.perf_counter()
            for start in range(0, count, 500):
                part = [_copy(template, task_id, queue) for task_id in ids[start:][:500]]
                redis.lpush(queue, *part)
            waiting = [f"celery-task-meta-{task_id}" for task_id in ids]
            while waiting:
                # From the last one on: while it is missing, there is no need to ask for the others.
                while waiting and redis.exists(waiting[-1]):
                    waiting.pop()
                time.sleep(0.002)
            return time.perf_counter() - started


@contextmanager
def bench_stack(url: str, names: Sequence[str]) -> Iterator[Bench]:
    """Start both workers on the server at `url`, each with a queue of its own; ours serves `names`."""
    run = secrets.token_hex(4)
    ours, theirs = f"cellblock-bench-{run}", f"cellblock-noop-{run}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONW")}
    settings = {
        "CELLBLOCK_REDIS_URL": url,
        "CELLBLOCK_QUEUE": ours,
        "CELLBLOCK_CONCURRENCY": str(_POOL),
        "CELLBLOCK_LOG_LEVEL": "warning",
    }
    with ExitStack() as stack:
        worker = stack.enter_context(_process("cellblock_worker", "worker", environ={**environ, **settings}))
        variables = {URL_VARIABLE: url, QUEUE_VARIABLE: theirs}
        stack.enter_context(_process("cellblock_worker.bench.noop", environ={**environ, **variables}))
        client = stack.enter_context(Client(url, queue=ours))
        yield Bench(url, names, client, noop_app(url, theirs), worker.pid)


@contextmanager
def _process(module: str, *arguments: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = start_attached([sys.executable, "-m", module, *arguments], environ=environ)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _copy(template: dict[str, Any], task_id: str, queue: str) -> str:
    headers = {**template["headers"], "id": task_id, "root_id": task_id}
    properties = {
        **template["properties"],
        "correlation_id": task_id,
        "delivery_tag": str(uuid.uuid4()),
        "delivery_info": {"exchange": "", "routing_key": queue},
    }
    return json.dumps({**template, "headers": headers, "properties": properties})


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _descendants(pid: int, without: bytes | None = None) -> set[int]:
    found: set[int] = set()
    for child in _children(pid):
        if without is None or without not in Path(f"/proc/{child}/cmdline").read_bytes():
            found |= {child} | _descendants(child, without)
    return found


def _pss_mb(pids: set[int]) -> float:
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
