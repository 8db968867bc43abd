"""The clients: each submits its jobs, waits for their Results, dies now and then and comes back for them."""

import random
import threading
import time
from typing import Any

from cellblock_producer import (
    CellblockError,
    Client,
    Handle,
    Refused,
    ResultTimeout,
    Unreachable,
    WorkerFailed,
)
from cellblock_producer.contract import Result

IN_FLIGHT = 24
PER_MESSAGE = 6
QUIET_S = 30.0
"""After so many seconds without any Result, what has none is lost."""

_CODE = "import time\ndef main(n, s):\n    time.sleep(s)\n    return {'n': n, 'square': n * n}\n"


class Load:
    """The jobs of one client, and what it has seen of their Results."""

    def __init__(self, url: str, name: str, count: int, seed: int) -> None:
        self._url = url
        self._rng = random.Random(f"{seed}-{name}")
        self.jobs = {f"{name}-{n}": self._job(f"{name}-{n}", n) for n in range(count)}
        self.seen: dict[str, Result] = {}
        self.changed: set[str] = set()
        self.deaths = 0
        self.die = threading.Event()
        self.give_up = threading.Event()
        self.trouble: list[str] = []
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def _job(self, job_id: str, n: int) -> dict[str, Any]:
        seconds = self._rng.choice([0, 0, 0, 0.01, 0.05, 0.2])
        return {"id": job_id, "language": "python3", "code": _CODE, "inputs": {"n": n, "s": seconds}}

    def _run(self) -> None:
        while len(self.seen) < len(self.jobs) and not self.give_up.is_set():
            client = Client(self._url, timeout=3)
            try:
                self._live(client)
            except (Unreachable, Refused):
                time.sleep(0.2)
            except CellblockError as error:
                self.trouble.append(repr(error))
            finally:
                client.close()

    def _live(self, client: Client) -> None:
        """Go on until all is seen, or the client dies: then all that it knew but the Results is forgotten."""
        missing = [job for job_id, job in self.jobs.items() if job_id not in self.seen]
        handles: list[Handle] = []
        while (missing or handles) and not self.give_up.is_set():
            if self.die.is_set():
                self.die.clear()
                self.deaths += 1
                return
            room = IN_FLIGHT - len(handles)
            if missing and room >= PER_MESSAGE:
                chunk, missing = missing[:PER_MESSAGE], missing[PER_MESSAGE:]
                handles += client.submit_many(chunk, self._rng.choice([1, 1, PER_MESSAGE]))
            else:
                self._await(handles[0])
            handles = [handle for handle in handles if not self._took(handle)]

    def _await(self, handle: Handle) -> None:
        try:
            handle.result(timeout=0.2)
        except (ResultTimeout, WorkerFailed):
            return

    def _took(self, handle: Handle) -> bool:
        if not handle.done():
            return False
        try:
            result = handle.result(0)
        except WorkerFailed as failed:
            result = failed.result
        before = self.seen.setdefault(handle.job_id, result)
        if before != result:
            self.changed.add(handle.job_id)
        return True
