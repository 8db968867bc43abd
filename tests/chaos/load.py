"""The jobs of one client and what it saw: a process that chaos kills, and that comes back for them."""

import json
import random
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import islice
from typing import Any

from cellblock_producer.contract import Result
from cellblock_worker.attached import start_attached

QUIET_S = 30.0
"""After so many seconds without any Result, what has none is lost."""
_LOOKED_AT_AGAIN = 40
"""How many of the Results that it has seen a client asks for again when it comes back."""

_PYTHON = "import time\ndef main(n, s):\n    time.sleep(s)\n    return {'n': n, 'square': n * n}\n"
_NODE = """\
async function main({n, s}) {
    await new Promise((resolve) => setTimeout(resolve, s * 1000))
    return {n, square: n * n}
}
"""


class Load:
    """The jobs of one client, and what it has seen of their Results."""

    def __init__(self, url: str, name: str, count: int, seed: int, kind: str) -> None:
        """`kind`: of client, see client.py."""
        self._arguments = [url, kind]
        self._rng = random.Random(f"{seed}-{name}")
        self.jobs = {f"{name}-{n}": self._job(f"{name}-{n}", n) for n in range(count)}
        self.seen: dict[str, Result] = {}
        self.seen_at: dict[str, float] = {}
        """Unix time of when a Result was first seen."""
        self.changed: set[str] = set()
        self.lives = 0
        self.trouble: list[str] = []
        self._give_up = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    @property
    def pid(self) -> int | None:
        """The client's process, if one lives."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def give_up(self) -> None:
        """Come back no more."""
        self._give_up = True
        if self._process is not None:
            self._process.kill()

    def _job(self, job_id: str, n: int) -> dict[str, Any]:
        seconds = self._rng.choice([0, 0, 0, 0.01, 0.05, 0.2])
        language, code = self._rng.choice([("python3", _PYTHON), ("python3", _PYTHON), ("nodejs", _NODE)])
        # Who loses a cell and may be run again is, on the way back and forth that each retry takes.
        retry = {"max_retries": self._rng.choice([0, 0, 3]), "interval_ms": self._rng.choice([0, 50, 500])}
        inputs = {"n": n, "s": seconds}
        return {"id": job_id, "language": language, "code": code, "inputs": inputs, "retry": retry}

    def _run(self) -> None:
        while len(self.seen) < len(self.jobs) and not self._give_up:
            self.lives += 1
            self._live()

    def _live(self) -> None:
        """One life of the client, with all that is not seen yet and a little that is."""
        missing = [job for job_id, job in self.jobs.items() if job_id not in self.seen]
        again = [self.jobs[job_id] for job_id in islice(reversed(self.seen), _LOOKED_AT_AGAIN)]
        program = [sys.executable, "-m", "tests.chaos.client", *self._arguments, str(self.lives)]
        process = start_attached(program, stdin=subprocess.PIPE, output=subprocess.PIPE)
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdout:
            with suppress(BrokenPipeError), process.stdin as stdin:
                stdin.write(json.dumps(again + missing).encode())
            for line in process.stdout:
                self._take(line)
        process.wait()

    def _take(self, line: bytes) -> None:
        if not line.startswith(b"{"):
            self.trouble.append(line.decode(errors="replace").rstrip())
            return
        result = Result.from_json(line)
        before = self.seen.setdefault(result.job_id, result)
        self.seen_at.setdefault(result.job_id, time.time())
        if before != result:
            self.changed.add(result.job_id)
