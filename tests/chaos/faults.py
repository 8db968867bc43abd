"""The faults, each a function that breaks something; which ones and when is the seed's to say."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import redis

from tests.chaos.load import Load
from tests.chaos.world import World, children, descendants, pool_processes

Fault = Callable[["Chaos"], None]


@dataclass(frozen=True)
class Hurt:
    """A cell or a zygote that was killed: so at most one job ended as one of `kinds`, then and there."""

    worker: int
    """The process id of the worker's main process."""
    at: float
    """Unix time."""
    kinds: frozenset[str]


class Chaos:
    """Breaks things at random until it is told to stop; `hurt` says which cells and zygotes were killed."""

    def __init__(self, world: World, loads: Sequence[Load], seed: int, names: Sequence[str] = ()) -> None:
        self.world, self.loads = world, loads
        self.rng = random.Random(seed)
        self.hurt: list[Hurt] = []
        self.done: dict[str, int] = {}
        self._bag = [FAULTS[name] for name in names or FAULTS]
        self._round: list[Fault] = []
        self._stop = threading.Event()
        self.current = ""

    def stop(self) -> None:
        """Let things be, from any thread."""
        self._stop.set()

    def pause(self, least: float, most: float) -> None:
        time.sleep(self.rng.uniform(least, most))

    def worker(self) -> int:
        return self.rng.choice(self.world.workers).pid

    def pool_process(self, worker: int | None = None) -> int | None:
        found = pool_processes(worker or self.worker())
        return self.rng.choice(found) if found else None

    def client(self) -> int | None:
        return self.rng.choice(self.loads).pid

    def run(self) -> None:
        """Go on until told to stop: in the thread that started server and workers, or they would end."""
        while not self._stop.wait(self.rng.uniform(0.2, 1.2)):
            if not self._round:  # each kind comes once before any comes again
                self._round = self.rng.sample(self._bag, len(self._bag))
            fault = self._round.pop()
            self.current = fault.__name__
            self.world.note_processes()
            with suppress(redis.RedisError):
                fault(self)
            self.done[fault.__name__] = self.done.get(fault.__name__, 0) + 1
            self.world.tend()


def kill(pid: int | None, signum: int = signal.SIGKILL) -> bool:
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signum)
        return True
    return False


def cell(chaos: Chaos) -> None:
    worker = chaos.worker()
    zygotes = children(chaos.pool_process(worker) or 0)
    cells = [each for zygote in zygotes for each in children(zygote)]
    # One in which a new zygote is tried may be hit; then the job that waits for that one ends as internal.
    _hurt(chaos, worker, cells, {"crashed", "internal"})


def zygote(chaos: Chaos) -> None:
    worker = chaos.worker()
    _hurt(chaos, worker, children(chaos.pool_process(worker) or 0), {"internal"})


def _hurt(chaos: Chaos, worker: int, pids: list[int], kinds: set[str]) -> None:
    at = time.time()
    if pids and kill(chaos.rng.choice(pids)):
        chaos.hurt.append(Hurt(worker, at, frozenset(kinds)))


def pool_process(chaos: Chaos) -> None:
    kill(chaos.pool_process())


def worker_killed(chaos: Chaos) -> None:
    kill(chaos.worker())


def worker_told_to_end(chaos: Chaos) -> None:
    kill(chaos.worker(), signal.SIGTERM)


def worker_told_to_quit(chaos: Chaos) -> None:
    pid = chaos.worker()
    kill(pid, chaos.rng.choice([signal.SIGTERM, signal.SIGQUIT]))
    chaos.pause(0, 0.3)
    kill(pid, signal.SIGQUIT)


def worker_stopped(chaos: Chaos) -> None:
    pid = chaos.worker()
    with _stopped([pid]):
        chaos.pause(0.5, 7)


def worker_and_pool_stopped(chaos: Chaos) -> None:
    pid = chaos.worker()
    with _stopped([pid, *descendants(pid)]):
        chaos.pause(0.5, 7)


def server_killed(chaos: Chaos) -> None:
    chaos.world.server.restart(crash=True)


def server_restarted(chaos: Chaos) -> None:
    chaos.world.server.restart()


def server_stopped(chaos: Chaos) -> None:
    with _stopped([chaos.world.server.pid]):
        chaos.pause(0.5, 6)


def connections_killed(chaos: Chaos) -> None:
    with chaos.world.connect() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")


def out_of_memory(chaos: Chaos) -> None:
    with chaos.world.connect() as client:
        client.config_set("maxmemory", "1mb")
        try:
            chaos.pause(0.3, 2)
        finally:
            client.config_set("maxmemory", "0")


def wake_ups_lost(chaos: Chaos) -> None:
    with chaos.world.connect() as client:
        client.ltrim("cellblock", 0, max(0, client.llen("cellblock") - 3))


def client_killed(chaos: Chaos) -> None:
    kill(chaos.client())


def client_stopped(chaos: Chaos) -> None:
    pid = chaos.client()
    with _stopped([pid] if pid else []):
        chaos.pause(0.5, 6)


@contextmanager
def _stopped(pids: Sequence[int]) -> Iterator[None]:
    stopped = [pid for pid in pids if kill(pid, signal.SIGSTOP)]
    try:
        yield
    finally:
        for pid in stopped:
            kill(pid, signal.SIGCONT)


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        cell,
        zygote,
        pool_process,
        worker_killed,
        worker_told_to_end,
        worker_told_to_quit,
        worker_stopped,
        worker_and_pool_stopped,
        server_killed,
        server_restarted,
        server_stopped,
        connections_killed,
        out_of_memory,
        wake_ups_lost,
        client_killed,
        client_stopped,
    )
}
