"""`python -m tests.soak.through_queue`: many jobs of many kinds through the queue, at about capacity.

A server that keeps its data, one worker, three clients of different kinds, each with as many jobs under way
as keep the worker busy. Exit code 1 when a single Result is not as it must be, a process grows, or anything
is left behind.
"""

import argparse
import asyncio
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cellblock_producer import AsyncClient, Client
from cellblock_producer.contract import Result

from tests.chaos.run import _connections_left, _keys_left
from tests.chaos.world import World, children, pool_processes
from tests.soak.mix import Job, job, problem
from tests.support.program import use_server_program

IN_FLIGHT = 12
RESULT_TTL_S = 20
"""Clients ask for Results to be kept so long: the server's memory is flat only when they go as they come."""
MOST_SLOPE = 100.0
"""KB that a process may grow in a thousand jobs."""
_SAMPLES = 200


@dataclass
class Soaked:
    """What came of it."""

    jobs: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    samples: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    """Of each process by its role: after so many jobs, KB of its own memory, and descriptors."""

    def slopes(self) -> dict[str, float]:
        """KB that each grew in a thousand jobs, once it had seen a third of them."""
        found = {}
        for role, samples in self.samples.items():
            late = [(count, kb) for count, kb, _ in samples[len(samples) // 3 :]]
            if len(late) > 2:
                found[role] = 1000 * statistics.linear_regression(*zip(*late, strict=True)).slope
        return found

    @property
    def growing(self) -> list[str]:
        """The processes that grow."""
        return [role for role, slope in self.slopes().items() if slope > MOST_SLOPE]


def soak(jobs: int) -> Soaked:
    """Run so many jobs."""
    soaked = Soaked()
    started = time.monotonic()
    with World(1, sabotage=False) as world:
        world.await_workers()
        taker = Taker(soaked)
        shares = [range(at * jobs // len(LIVES), (at + 1) * jobs // len(LIVES)) for at in range(len(LIVES))]
        threads = [
            threading.Thread(target=taker.run, args=(live, world.url, map(partial(job, f"c{at}"), share)))
            for at, (live, share) in enumerate(zip(LIVES, shares, strict=True))
        ]
        for thread in threads:
            thread.start()
        _watch(world, soaked, threads, jobs)
        soaked.seconds = time.monotonic() - started
        with world.connect() as redis:
            soaked.left += _keys_left(redis)
        codes = world.end()
        soaked.left += _connections_left(world)
        soaked.left += [f"exit code {code}" for code in codes if code != 0]
        soaked.left += [f"process {pid}" for pid in world.left()]
    return soaked


class Taker:
    """Looks at the Results as they come, from several threads."""

    def __init__(self, soaked: Soaked) -> None:
        self._soaked = soaked
        self._lock = threading.Lock()

    def __call__(self, result: Result) -> None:
        found = problem(result)
        with self._lock:
            self._soaked.jobs += 1
            self._soaked.wrong += [found] if found else []

    def run(self, live: "Life", url: str, jobs: Iterator[Job]) -> None:
        try:
            live(url, jobs, self)
        except Exception as error:  # whatever it is, it is spurious
            with self._lock:
                self._soaked.wrong.append(repr(error))


Life = Callable[[str, Iterator[Job], Taker], None]


def _one_by_one(url: str, jobs: Iterator[Job], take: Taker) -> None:
    with Client(url, ttl_s=RESULT_TTL_S) as client:
        for result in client.map(jobs, in_flight=IN_FLIGHT):
            take(result)


def _in_messages(url: str, jobs: Iterator[Job], take: Taker) -> None:
    with Client(url, ttl_s=RESULT_TTL_S) as client:
        for result in client.map(jobs, in_flight=2 * IN_FLIGHT, per_message=IN_FLIGHT):
            take(result)


def _asyncio(url: str, jobs: Iterator[Job], take: Taker) -> None:
    async def live() -> None:
        async with AsyncClient(url, ttl_s=RESULT_TTL_S) as client:
            async for result in client.map(jobs, in_flight=IN_FLIGHT):
                take(result)

    asyncio.run(live())


LIVES: list[Life] = [_one_by_one, _in_messages, _asyncio]


def _watch(world: World, soaked: Soaked, threads: list[threading.Thread], jobs: int) -> None:
    step = max(1, jobs // _SAMPLES)
    goal = 0
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.05)
        if soaked.jobs >= goal:
            goal = soaked.jobs + step
            world.note_processes()
            for role, pid in _processes(world):
                sample = (soaked.jobs, _own_kb(pid), _descriptors(pid))
                soaked.samples.setdefault(role, []).append(sample)


def _processes(world: World) -> Iterator[tuple[str, int]]:
    yield "clients", os.getpid()
    yield "server", world.server.pid
    for worker in world.workers:
        yield "main process", worker.pid
        for at, process in enumerate(sorted(pool_processes(worker.pid))):
            yield f"pool process {at}", process
            for zygote in children(process):  # one of each runtime, and while it is replaced another
                yield f"zygote of {at}, {_program(zygote)}", zygote


def _program(pid: int) -> str:
    with suppress(OSError):
        return "nodejs" if "node" in os.readlink(f"/proc/{pid}/exe") else "python3"  # noqa: PTH115
    return "gone"


def _own_kb(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    return 0


def _descriptors(pid: int) -> int:
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - no object for each
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.through_queue", description=__doc__)
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("JOBS") or 50_000))
    given = parser.parse_args()
    use_server_program()
    soaked = soak(given.jobs)
    slopes = soaked.slopes()
    for role, samples in soaked.samples.items():
        first, last = samples[len(samples) // 3], samples[-1]
        _say(
            f"{role}: {first[1]} KB after {first[0]} jobs, {last[1]} KB after {last[0]}, "
            f"{slopes.get(role, 0.0):+.1f} KB in a thousand jobs; descriptors {first[2]}, then {last[2]}"
        )
    for problem_ in [*soaked.wrong, *soaked.left][:50]:
        _say(f"  {problem_}")
    _say(
        f"{soaked.jobs} jobs, wrong {len(soaked.wrong)}, left behind {len(soaked.left)}, "
        f"growing {len(soaked.growing)}, {soaked.jobs / soaked.seconds:.0f} jobs/s, {soaked.seconds:.0f} s"
    )
    return int(bool(soaked.wrong or soaked.left or soaked.growing or soaked.jobs < given.jobs))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
