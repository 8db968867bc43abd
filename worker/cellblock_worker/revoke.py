"""Celery's `revoke` and `terminate`, as Flower and the `celery` command send them to every worker.

A stock worker notes the id for the case that the task should come to it; the note is lost with the worker.
Ours also cancels the job in the ledger, wherever it waits and, to terminate it, wherever it runs: it has its
Result then. The rest is Celery's: the state and the event of a task in hand, and the note, since what a stock
sender has put on the queue under another id than its job's is not known before a worker has it.
"""

# ruff: noqa: ANN401 - what Celery passes is not typed

import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import redis
from celery.worker import control
from cellblock_producer.keys import JobName

from .ledger_link import LedgerLink

_log = logging.getLogger(__name__)


def serve() -> None:
    """Have the worker of this process answer to both commands in our way."""
    control.Panel.data.update(revoke=revoke, terminate=terminate)


def revoke(state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **options: Any) -> Any:
    """Revoke tasks by id; with `terminate` those that run, too. Signals are not sent: cells are killed."""
    # Celery's part comes first: it tells the pool process that the task's sender is answered by it.
    answer = control.revoke(  # type: ignore[attr-defined]
        state, task_id, terminate, signal, **options
    )
    ids = [task_id] if isinstance(task_id, str) else task_id or ()
    _cancel(state.app.link, ids, unless_running=not terminate)
    return answer


def terminate(state: Any, signal: Any, task_id: Any, **options: Any) -> Any:
    """Terminate tasks by id."""
    return revoke(state, task_id, terminate=True, signal=signal, **options)


def _cancel(link: LedgerLink, ids: Iterable[object], *, unless_running: bool) -> None:
    for task_id in ids:
        with suppress(ValueError):  # it is no job of our clients
            name = JobName.from_task_id(str(task_id))
            try:
                if link.cancel(name, unless_running=unless_running):
                    _log.warning("job %s: cancelled", name)
            except redis.RedisError as error:
                _log.error("job %s: could not be cancelled: %s", name, type(error).__name__)
