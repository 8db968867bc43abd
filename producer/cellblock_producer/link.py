"""The one connection of a synchronous client: one reader thread, any number of callers.

    callers  --send (one at a time)-->  socket  -->  Redis
    callers  <--Batch.done-- reader thread <--replies in the order of the commands, pushes between them

The reader alone connects. While somebody calls or a job is outstanding it connects again, subscribes, and
asks for every outstanding job; only then do calls go through. A lost connection fails the calls on it.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence

from redis.exceptions import AuthenticationError, RedisError, ResponseError

from .batch import AnyCall, Batch, split
from .connection import HEARTBEAT_S, Push, Wire, connection_factory, pauses
from .core import Core
from .errors import CellblockError, ClientClosed, Refused, Unreachable

_BATCHES_UNDERWAY = 4

_LOST = (RedisError, OSError)
"""What ends a connection. Errors of single commands never get that far."""


class Link:
    """Sends batches of calls and reads what comes back. `core` belongs to the reader thread."""

    def __init__(self, url: str, core: Core, *, timeout: float) -> None:
        self._make, self.server = connection_factory(url, timeout)
        self._core = core
        self._timeout = timeout
        self._pid = os.getpid()
        self._io = threading.Lock()  # the socket, and with it the order of `_expected`
        self._expected: deque[Batch] = deque()
        self._change = threading.Condition()  # guards what follows
        self._wire: Wire | None = None
        self._thread: threading.Thread | None = None
        self._closed = ""
        self._callers = 0
        self._tries = 0
        self._trouble = ""
        self._refusal: Refused | None = None
        self._pulse: Batch | None = None
        self._asking: Batch | None = None

    def exchange(self, calls: Iterable[AnyCall]) -> None:
        """Send calls and wait for all answers, `timeout` seconds for each batch.

        Raises Unreachable, Refused (at connecting) or ClientClosed; what single calls met is in the calls.
        """
        underway: deque[Batch] = deque()
        for chunk in split(calls):
            if len(underway) == _BATCHES_UNDERWAY:
                self._await(underway.popleft())
            underway.append(self._send(chunk))
        for batch in underway:
            self._await(batch)

    def close(self, *, join: bool = True) -> None:
        """End the connection and the thread; calls and jobs that wait fail with ClientClosed."""
        if os.getpid() != self._pid:
            return  # the connection is the parent's
        with self._change:
            self._closed = self._closed or "the client was closed"
            if self._wire is not None:
                self._wire.hang_up()
            self._change.notify_all()
            thread = self._thread
        if join and thread is not None:
            thread.join(self._timeout)

    def _send(self, calls: list[AnyCall]) -> Batch:
        deadline = time.monotonic() + self._timeout
        while True:
            wire = self._connected(deadline)
            batch = Batch(calls)
            if self._try_to_write(wire, batch, deadline):
                return batch
            # Whatever arrived of it may arrive once more: every call is idempotent.
            wire.hang_up()
            self._await_loss(wire, deadline)

    def _await_loss(self, wire: Wire, deadline: float) -> None:
        with self._change:
            if not self._change.wait_for(lambda: self._wire is not wire, deadline - time.monotonic()):
                raise self._unreachable("the connection was lost")

    def _try_to_write(self, wire: Wire, batch: Batch, deadline: float) -> bool:
        if not self._io.acquire(timeout=max(0.0, deadline - time.monotonic())):
            wire.hang_up()
            raise self._unreachable(f"it has not taken anything for {self._timeout:g} s")
        try:
            if self._wire is not wire:
                return False
            self._write(wire, batch)
        except OSError:
            return False
        else:
            return True
        finally:
            self._io.release()

    def _write(self, wire: Wire, batch: Batch) -> None:
        self._expected.append(batch)
        wire.send([call.command for call in batch.calls])

    def _await(self, batch: Batch) -> None:
        wire = self._wire
        if not batch.wait(self._timeout):
            if wire is not None:
                wire.hang_up()
            raise self._unreachable(f"it has not answered for {self._timeout:g} s")
        if batch.failure is not None:
            raise batch.failure
        if batch.again:
            self._await(self._send(batch.again))

    def _connected(self, deadline: float) -> Wire:
        """Wait for the reader to have a connection."""
        with self._change:
            self._check_usable()
            self._start_reader()
            tries = self._tries
            self._callers += 1
            self._change.notify_all()
            try:
                while self._wire is None:
                    if not self._change.wait(deadline - time.monotonic()):
                        raise self._unreachable(self._trouble or f"no connection in {self._timeout:g} s")
                    self._check_usable()
                    if self._refusal is not None and self._tries > tries:
                        raise self._refusal
                return self._wire
            finally:
                self._callers -= 1

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise ClientClosed("the client was made before this process was forked")
        if self._closed:
            raise ClientClosed(self._closed)

    def _start_reader(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="cellblock-client", daemon=True)
            self._thread.start()

    def _unreachable(self, reason: str) -> Unreachable:
        return Unreachable(self.server, reason)

    # What follows runs in the reader thread.

    def _run(self) -> None:
        try:
            self._read_until_closed()
        finally:
            with self._change:
                self._closed = self._closed or "the client's thread ended on an error of its own"
                self._change.notify_all()
            closed = ClientClosed(self._closed)
            self._fail_expected(closed)
            self._core.abandon(closed)

    def _read_until_closed(self) -> None:
        pause = pauses()
        while self._wait_until_wanted():
            wire = self._connect()
            if wire is None:
                self._wait_before_next_try(next(pause))
                continue
            pause = pauses()
            self._serve(wire)

    def _wait_until_wanted(self) -> bool:
        with self._change:
            while not (self._closed or self._callers or self._core.waits):
                self._change.wait()
            return not self._closed

    def _wait_before_next_try(self, pause: float) -> None:
        with self._change:
            if not self._closed:
                self._change.wait(pause)

    def _connect(self) -> Wire | None:
        wire, trouble, refusal = None, "", None
        try:
            wire = Wire.open(self._make, self._core.channel)
            self._recover(wire)
        except (AuthenticationError, ResponseError) as error:
            trouble, refusal = str(error), Refused(str(error))
        except _LOST as error:
            trouble = str(error)
        if wire is not None and trouble:
            self._fail_expected(self._unreachable(trouble))
            wire.close()
            wire = None
        with self._change:
            self._tries += 1
            self._wire, self._trouble, self._refusal = wire, trouble, refusal
            self._change.notify_all()
        return wire

    def _recover(self, wire: Wire) -> None:
        for chunk in split(self._core.recover()):
            calls = chunk
            while calls:
                batch = Batch(calls)
                self._expected.append(batch)
                wire.send([call.command for call in calls])
                while not batch.done:
                    self._take(wire.read())
                calls = batch.again
            self._core.recovered(chunk)

    def _serve(self, wire: Wire) -> None:
        trouble = "the connection was closed"
        try:
            while not self._closed:
                self._ask(wire)
                if not wire.wait(HEARTBEAT_S):
                    self._beat(wire)
                    continue
                with self._io:  # TLS does not bear reading and writing at the same time
                    frame = wire.read()
                self._take(frame)
        except _LOST as error:
            trouble = str(error)
        finally:
            with self._io, self._change:
                self._wire, self._pulse, self._asking, self._trouble = None, None, None, trouble
                self._change.notify_all()
            wire.close()
        self._fail_expected(self._unreachable(trouble))

    def _take(self, frame: object) -> None:
        if isinstance(frame, Push):
            self._core.pushed(frame)
        elif not self._expected:
            raise ConnectionError("an answer came that nobody had asked for")
        elif self._expected[0].feed(frame):
            self._expected.popleft()

    def _beat(self, wire: Wire) -> None:
        if self._pulse is not None and not self._pulse.done:
            raise ConnectionError(f"it has been silent for {2 * HEARTBEAT_S:g} s")
        self._pulse = Batch([self._core.ping()])
        with self._io:
            self._write(wire, self._pulse)

    def _ask(self, wire: Wire) -> None:
        """Ask for what does not come unasked, when the last question is answered."""
        calls: Sequence[AnyCall] = []
        if self._asking is not None:
            if not self._asking.done:
                return
            calls = self._asking.again
            self._core.recovered(self._asking.calls)
        calls = calls or self._core.questions(time.monotonic())
        self._asking = Batch(calls) if calls else None
        if self._asking is not None:
            with self._io:
                self._write(wire, self._asking)

    def _fail_expected(self, failure: CellblockError) -> None:
        while self._expected:
            self._expected.popleft().fail(failure)
