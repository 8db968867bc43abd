"""What chaos is made in: a server that keeps its data, and workers as an operator starts them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from cellblock_worker.attached import start_attached
from cellblock_worker.embedded import EmbeddedServer
from redis import Redis

from tests.support.processes import Process, seen

WORKER = [sys.executable, "-m", "cellblock_worker", "worker"]
SABOTAGED = [sys.executable, "-m", "tests.chaos.sabotaged"]
END_S = 40.0
POOL = 2
ROLES = ("main process", "pool process", "zygote", "cell")
SETTINGS = {
    "CELLBLOCK_CONCURRENCY": str(POOL),
    "CELLBLOCK_LOG_LEVEL": "warning",
    "CELLBLOCK_WALL_MS": "4000",  # less than a worker is stopped for: a pause is no time of the job
    "CELLBLOCK_MAX_ATTEMPTS": "100",  # whom chaos hits often is not to be given up for it
}


class World:
    """A server and so many workers; whoever ends is replaced by `tend`."""

    def __init__(self, workers: int, *, sabotage: bool) -> None:
        self.server = EmbeddedServer(append_only=True)
        self.workers: list[subprocess.Popen[bytes]] = []
        self._seen: set[Process] = set()
        """All processes of workers that were ever seen, and when each began: its number is given again."""
        self._wanted = workers
        self._command = SABOTAGED if sabotage else WORKER
        self._stack = ExitStack()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the world

    def __enter__(self) -> Self:
        self._stack.enter_context(self.server)
        self.tend()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self._stack.close()
        self._log.close()

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def connect(self) -> "Redis":
        return Redis.from_url(self.url, socket_timeout=5)

    def tend(self) -> None:
        """Replace the workers that have ended."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        environ = {**os.environ, **SETTINGS, "CELLBLOCK_REDIS_URL": self.url}
        while len(self.workers) < self._wanted:
            self.workers.append(start_attached(self._command, output=self._log, environ=environ))

    def await_workers(self) -> None:
        """Wait until all workers have their pool: they take jobs then, and end when they are told to."""
        give_up = time.monotonic() + END_S
        while any(len(pool_processes(worker.pid)) < POOL for worker in self.workers):
            self.tend()  # one may be on its way out
            if time.monotonic() > give_up:
                raise RuntimeError("a worker did not start")
            time.sleep(0.05)

    def note_processes(self) -> None:
        for worker in self.workers:
            self._seen |= {seen(pid) for pid in (worker.pid, *descendants(worker.pid))}

    def descriptors(self) -> dict[str, int]:
        """The most descriptors that any main process, pool process, zygote or cell of workers has now."""
        most: dict[str, int] = {}
        generation = [worker.pid for worker in self.workers]
        for role in ROLES:
            most[role] = max((_descriptors(pid) for pid in generation), default=0)
            below = pool_processes if role == ROLES[0] else children
            generation = [child for pid in generation for child in below(pid)]
        return most

    def end(self) -> list[int]:
        """Tell the workers to end. Returns their exit codes."""
        self.tend()
        self.await_workers()
        self.note_processes()
        for worker in self.workers:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
        return [worker.wait(END_S) for worker in self.workers]

    def left(self) -> list[int]:
        """The processes of workers that are still there a little after their end."""
        give_up = time.monotonic() + 10
        while True:
            left = [process.pid for process in self._seen if process.lives]
            if not left or time.monotonic() > give_up:
                return left
            time.sleep(0.05)


def _descriptors(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def pool_processes(pid: int) -> list[int]:
    """The pool of a worker, without the zygotes by which it tries at its start whether it can confine."""
    return [child for child in children(pid) if _command(child) == _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def descendants(pid: int) -> list[int]:
    return [each for child in children(pid) for each in (child, *descendants(child))]
