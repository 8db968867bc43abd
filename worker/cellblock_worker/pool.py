"""Celery's prefork pool, but it survives that several of its processes die at once, and ends when told to.

The event loop knows the end of a process by a descriptor. When two end in one turn of the loop, the first
event has both replaced, with descriptors of the same numbers, and the second then meets a process that lives:
a stock pool watches that one no more, and at the next loss of the connection to Redis the worker ends. It
also sees the end of a process some seconds late that it could not reap in the moment of the event.

A process ends when the pool has read all that it said, or after 30 seconds. At its end a stock pool reads
for as long as it knows of jobs, and it has just forgotten those that were on their way to a process.
"""

# ruff: noqa: ANN401 - what Celery and billiard pass is not typed

import ctypes
from contextlib import suppress
from functools import partial
from typing import Any, Final

from billiard.pool import TERMINATE, WorkersJoined
from celery import platforms
from celery.concurrency import asynpool, prefork

_LOOK_S: Final = 0.05
_PR_SET_PDEATHSIG: Final = 1


class ResultHandler(asynpool.ResultHandler):
    """Reads what the processes say."""

    _state: Any
    fileno_to_outq: Any
    on_state_change: Any
    join_exited_workers: Any
    _flush_outqueue: Any

    def on_stop_not_started(self) -> None:
        """Read until all jobs are done, and then until all processes have ended."""
        super().on_stop_not_started()
        with suppress(WorkersJoined):
            while self._state != TERMINATE and self.fileno_to_outq:
                self._listen()
                self.join_exited_workers(shutdown=True)

    def _listen(self) -> None:
        def forget(fd: int) -> None:
            self.fileno_to_outq.pop(fd, None)

        for fd, process in list(self.fileno_to_outq.items()):
            try:
                said = process.outq._reader.poll(_LOOK_S)
            except (OSError, EOFError):
                forget(fd)
                continue
            if said:
                self._flush_outqueue(fd, forget, self.fileno_to_outq, self.on_state_change)


class Pool(asynpool.AsynPool):
    """The processes."""

    ResultHandler = ResultHandler

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        # Where it has ended and cannot be reaped yet, its descriptor tells of it again at once.
        if proc.exitcode is not None:
            super()._event_process_exit(hub, proc)  # type: ignore[misc]

    def _track_child_process(self, proc: Any, hub: Any) -> None:
        if proc.exitcode is None:  # else it waits to be replaced
            super()._track_child_process(proc, hub)  # type: ignore[misc]


class TaskPool(prefork.TaskPool):
    """What `worker_pool` names."""

    Pool = Pool

    def on_start(self) -> None:
        """Fork the processes, which are to die with this one."""
        # billiard's own way parses C where cffi is installed, and takes 6 MB in each of them for one call.
        platforms._set_pdeathsig = partial(ctypes.CDLL(None).prctl, _PR_SET_PDEATHSIG)  # type: ignore[attr-defined]
        super().on_start()
