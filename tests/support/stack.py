"""The stack as an operator starts it: a server, and `cellblock worker` as a process of its own."""

import os
import signal
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Self

from cellblock_worker.attached import start_attached
from cellblock_worker.embedded import EmbeddedServer

COMMAND = [sys.executable, "-m", "cellblock_worker"]


class Stack:
    """A private server and one worker with two pool processes."""

    def __init__(self, **settings: str) -> None:
        self.server = EmbeddedServer()
        self._settings = {"CELLBLOCK_CONCURRENCY": "2", **settings}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the stack
        self.worker: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def __enter__(self) -> Self:
        self.server.__enter__()
        self.start_worker()
        return self

    def start_worker(self) -> None:
        environ = {**os.environ, **self._settings, "CELLBLOCK_REDIS_URL": self.url}
        self.worker = start_attached([*COMMAND, "worker"], output=self._log, environ=environ)

    def stop_worker(self) -> int:
        assert self.worker is not None
        self.worker.send_signal(signal.SIGTERM)
        return self.worker.wait(30)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.worker is not None and self.worker.poll() is None:
            self.stop_worker()
        self.server.__exit__(kind, error, trace)
        self._log.close()


def cellblock(
    *arguments: str, stdin: str = "", environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command and return what it printed."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environ or {})},
    )
