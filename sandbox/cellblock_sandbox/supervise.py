"""Feeds one cell its job and bounds it: answer, prints, clocks, memory and threads, all from outside.

job ──> channel ──> cell ──> channel (length, answer), stdout, stderr ──> Supervision
                     └── end ──> zygote ──"exited"──┘      every tick: CPU clock, /proc/PID/status, `stop`
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from cellblock_sandbox.cell import Cell, Exit, Memory
from cellblock_sandbox.errors import CellLost
from cellblock_sandbox.judge import Captured, Ending, Stop
from cellblock_sandbox.model import Limits, Mode, Program, Usage
from cellblock_sandbox.nearby import wake_here
from cellblock_sandbox.python.channel import HEADER, LENGTH
from cellblock_sandbox.zygote import Zygote

_MS: Final = 1_000_000
_S: Final = 1_000_000_000
# Memory can grow between two looks; RLIMIT_DATA bounds most of it at once, the look the rest.
_TICK_NS: Final = 20 * _MS
_LAPSE_NS: Final = 250 * _MS  # who comes so much later than it wanted to was stopped, maybe with its cell
_AFTER_KILL_NS: Final = 10 * _S
_READY_S: Final = 30.0
_CHUNK: Final = 1 << 16
_ENVELOPE: Final = 64 << 10  # what a described fault may take beyond the answer that is allowed
_ADDRESS_SPACE_MARGIN: Final = 256 << 20  # reserved by libc for threads, never resident
_MEMORY_MARGIN: Final = 12 << 20  # what the harness may use to tell that memory ran out, and rounding


class Baseline(NamedTuple):
    """What a ready cell had used before any byte of its job arrived."""

    cpu_ns: int
    memory: Memory


def wait_ready(cell: Cell, zygote: Zygote) -> Baseline:
    """Wait until the cell is locked and rehearsed; raises CellLost, also when it no longer is."""
    poll = select.poll()
    poll.register(zygote.control, select.POLLIN)
    poll.register(cell.channel, select.POLLIN)
    deadline = time.monotonic() + _READY_S
    if cell.pidfd < 0 and cell.put_off:
        zygote.hurry()
    while cell.ready_ns is None or cell.pidfd < 0:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if not ready:
            raise CellLost(f"the cell was not ready within {_READY_S:.0f} s")
        for descriptor, _ in ready:
            if descriptor == zygote.control.fileno():
                zygote.hear()
            elif cell.read_ready():
                poll.unregister(cell.channel)
        if cell.exit is not None:
            raise CellLost(f"the cell died before its job (status {cell.exit.status})")
    memory = cell.memory()
    if memory is None:
        raise CellLost("the cell died before its job, or /proc does not show it")
    return Baseline(cell.ready_ns, memory)


def supervise(
    cell: Cell,
    zygote: Zygote,
    baseline: Baseline,
    job: bytes,
    mode: Mode,
    limits: Limits,
    stop: Callable[[], bool] | None = None,
    *,
    linger: bool = False,
    near: bool = False,
) -> Ending:
    """Hand the job over and see the cell to its end; raises CellLost when the zygote dies.

    A cell that has answered is killed or, to `linger`, stopped: then it is for the caller to end it.
    It wakes up `near` us, on our core, or where the kernel wants it.
    """
    zygote.make_room(limits)
    return _Supervision(cell, zygote, baseline, limits, mode, stop, linger=linger, near=near).run(job)


class _Sink:
    """What was printed, up to a bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._data = bytearray()
        self.truncated = False

    def take(self, data: bytes) -> None:
        room = self._most - len(self._data)
        self._data += data[:room]
        self.truncated |= len(data) > room

    def captured(self) -> Captured:
        return Captured(data=bytes(self._data), truncated=self.truncated)


class _Supervision:
    """One run, from the job's first byte to the report of the cell's end."""

    def __init__(
        self,
        cell: Cell,
        zygote: Zygote,
        baseline: Baseline,
        limits: Limits,
        mode: Mode,
        asked: Callable[[], bool] | None,
        *,
        linger: bool,
        near: bool,
    ) -> None:
        self._linger, self._near = linger, near
        self._cell, self._zygote, self._baseline, self._limits = cell, zygote, baseline, limits
        self._mode, self._asked = mode, asked
        self._sinks = {cell.stdout: _Sink(limits.output_bytes), cell.stderr: _Sink(limits.output_bytes)}
        self._incoming = bytearray()
        self._outgoing = memoryview(b"")
        self._stop: Stop | None = None
        self._killed = False
        self._spent: Exit | None = None
        self._poll = select.poll()
        # Served in this order: what was printed before the answer is read before the answer ends the cell.
        for descriptor in (zygote.control, cell.stdout, cell.stderr, cell.channel):
            self._poll.register(descriptor, select.POLLIN)
        self._clock = (~cell.pid << 3) | 2  # the process's CPU clock, as clock_getcpuclockid(3) makes it
        self._started = time.monotonic_ns()
        self._deadline = self._started + limits.wall_ms * _MS
        self._next_look = self._started + _TICK_NS

    def run(self, job: bytes) -> Ending:
        """The whole of it."""
        self._outgoing = memoryview(self._header(len(job)))
        if self._near:  # with what no code sees: where that may run is the kernel's choice again
            wake_here(self._cell.pid, self._send)
        self._outgoing = memoryview(bytes(self._outgoing) + job)
        self._send()
        if self._outgoing:
            self._poll.modify(self._cell.channel, select.POLLIN | select.POLLOUT)
        while self._cell.exit is None and self._spent is None:
            for descriptor, _ in self._poll.poll(self._patience_ms()):
                self._serve(descriptor)
            self._bound()
        ended = time.monotonic_ns()
        self._drain()
        self._explain()
        return self._ending(ended)

    def _explain(self) -> None:
        """Tell a kill by the kernel, for the sake of the control group, from others."""
        gone = self._cell.exit
        if gone is not None and not self._killed and gone.status == signal.SIGKILL:
            self._stop = Stop.MEMORY if self._zygote.ran_out_of_memory() else None

    def _header(self, job_bytes: int) -> bytes:
        memory, limits = self._baseline.memory, self._limits
        allowance = limits.memory_mb << 20
        return HEADER.pack(
            memory.data + allowance,
            memory.address_space + allowance + _ADDRESS_SPACE_MARGIN,
            # The last resort, in whole seconds: the look at the clock is what bounds.
            -(-(self._baseline.cpu_ns + limits.cpu_ms * _MS) // _S) + 1,
            limits.output_bytes,
            job_bytes,
        )

    def _serve(self, descriptor: int) -> None:
        if descriptor == self._zygote.control.fileno():
            self._zygote.hear()
        elif descriptor == self._cell.channel.fileno():
            if self._outgoing:
                self._send()
                if not self._outgoing:
                    self._poll.modify(self._cell.channel, select.POLLIN)
            self._receive()
        elif not self._read(descriptor):
            self._poll.unregister(descriptor)

    def _send(self) -> None:
        """Hand over as much as there is room for."""
        try:
            self._outgoing = self._outgoing[self._cell.channel.send(self._outgoing) :]
        except BlockingIOError:
            pass
        except OSError:
            self._outgoing = self._outgoing[:0]  # it died; its zygote will say how

    def _receive(self) -> bool:
        """Take a part of the answer; False when there is no more."""
        try:
            part = self._cell.channel.recv(_CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            part = b""
        if not part:
            with suppress(KeyError):  # a hang-up is reported again and again, whatever is asked for
                self._poll.unregister(self._cell.channel)
            return False
        if not self._answered():
            self._incoming += part
            if self._announced() > self._limits.output_bytes + _ENVELOPE:
                self._kill(Stop.ANSWER)
            elif self._answered():
                self._dismiss()
        return True

    def _dismiss(self) -> None:
        """Be done with a cell that has answered. What it used is known, so its end need not be waited for.

        It may linger: a process takes a core for half a millisecond to end, which who waits for the answer
        needs just then.
        """
        memory = self._cell.memory()
        if memory is not None:
            cpu_ns = self._cpu_ns() + self._baseline.cpu_ns
            self._spent = Exit(status=0, cpu_ns=cpu_ns, peak_kb=memory.peak >> 10)
        if memory is not None and self._linger:
            self._cell.stop()
        else:
            self._kill(None)

    def _announced(self) -> int:
        return int(LENGTH.unpack_from(self._incoming)[0]) if len(self._incoming) >= LENGTH.size else 0

    def _answered(self) -> bool:
        return len(self._incoming) >= LENGTH.size + max(1, self._announced())

    def _read(self, descriptor: int) -> bool:
        """Take a part of what was printed; False when there is no more."""
        try:
            part = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not part:
            return False
        sink = self._sinks[descriptor]
        sink.take(part)
        if sink.truncated and self._mode is Mode.SCRIPT and descriptor == self._cell.stdout:
            self._kill(Stop.PRINTS)
        return True

    def _due(self) -> int:
        """When there is something to do even if nothing is heard."""
        return self._deadline + _AFTER_KILL_NS if self._killed else min(self._deadline, self._next_look)

    def _patience_ms(self) -> float:
        return max(0, self._due() - time.monotonic_ns()) / _MS + 0.1

    def _bound(self) -> None:
        now = time.monotonic_ns()
        lapse = now - self._due()
        if lapse > _LAPSE_NS:
            # Nobody's time: the cell was stopped, too, or its answer lies there and has not all been taken.
            self._deadline = now if self._killed else self._deadline + lapse
        if self._killed:
            if now > self._due():
                raise CellLost("the zygote does not report the end of its cell")
        elif now >= self._deadline:
            self._kill(Stop.WALL)
        elif now >= self._next_look:
            self._look()
            self._next_look = now + _TICK_NS

    def _look(self) -> None:
        memory = self._cell.memory()
        if self._cell.exit is not None:
            return
        if memory is None:
            # It is ending; or its first thread did and left others behind, whose memory nobody sees any more.
            self._kill(None)
        elif self._asked is not None and self._asked():
            self._kill(Stop.ASKED)
        elif memory.own - self._baseline.memory.own > (self._limits.memory_mb << 20) + _MEMORY_MARGIN:
            self._kill(Stop.MEMORY)
        elif memory.threads > self._limits.threads:
            self._kill(Stop.THREADS)
        elif self._cpu_ns() > self._limits.cpu_ms * _MS:
            self._kill(Stop.CPU)

    def _cpu_ns(self) -> int:
        try:
            return time.clock_gettime_ns(self._clock) - self._baseline.cpu_ns
        except OSError:
            return 0  # it is gone, and its zygote will say what it used

    def _kill(self, stop: Stop | None) -> None:
        if not self._killed:
            self._killed = True
            self._stop = stop
            self._deadline = time.monotonic_ns()
            self._cell.kill()

    def _drain(self) -> None:
        """Take what is there: an answer, and what was printed before it."""
        control, left = self._zygote.control.fileno(), True
        while left:
            left = False
            for descriptor, events in self._poll.poll(0):
                if events & select.POLLIN and descriptor != control:
                    if descriptor in self._sinks:
                        left |= self._read(descriptor)
                    else:
                        left |= self._receive()

    def _ending(self, ended: int) -> Ending:
        gone = self._spent or self._cell.exit
        assert gone is not None
        body = bytes(self._incoming[LENGTH.size :][: self._announced()]) if self._answered() else None
        return Ending(
            stop=self._stop,
            status=gone.status,
            frame=body,
            stdout=self._sinks[self._cell.stdout].captured(),
            stderr=self._sinks[self._cell.stderr].captured(),
            usage=Usage(
                wall_ns=ended - self._started,
                cpu_ns=max(0, gone.cpu_ns - self._baseline.cpu_ns),
                peak_memory_kb=max(0, gone.peak_kb - (self._baseline.memory.resident >> 10)),
            ),
        )


def encode_job(program: Program, inputs: Mapping[str, object]) -> bytes:
    """A job as the harness reads it; raises ValueError when the inputs are no JSON."""
    job = {"code": program.code, "mode": str(Mode(program.mode)), "inputs": dict(inputs)}
    try:
        return json.dumps(job, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the program or its inputs are not JSON: {error}") from error
