"""Writes a job as the message that stock Celery workers read: Celery's protocol 2 in kombu's envelope.

    {"body": "[[job], {}, {…}]", "content-type": "application/json", "headers": {task, id, …},
     "properties": {correlation_id, delivery_info, …}}

Without `body_encoding` kombu takes the body as it is, so that the job is not wrapped in base64.
"""

import json
import os
import secrets
import socket

from .job import Job

TASK_NAME = "cellblock.run"
"""The one task, for all jobs; its one argument is the job as a JSON object."""

_HOST = socket.gethostname()
_EMBED = '{"callbacks":null,"errbacks":null,"chain":null,"chord":null}'


def describe(job: Job) -> str:
    """Return what logs, events and Flower may show of a job: never code or inputs."""
    return f"job_id={job.id} language={job.language.value} tenant={job.tenant}"


def task_message(job: Job, queue: str) -> str:
    """Return the message that puts `job` on `queue`."""
    task_id = job.name.task_id
    message = {
        "body": f"[[{job.to_json()}],{{}},{_EMBED}]",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": _headers(task_id, describe(job)),
        "properties": _properties(task_id, queue),
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _headers(task_id: str, shown: str) -> dict[str, object]:
    return {
        "lang": "py",
        "task": TASK_NAME,
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
        "origin": f"cellblock@{os.getpid()}@{_HOST}",
        # The Result goes the ledger's way; Celery's own backend would store it a second time.
        "ignore_result": True,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }


def _properties(task_id: str, queue: str) -> dict[str, object]:
    return {
        "correlation_id": task_id,
        "reply_to": "",
        "delivery_mode": 2,
        # Through the anonymous exchange the routing key is the queue: a restored message finds back.
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "delivery_tag": secrets.token_hex(16),
    }
