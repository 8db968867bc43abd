"""What the worker's main process has in hand, and the thread that keeps it.

    transport  --take, adopt-->  Holding  --renew, reap: once in a while, by the thread-->  Redis
    pool       --ack, reject-->           --close, release-->

What was released with a delay waits for somebody who reaps. The thread does so when the delay is over; should
this process be gone by then, another one does at its next turn.

A thread, since leases must be renewed while the main process waits for its pool to end or for Redis to come
back; and a thread of the main process, since what happens to that one must happen to its leases.
"""

import logging
import os
import secrets
import threading
import time
from collections import deque
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count

import redis
from cellblock_producer.calls import Line
from cellblock_producer.keys import TOKEN
from cellblock_producer.leases import Bounds, Delivery, Lease, Leases, Released, Stray

from .ledger_link import connect
from .settings import Settings
from .stops import Stops

_LONGEST_TICK_S = 1.0
_TICKS_IN_A_LEASE = 4
_SHORTEST_PAUSE_S = 0.005
_JOIN_S = 5.0
_FOR_EVER = float("inf")

_log = logging.getLogger(__name__)


class Holding:
    """Belongs to the main process; all but the thread's own work is called by its main thread."""

    def __init__(self, settings: Settings, stops: Stops, *, time_limit_s: float) -> None:
        """`time_limit_s`: for how long a job may go on that the pool says nothing more about."""
        self._queue = settings.queue
        bounds = Bounds(
            settings.max_queued,
            settings.max_queued_per_tenant,
            settings.max_queued_bytes,
            settings.max_queued_bytes_per_tenant,
        )
        client = connect(settings.redis_url, patient=False)
        self._line = Line(client)  # the main thread's
        self._leases = Leases(client, settings.lease_ms, bounds, self._line)
        self._time_limit_s = time_limit_s
        self._tick_s = min(_LONGEST_TICK_S, settings.lease_ms / 1000 / _TICKS_IN_A_LEASE)
        self._stops = stops
        self._token = secrets.token_hex(4)
        self._numbers = count(1)
        self._held: dict[Lease, float] = {}  # until when it is renewed; each change is atomic
        self._stranded: deque[tuple[str, Stray]] = deque()
        self._dues: list[float] = []  # a heap: when delays are over; each change is atomic
        self._stopping = False
        self._news = threading.Event()  # it is stopping, or there is another delay
        self._thread: threading.Thread | None = None
        self.kept_at = time.monotonic()
        """When Redis last answered the thread."""
        self.troubled_until = 0.0
        """When it last did not."""
        self.in_trouble = False

    @property
    def worker(self) -> str:
        """What the names of this process's holders begin with."""
        return f"{os.getpid()}-{self._token}"

    @property
    def full_hands(self) -> bool:
        """Whether messages wait here for Redis to take them in; nothing more is to be popped until it has."""
        return bool(self._stranded)

    def start(self) -> None:
        """Begin to renew and to look after the queue; again is no more."""
        if self._thread is None:
            self.kept_at = time.monotonic()
            self._thread = threading.Thread(target=self._keep_on, name="cellblock-leases", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop it, when everything was given back."""
        self._stopping = True
        self._news.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        self._queue_stranded()
        self._line.close()
        self._leases.redis.close()

    def take(self, queue: str) -> Delivery | None:
        """Take what is next in line. Errors of the connection pass through; where Redis refuses, None."""
        try:
            return self._hold(self._leases.take(queue, self._new_holder()))
        except redis.ResponseError as error:  # out of memory, say; what waits goes on waiting
            _log.error("could not take a job: %s", error)
            return None

    def adopt(self, queue: str, stray: Stray) -> Delivery | None:
        """Take in a stock sender's message, and take what is next in line.

        None where Redis will not: then the message is kept here, to be queued.
        """
        try:
            return self._hold(self._leases.adopt(queue, stray, self._new_holder()))
        except redis.RedisError as error:
            _log.error("could not take in a message: %s", type(error).__name__)
            self._stranded.append((queue, stray))
            return None

    def put_by(self, queue: str, stray: Stray) -> None:
        """Have a stock sender's message wait for whoever takes jobs."""
        self._stranded.append((queue, stray))
        self._queue_stranded()

    def wake_another(self, queue: str) -> None:
        """Put a wake-up back that we do not follow."""
        with suppress(redis.RedisError):  # somebody will see that it is missing
            self._leases.redis.rpush(queue, TOKEN)

    def drop(self, lease: Lease) -> None:
        """Care no more for a unit that is closed."""
        self._held.pop(lease, None)

    def close(self, lease: Lease) -> None:
        """End a unit, as far as Redis lets us: where not it comes back, to be found done."""
        self.drop(lease)
        try:
            self._leases.close(lease)
        except redis.RedisError as error:
            _log.error("could not close a message: %s", type(error).__name__)

    def release(self, lease: Lease, delay_ms: int = 0, *, lost: bool = False, handed: bool = False) -> None:
        """Give a unit back, which may have cost us a process; where Redis is away, by leaving it alone."""
        self.drop(lease)
        try:
            self._leases.release(lease, delay_ms=delay_ms, lost=lost, handed=handed)
            if delay_ms:
                heappush(self._dues, time.monotonic() + delay_ms / 1000)
                self._news.set()
        except redis.RedisError as error:
            _log.error("could not give a message back, it is left to expire: %s", type(error).__name__)

    def hand_back(self, lease: Lease) -> None:
        """Give a unit back since this process ends, whatever it runs of it."""
        self.release(lease, handed=True)

    def forsake(self, lease: Lease) -> None:
        """Give back a unit that the pool will not speak of any more, unless it has begun."""
        try:
            released = self._leases.release(lease, unless_begun=True)
        except redis.RedisError:
            self.drop(lease)
            return
        if released is Released.BEGUN:
            self._held[lease] = time.monotonic() + self._time_limit_s
        else:
            self.drop(lease)

    def _new_holder(self) -> str:
        return f"{self.worker}-{next(self._numbers)}"

    def _hold(self, delivery: Delivery | None) -> Delivery | None:
        if delivery is not None:
            self._held[delivery.lease] = _FOR_EVER
        return delivery

    # What follows runs in the thread.

    def _await_turn(self) -> bool:
        """Wait for the next tick, or until a delay is over; False at the end."""
        tick = time.monotonic() + self._tick_s
        soonest = tick - self._tick_s + _SHORTEST_PAUSE_S
        while not self._stopping:
            self._news.clear()
            turn = max(soonest, min([tick, *self._dues[:1]]))
            pause = turn - time.monotonic()
            if pause <= 0:
                break
            self._news.wait(pause)
        while self._dues and self._dues[0] <= time.monotonic():
            heappop(self._dues)
        return not self._stopping

    def _keep_on(self) -> None:
        while self._await_turn():
            try:
                self._keep()
            except redis.RedisError as error:
                if not self.in_trouble:
                    _log.warning("leases cannot be renewed: %s", type(error).__name__)
                self.in_trouble, self.troubled_until = True, time.monotonic()
            except Exception:
                _log.exception("leases could not be renewed")
            else:
                self.in_trouble, self.kept_at = False, time.monotonic()

    def _keep(self) -> None:
        self._queue_stranded()
        now = time.monotonic()
        held = [lease for lease, until in list(self._held.items()) if now < until]
        kept = self._leases.keep(held, self._queue, pause_ms=int(self._tick_s * 500))
        for what in kept.stops:
            self._stops.post(what)
        overdue = {lease for lease, until in list(self._held.items()) if until <= now}
        for lease in kept.lost | overdue:
            self.drop(lease)
        if kept.reaped:
            _log.warning("%d messages of a worker that is gone are delivered again", kept.reaped)

    def _queue_stranded(self) -> None:
        with suppress(IndexError, redis.RedisError):
            while True:
                stranded = self._stranded.popleft()  # by one of the two threads
                try:
                    self._leases.adopt(*stranded, "")
                except redis.RedisError:
                    self._stranded.appendleft(stranded)
                    raise
