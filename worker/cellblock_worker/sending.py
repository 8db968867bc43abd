"""Keeps the sender of replies running beside the worker's main process; see `sender`."""

import logging
import subprocess
import sys
import threading
from contextlib import suppress

from .attached import start_attached
from .settings import Settings

_RESTART_S = 1.0
_STOP_S = 10.0
_STDERR = 2

_log = logging.getLogger(__name__)


class Sending:
    """Belongs to the main process. Where no reply is allowed by the settings, it does nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the sender; again is no more."""
        if self._settings.sends_replies and self._thread is None:
            # A thread that waits for it, since the process ends with the thread that started it.
            self._thread = threading.Thread(target=self._keep_running, name="cellblock-replies", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Have it send what is due, and end it."""
        with self._lock:
            self._stopping.set()
            if self._process is not None:
                self._process.terminate()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _keep_running(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                if self._stopping.is_set():
                    return
                process = self._process = self._start()
            code = process.wait()
            if not self._stopping.is_set():
                _log.error("the sender of replies ended with exit code %d and is started again", code)
                self._stopping.wait(_RESTART_S)

    def _start(self) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "cellblock_worker.sender"]
        process = start_attached(argv, stdin=subprocess.PIPE, output=_STDERR)
        assert process.stdin is not None
        # Not by the environment, which others of this user can read. A line, since a pool process that is
        # forked just now may hold this pipe open.
        with suppress(BrokenPipeError), process.stdin as stdin:
            stdin.write(self._settings.model_dump_json().encode() + b"\n")
        return process
