"""Writes a job as the message that stock Celery workers read: Celery's protocol 2 in kombu's envelope.

    {"body": "[[job], {}, {…}]", "content-type": "application/json", "headers": {task, id, …},
     "properties": {correlation_id, delivery_info, …}}

A batch has a list of jobs where otherwise the job is, "[[[job, job, …]], {}, {…}]", and a task id of its
own; a list with one job is a batch, too. A member without an id is named by the task's id and its place,
`{id}.{n}` from 0 on, since a name is what a Result is found by.

Without `body_encoding` kombu takes the body as it is, so that the job is not wrapped in base64.
"""

import json
import os
import secrets
import socket
from collections.abc import Sequence
from functools import lru_cache

from .job import Job

TASK_NAME = "cellblock.run"
"""The one task, for all jobs; its one argument is the job as a JSON object, or a list of such objects."""
MAX_BATCH = 100
"""Jobs that one message may hold."""

_HOST = socket.gethostname()
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_BODY, _ID, _SHOWN, _TAG = "\ue000", "\ue001", "\ue002", "\ue003"  # private characters, in nobody's name
_EMBED = '{"callbacks":null,"errbacks":null,"chain":null,"chord":null}'


def describe(job: Job) -> str:
    """Return what logs, events and Flower may show of a job: never code or inputs."""
    return f"job_id={job.id} language={job.language.value} tenant={job.tenant}"


def task_message(job: Job, queue: str, text: str | None = None) -> str:
    """Return the message that puts `job` on `queue`. `text`: the job as JSON, if it is at hand."""
    text = job.to_json() if text is None else text
    return _envelope(queue, os.getpid()) % {
        "body": _encode(f"[[{text}],{{}},{_EMBED}]"),
        "id": job.name.task_id,
        "shown": describe(job),
        "tag": secrets.token_hex(16),
    }


def describe_batch(jobs: Sequence[Job]) -> str:
    """Return what may be shown of a batch: how many jobs, and which is the first."""
    first = jobs[0]
    return f"jobs={len(jobs)} first={first.id} language={first.language.value} tenant={first.tenant}"


def batch_message(jobs: Sequence[Job], queue: str, message_id: str) -> tuple[str, str]:
    """Return what comes before and after the jobs in the message `message_id`, which puts them on `queue`.

    Between the two come the `batch_part` of each job, separated by commas: of all of them or, since the
    ledger leaves out those that it knows, of some. Then the description tells how many were sent.
    """
    message = _envelope(queue, os.getpid()) % {
        "body": _encode(f"[[[{_BODY}]],{{}},{_EMBED}]"),
        "id": message_id,
        "shown": describe_batch(jobs),
        "tag": secrets.token_hex(16),
    }
    head, _, tail = message.partition(_BODY)
    return head, tail


def batch_part(text: str) -> str:
    """Return a job, given as JSON, as it stands in the message of a batch: quoted once more."""
    return _encode(text)[1:-1]


@lru_cache(maxsize=64)
def _envelope(queue: str, pid: int) -> str:
    # All that does not change from job to job is written once. What is filled in needs no quoting: names
    # are plain, and the body comes quoted.
    message = {
        "body": _BODY,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": _headers(_ID, _SHOWN, f"cellblock@{pid}@{_HOST}"),
        "properties": _properties(_ID, _TAG, queue),
    }
    text = _encode(message).replace("%", "%%").replace(_encode(_BODY), "%(body)s")
    return text.replace(_ID, "%(id)s").replace(_SHOWN, "%(shown)s").replace(_TAG, "%(tag)s")


def _headers(task_id: str, shown: str, origin: str, task: str = TASK_NAME) -> dict[str, object]:
    return {
        "lang": "py",
        "task": task,
        "id": task_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": task_id,
        "parent_id": None,
        "argsrepr": shown,
        "kwargsrepr": "{}",
        "origin": origin,
        # The Result goes the ledger's way; Celery's own backend would store it a second time.
        "ignore_result": True,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }


def _properties(task_id: str, tag: str, queue: str) -> dict[str, object]:
    return {
        "correlation_id": task_id,
        "reply_to": "",
        "delivery_mode": 2,
        # Through the anonymous exchange the routing key is the queue: a restored message finds back.
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "delivery_tag": tag,
    }


def reply_message(task: str, queue: str, message_id: str, result: str, shown: str) -> str:
    """Return the message that puts a Celery task on `queue`, whose one argument is a Result.

    `result`: the Result as JSON. `shown`: what may be shown of it in logs and events.
    """
    origin = f"cellblock@{os.getpid()}@{_HOST}"
    message = {
        "body": f"[[{result}],{{}},{_EMBED}]",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        # Whether its result is kept is the receiver's to say.
        "headers": _headers(message_id, shown, origin, task) | {"ignore_result": False},
        "properties": _properties(message_id, secrets.token_hex(16), queue),
    }
    return _encode(message)
