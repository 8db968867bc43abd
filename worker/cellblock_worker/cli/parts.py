"""The processes that a command starts beside itself, each with a log that is shown when it goes wrong."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Final

from cellblock_worker.attached import start_attached
from cellblock_worker.cli.exits import NOT_AVAILABLE, leave

_LOG_SHOWN: Final = 4000


class Part:
    """A process and what it logged."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self.name, self.process = name, process
        self._log = log

    @property
    def log(self) -> str:
        """All that it has said."""
        return os.pread(self._log.fileno(), 1 << 20, 0).decode(errors="replace")

    def check(self) -> None:
        """Leaves with the end of its log when it is dead."""
        if self.process.poll() is not None:
            tail = self.log[-_LOG_SHOWN:].strip()
            leave(NOT_AVAILABLE, f"{self.name} ended with exit code {self.process.returncode}:\n{tail}")


@contextmanager
def part(name: str, module: tuple[str, ...], environ: Mapping[str, str], stop_s: float) -> Iterator[Part]:
    """Run `python -m MODULE...` for the duration of a block; `stop_s` after SIGTERM it is killed."""
    with tempfile.TemporaryFile() as log:
        process = start_attached(
            [sys.executable, "-m", *module], output=log, environ={**os.environ, **environ}
        )
        try:
            yield Part(name, process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(stop_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
