"""Which running jobs are to stop: written by a worker's main process, read by its pool processes.

    Redis  --published at a cancel-->  Listener, a thread  --┐
    Redis  --at a renewal: what was missed-->  Holding     --┼-post-> Stops --asked each 20 ms-> Sandbox.run
    Celery's revoke(terminate=True)  -->  Request          --┘

It is memory that they share, from before the fork on: so a job that nobody stops costs nothing but a look
at it now and then, it does not matter which pool process has the job, and no signal hits the wrong one.
"""

import hashlib
import logging
import mmap
import threading
from collections.abc import Callable
from typing import Any

import redis
from cellblock_producer.keys import JobName, stop_channel
from cellblock_producer.leases import Lease

from .ledger_link import connect
from .settings import Settings

_KEY = 8  # bytes; each is written and read as one
_PLACES = 256
_PATIENCE_S = 5.0
_PAUSE_S = 1.0

_log = logging.getLogger(__name__)


class Stops:
    """The last few jobs that are to stop. What is overwritten unread is posted again at the next renewal."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _KEY * _PLACES)
        self._posted = 0
        self._lock = threading.Lock()

    def post(self, what: str) -> None:
        """Have something stopped, by the main process: `{holder} {job}`, or `{holder}` for all of it."""
        with self._lock:
            at = self._posted % _PLACES * _KEY
            self._memory[at : at + _KEY] = _key(what)
            self._posted += 1

    def has(self, key: bytes) -> bool:
        """Say whether this was posted."""
        return self._memory.find(key) >= 0


class Stop:
    """Asked while a job runs whether it is to stop."""

    __slots__ = ("_keys", "_lease", "_name", "_refused", "_stops")

    def __init__(
        self, stops: Stops, lease: Lease, name: JobName, refused: Callable[[], bool] | None = None
    ) -> None:
        """`refused`: says, at once, whether the ledger has said meanwhile that the job is not to be run."""
        self._stops, self._lease, self._name, self._refused = stops, lease, name, refused
        self._keys: tuple[bytes, bytes] | None = None

    def __call__(self) -> bool:
        """Say whether the job, or all of its message, is to stop."""
        if self._refused is not None and self._refused():
            return True
        if self._keys is None:  # most jobs are done before anybody asks
            holder = self._lease.holder
            self._keys = _key(holder), _key(f"{holder} {self._name}")
        return any(map(self._stops.has, self._keys))


def is_revoked(stops: Stops, lease: Lease) -> bool:
    """Say whether Celery was told to end the message: then it has said so to its sender already."""
    return stops.has(_key(lease.holder))


def _key(what: str) -> bytes:
    return hashlib.blake2b(what.encode(), digest_size=_KEY).digest()


class Listener:
    """Hears at once of jobs that are cancelled while this worker runs them. Belongs to the main process."""

    def __init__(self, settings: Settings, stops: Stops) -> None:
        self._redis = connect(settings.redis_url, patient=False)
        self._stops = stops
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._channel = ""

    def start(self, worker: str) -> None:
        """Begin, for the holders whose names begin with `worker`; again is no more."""
        if self._thread is None:
            self._channel = stop_channel(worker)
            self._thread = threading.Thread(target=self._listen, name="cellblock-stops", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Have it end: soon, or with the process, which does not wait for it."""
        self._stopping.set()

    def _listen(self) -> None:
        pubsub: Any = self._redis.pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        )
        in_trouble = False
        while not self._stopping.is_set():
            try:
                if not pubsub.channels:
                    pubsub.subscribe(self._channel)
                said = pubsub.get_message(timeout=_PATIENCE_S)
            except redis.RedisError as error:  # what is missed now is known at the next renewal
                if not in_trouble:
                    _log.warning("cannot hear of cancelled jobs: %s", type(error).__name__)
                in_trouble = True
                pubsub.reset()
                self._stopping.wait(_PAUSE_S)
            else:
                in_trouble = False
                if said is not None:
                    self._stops.post(said["data"].decode())
        pubsub.close()
