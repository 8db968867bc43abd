"""The sandbox alone: a cell's round trip at low load, and jobs a second on one core, beside spawning."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from cellblock_producer.contract import Language
from cellblock_sandbox import Program, Runtime, Sandbox

from cellblock_worker.bench.stats import Noise, summary

CODE: Final = {
    Language.PYTHON3: "def main(a):\n    return {'b': a + 1}\n",
    Language.NODEJS: "function main({ a }) {\n  return { b: a + 1 };\n}\n",
}
"""The same trivial node in each language."""
_FOR_NOTHING: Final = {
    Language.PYTHON3: ("-I", "-c", "import json"),
    Language.NODEJS: ("-e", "0"),
}
_PAUSE_S: Final = 0.004  # at low load the standby is ready when the job comes
_CELLS_PER_SPAWN: Final = 6
_TURN_S: Final = 0.5


def measure_runtime(
    runtime: Runtime, scale: float, noise: Noise, progress: Callable[[], None]
) -> dict[str, Any]:
    """Figures of one runtime beside those of its plain interpreter, started for nothing."""
    spawn = [runtime.argv[0], *_FOR_NOTHING[Language(runtime.language)]]
    latency = _latency(runtime, spawn, max(10, int(60 * scale)), noise, progress)
    rate = _rate(runtime, spawn, max(1, int(6 * scale)), progress)
    return {**latency, **rate}


def _latency(
    runtime: Runtime, spawn: list[str], turns: int, noise: Noise, progress: Callable[[], None]
) -> dict[str, Any]:
    cells: list[int] = []
    spawns: list[int] = []
    program = Program(code=CODE[Language(runtime.language)])
    with Sandbox(runtime) as sandbox:
        for _ in range(20):  # the first ones warm the host's caches
            _timed(lambda: sandbox.run(program, {"a": 1}))
        for _ in range(turns):
            noise.sample()
            for _ in range(_CELLS_PER_SPAWN):
                time.sleep(_PAUSE_S)
                cells.append(_timed(lambda: sandbox.run(program, {"a": 1})))
            time.sleep(_PAUSE_S)
            spawns.append(_timed(lambda: subprocess.run(spawn, check=True)))
            progress()
    return {
        "cell_ms": summary(cells, 50, 95, 99),
        "spawn_ms": summary(spawns, 50, 95),
        "samples": {"cell_ms": cells, "spawn_ms": spawns},
    }


def _rate(runtime: Runtime, spawn: list[str], turns: int, progress: Callable[[], None]) -> dict[str, Any]:
    """Jobs and spawns a second when all of it, owner and zygote and cells, has one core."""
    jobs = spawned = 0
    program = Program(code=CODE[Language(runtime.language)])
    with _one_core(), Sandbox(runtime) as sandbox:
        for _ in range(turns):
            jobs += _repeat(lambda: sandbox.run(program, {"a": 1}))
            spawned += _repeat(lambda: subprocess.run(spawn, check=True))
            progress()
    seconds = turns * _TURN_S
    return {
        "jobs_per_second": round(jobs / seconds, 1),
        "spawns_per_second": round(spawned / seconds, 1),
    }


@contextmanager
def _one_core() -> Iterator[None]:
    """What is started meanwhile inherits it."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _timed(action: Callable[[], object]) -> int:
    started = time.perf_counter_ns()
    action()
    return time.perf_counter_ns() - started


def _repeat(action: Callable[[], object]) -> int:
    """How often it was done within a turn's time."""
    count = 0
    end = time.perf_counter() + _TURN_S
    while time.perf_counter() < end:
        action()
        count += 1
    return count
