"""A real Redis-protocol server for tests, on a unix socket: Valkey, or what TEST_SERVER names."""

import contextlib
import ctypes
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from redis import Redis

from tests.support.program import server_program

_PR_SET_PDEATHSIG = 1
_READY = b"eady to accept connections"  # Redis 7.0 says it in lower case for a unix socket


class ValkeyServer:
    """One server with its own directory; keeps nothing on disk, refuses writes when out of memory.

    Ends with the thread that started it, even if that is killed.
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        # Not pytest's tmp_path: a socket's path may have 107 characters only.
        self.directory = Path(tempfile.mkdtemp(prefix="valkey-"))
        self.socket = self.directory / "valkey.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """The server's process, for tests that stop or kill it."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> Self:
        """Start the server, empty, and wait until it takes connections."""
        self.socket.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self.directory),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [str(server_program()), *arguments, *self._options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, nothing that takes a lock
        )
        self._await_ready(self._process)
        return self

    def stop(self) -> None:
        """Stop the server at once; what it held is gone. The directory stays, so that it can start again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop the server and leave nothing behind."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def connect(self) -> "Redis":
        """Return a new redis-py client of the server."""
        return Redis.from_url(self.url)

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if _READY in line:
                break
        else:
            raise RuntimeError(f"the server did not start: {b''.join(said).decode()}")
        threading.Thread(target=_drain, args=(process,), daemon=True).start()


@contextlib.contextmanager
def running_valkey(*options: str) -> Iterator[ValkeyServer]:
    """Run a server for the duration of a block."""
    server = ValkeyServer(*options)
    try:
        yield server.start()
    finally:
        server.close()


def _drain(process: subprocess.Popen[bytes]) -> None:
    # A full pipe would stop the server at its next word.
    assert process.stdout is not None
    with process.stdout:
        for _ in process.stdout:
            pass


def _die_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
