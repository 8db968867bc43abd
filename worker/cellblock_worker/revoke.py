"""Celery's `revoke` and `terminate`, as Flower and the `celery` command send them to every worker.

A stock worker notes the id for the case that the task should come to it; the note is lost with the worker.
Ours also cancels the job in the ledger, wherever it waits and, to terminate it, wherever it runs: it has its
Result then. The rest is Celery's: the state and the event of a task in hand, and the note, since what a stock
sender has put on the queue under another id than its job's is not known before a worker has it.

Celery notes 50,000 ids, each for three hours, but takes anything for an id; we do not. What it notes of
stamped headers has no bound at all, and our messages have no stamps: that command is refused.

Each id takes some round trips, for Celery's state of the task and for the ledger. Of a long list, some are
done at each turn of the event loop, so that jobs go on.
"""

# ruff: noqa: ANN401 - what Celery passes is not typed

import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import redis
from celery.worker import control
from celery.worker import state as worker_state
from cellblock_producer.keys import JobName

from .ledger_link import LedgerLink
from .remote import is_id

_TOGETHER = 50  # ids in one turn of the loop

_log = logging.getLogger(__name__)


def serve() -> None:
    """Have the worker of this process answer to these commands in our way."""
    control.Panel.data.update(
        revoke=revoke, terminate=terminate, revoke_by_stamped_headers=revoke_by_stamped_headers
    )


def revoke(state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **options: Any) -> Any:
    """Revoke tasks by id; with `terminate` those that run, too. Signals are not sent: cells are killed."""
    ids = [an_id for an_id in (task_id if isinstance(task_id, list) else [task_id]) if is_id(an_id)]
    if len(ids) <= _TOGETHER:
        return _revoke(state, ids, terminate, signal, options)
    worker_state.revoked.update(ids)
    _revoke_some(state, ids, terminate, signal, options)
    return control.ok(f"{len(ids)} tasks flagged as revoked")  # type: ignore[attr-defined]


def terminate(state: Any, signal: Any, task_id: Any, **options: Any) -> Any:
    """Terminate tasks by id."""
    return revoke(state, task_id, terminate=True, signal=signal, **options)


def _revoke_some(state: Any, ids: list[str], terminate: bool, signal: Any, options: dict[str, Any]) -> None:
    _revoke(state, ids[:_TOGETHER], terminate, signal, options)
    if rest := ids[_TOGETHER:]:
        state.consumer.hub.call_soon(_revoke_some, state, rest, terminate, signal, options)


def _revoke(state: Any, ids: list[str], terminate: bool, signal: Any, options: dict[str, Any]) -> Any:
    # Celery's part comes first: it tells the pool process that the task's sender is answered by it.
    answer = control.revoke(  # type: ignore[attr-defined]
        state, ids, terminate, signal, **options
    )
    _cancel(state.app.link, ids, unless_running=not terminate)
    return answer


def revoke_by_stamped_headers(state: Any, headers: Any, **options: Any) -> Any:
    """Refuse to."""
    return control.nok("Jobs have no stamped headers.")  # type: ignore[attr-defined]


def _cancel(link: LedgerLink, ids: Iterable[object], *, unless_running: bool) -> None:
    for task_id in ids:
        with suppress(ValueError):  # it is no job of our clients
            name = JobName.from_task_id(str(task_id))
            try:
                if link.cancel(name, unless_running=unless_running):
                    _log.warning("job %s: cancelled", name)
            except redis.RedisError as error:
                _log.error("job %s: could not be cancelled: %s", name, type(error).__name__)
