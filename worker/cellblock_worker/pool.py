"""Celery's prefork pool, which survives that several of its processes die at once.

The event loop knows the end of a process by a descriptor. When two end in one turn of the loop, the first
event has both replaced, with descriptors of the same numbers, and the second then meets a process that lives:
a stock pool watches that one no more, and at the next loss of the connection to Redis the worker ends. It
also sees the end of a process some seconds late that it could not reap in the moment of the event.
"""

# ruff: noqa: ANN401 - what Celery and billiard pass is not typed

from typing import Any

from celery.concurrency import asynpool, prefork


class Pool(asynpool.AsynPool):
    """The processes."""

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
