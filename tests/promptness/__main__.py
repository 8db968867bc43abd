"""`python -m tests.promptness [TIMES]`: how soon a cancelled cell is dead and its slot free, a retry begun.

One worker with one pool process, the Python runtime, and the embedded server. It prints a table and judges
nothing: what is promised is 200 ms from the call to the end of the cell.
"""

import select
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from celery import Celery
from cellblock_producer import Client, Handle

from tests.promptness.spinning import SPIN, busy_cell
from tests.support.stack import Stack

_LONG = {"wall_ms": 600_000, "cpu_ms": 600_000}
_INTERVALS_MS = (0, 100, 500)
_RETRIES = 10


def main(times: int) -> None:
    """Measure and print."""
    settings = {"CELLBLOCK_CONCURRENCY": "1", "CELLBLOCK_WALL_MS": "600000", "CELLBLOCK_CPU_MS": "600000"}
    with Stack(**settings) as stack, Client(stack.url) as client:
        assert stack.worker is not None
        pid = stack.worker.pid
        client.run({"language": "python3", "code": "def main(): return {}"}, timeout=120)
        control = Celery(broker=stack.url.replace("unix://", "redis+socket://"), set_as_current=False).control
        ways: dict[str, Callable[[Handle], object]] = {
            "handle.cancel()": lambda handle: handle.cancel(),
            "revoke(terminate=True)": lambda handle: control.revoke(handle.job_id, terminate=True),
        }
        for way, end in ways.items():
            dead, answered, free = zip(*(_end_one(client, pid, end) for _ in range(times)), strict=True)
            _show(f"{way}: the cell is dead", dead)
            _show(f"{way}: the Result is there", answered)
            _show(f"{way}: another job has run", free)
        for interval_ms in _INTERVALS_MS:
            late = [_retry_late_ms(client, interval_ms) for _ in range(max(1, times // 10))]
            _show(f"retries each {interval_ms} ms: how late each is begun and done", late)


def _end_one(client: Client, worker_pid: int, end: Callable[[Handle], object]) -> tuple[float, float, float]:
    handle = client.submit({"language": "python3", "code": SPIN, "limits": _LONG})
    next_one = client.submit({"language": "python3", "code": "def main(): return {}"})
    with busy_cell(worker_pid) as cell:
        started = time.perf_counter()
        end(handle)
        select.select([cell], [], [])
        dead = time.perf_counter() - started
    result = handle.result(60)
    answered = time.perf_counter() - started
    assert result.error is not None
    assert result.error.kind == "cancelled"
    next_one.result(60)
    return dead * 1000, answered * 1000, (time.perf_counter() - started) * 1000


def _retry_late_ms(client: Client, interval_ms: int) -> float:
    retry = {"max_retries": _RETRIES, "interval_ms": interval_ms}
    started = time.perf_counter()
    result = client.run({"language": "python3", "code": "1 / 0", "retry": retry}, timeout=120)
    assert result.attempts == 1 + _RETRIES
    return (time.perf_counter() - started) * 1000 / _RETRIES - interval_ms


def _show(what: str, milliseconds: Sequence[float]) -> None:
    median, most = statistics.median(milliseconds), max(milliseconds)
    print(f"{what:60} median {median:7.1f} ms   most {most:7.1f} ms   of {len(milliseconds)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
