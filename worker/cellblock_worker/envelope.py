"""The door of the queue: judges what was popped and makes of it a message that Celery cannot trip over.

    bytes from Redis --admit--> Admitted: an envelope with known fields only, safe to log, safe to deliver
                           `--> Refused: why, and whose job it was, as far as that can be read

Nothing else reaches kombu and Celery. That matters because they log what they cannot read (bodies with code
in them), and because some garbage stops a stock worker. Pure functions; the words never quote the message.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import uuid4

from celery.utils.time import maybe_iso8601
from cellblock_producer.jsonvalue import MAX_VALUES, too_many_values
from cellblock_producer.keys import DEFAULT_PRIORITY, JobName
from cellblock_producer.wire import MAX_BATCH, TASK_NAME

from .sealed import job_name, member_id

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Larger messages are dropped unread; the largest valid job in base64 is smaller."""

JOBS_HEADER = "jobs"
"""Our own header: how many jobs the message holds."""

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,255}")
_LABELS_SHOWN = 300  # characters
_MORE_VALUES = 100_000  # that a message may have beside a job's inputs
_LANGUAGES = ("python3", "nodejs", "python", "javascript")


@dataclass(frozen=True, slots=True)
class Admitted:
    """A message as kombu delivers it, and whose it is. Admitting it again gives the same."""

    envelope: dict[str, Any]
    tenant: str
    jobs: int = 1
    priority: int = DEFAULT_PRIORITY
    """That of its first job."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is neither a job nor a batch; `names` tells whose it was, where that can be read."""

    reason: str
    names: tuple[JobName, ...] = ()


class _RefusalError(Exception):
    pass


def admit(item: bytes, queue: str) -> Admitted | Refused:
    """Judge one message that was popped from `queue`."""
    if len(item) > MAX_MESSAGE_BYTES:
        return Refused("the message is too large")
    found: dict[str, Any] = {}
    try:
        found = _object(_json(item, "the message"), "the message")
        return _admitted(found, queue)
    except _RefusalError as refusal:
        return Refused(str(refusal), _names_in(found))


def safe_repr(job: object, name: JobName) -> str:
    """Describe a job for logs, events and Flower: no code, no inputs."""
    return f"job_id={name.id} language={_language(job)} tenant={name.tenant}{_labels(job)}"


def safe_batch_repr(jobs: Sequence[object], first: JobName) -> str:
    """Describe a batch in the same way, by its size and its first job."""
    return f"jobs={len(jobs)} first={first.id} language={_language(jobs[0])} tenant={first.tenant}"


def _labels(job: object) -> str:
    labels = job.get("labels") if isinstance(job, dict) else None
    return f" labels={json.dumps(labels)[:_LABELS_SHOWN]}" if labels and isinstance(labels, dict) else ""


def _language(job: object) -> str:
    language = job.get("language") if isinstance(job, dict) else None
    return language if isinstance(language, str) and language in _LANGUAGES else "?"


def _admitted(found: Mapping[str, Any], queue: str) -> Admitted:
    headers = _object(found.get("headers"), "headers")
    properties = _object(found.get("properties"), "properties")
    if headers.get("task") != TASK_NAME:
        raise _RefusalError(f"the task is not {TASK_NAME}")
    _check_content(found, headers)
    text = _body_text(found, properties)
    argument = _argument_in(_json(text, "the body"))
    described, jobs, tenant = _describe(argument, headers.get("id"))
    envelope = {
        "body": text,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": _headers(headers, described) | {JOBS_HEADER: jobs},
        "properties": _properties(properties, headers["id"], queue),
    }
    return Admitted(
        envelope, tenant, jobs, _priority(argument[0] if isinstance(argument, list) else argument)
    )


def _priority(job: object) -> int:
    said = job.get("priority") if isinstance(job, dict) else None
    return said if type(said) is int and 0 <= said <= 9 else DEFAULT_PRIORITY


def _check_content(found: Mapping[str, Any], headers: Mapping[str, Any]) -> None:
    if found.get("content-type") != "application/json":
        raise _RefusalError("the content type is not application/json")
    if str(found.get("content-encoding")).lower() not in ("utf-8", "none") or "compression" in headers:
        raise _RefusalError("the content encoding is not utf-8")


def _body_text(found: Mapping[str, Any], properties: object) -> str:
    body = found.get("body")
    if not isinstance(body, str):
        raise _RefusalError("the body is no string")
    match properties.get("body_encoding") if isinstance(properties, dict) else None:
        case None | "utf-8":
            return body
        case "base64":
            return _decode_base64(body)
    raise _RefusalError("the body encoding is neither base64 nor utf-8")


def _decode_base64(body: str) -> str:
    try:
        return base64.b64decode(body, validate=True).decode()
    except ValueError:
        raise _RefusalError("the body is not base64 of utf-8") from None


def _argument_in(payload: object) -> dict[str, Any] | list[object]:
    match payload:
        case [[dict() | list() as argument], {}, dict()] if not payload[1]:
            return argument
    raise _RefusalError("the body is not [[job], {}, {…}] with one job object or one list of jobs")


def _describe(argument: dict[str, Any] | list[object], task_id: object) -> tuple[str, int, str]:
    """Describe a job or a batch, count, and say whose the first is.

    Each needs a name to be answered by; the rest is judged later.
    """
    if isinstance(argument, list) and not 1 <= len(argument) <= MAX_BATCH:
        raise _RefusalError(f"a batch has from 1 to {MAX_BATCH} jobs")
    names = _names_of(argument, task_id)
    if None in names:
        raise _RefusalError("no valid job id")
    first = cast("JobName", names[0])
    if isinstance(argument, list):
        return safe_batch_repr(argument, first), len(argument), first.tenant
    return safe_repr(argument, first), 1, first.tenant


def _names_of(argument: dict[str, Any] | list[object], task_id: object) -> list[JobName | None]:
    if isinstance(argument, list):
        return [job_name(job, member_id(task_id, place)) for place, job in enumerate(argument)]
    return [job_name(argument, task_id)]


def _headers(given: Mapping[str, Any], described: str) -> dict[str, Any]:
    """Keep what Celery needs, each in a form it can take; limits and names are not for the sender to say."""
    task_id = given.get("id")
    if not isinstance(task_id, str) or not _PRINTABLE.fullmatch(task_id):
        raise _RefusalError("no valid task id")
    return {
        "lang": "py",
        "task": TASK_NAME,
        "id": task_id,
        "root_id": _printable(given.get("root_id")) or task_id,
        "parent_id": _printable(given.get("parent_id")),
        "group": _printable(given.get("group")),
        "group_index": _count(given.get("group_index")),
        "eta": _moment(given.get("eta"), "eta"),
        "expires": _moment(given.get("expires"), "expires"),
        "retries": _count(given.get("retries")) or 0,
        "timelimit": [None, None],
        "argsrepr": described,
        "kwargsrepr": "{}",
        "origin": _printable(given.get("origin")),
        "ignore_result": given.get("ignore_result") is True,
    }


def _properties(given: Mapping[str, Any], task_id: str, queue: str) -> dict[str, Any]:
    """Make properties of our own: a message goes back to the queue it came from, under a fresh tag."""
    info = given.get("delivery_info")
    return {
        "correlation_id": task_id,
        "reply_to": "",
        "delivery_mode": 2,
        "priority": min(_count(given.get("priority")) or 0, 9),
        "delivery_tag": str(uuid4()),
        "delivery_info": {
            "exchange": "",
            "routing_key": queue,
            "redelivered": isinstance(info, dict) and info.get("redelivered") is True,
        },
    }


def _names_in(found: Mapping[str, Any]) -> tuple[JobName, ...]:
    """Look for names in what was refused: the body's jobs, the headers, or a job without either."""
    headers = found.get("headers")
    task_id = headers.get("id") if isinstance(headers, dict) else None
    argument: dict[str, Any] | list[object]
    try:
        argument = _argument_in(_json(_body_text(found, found.get("properties")), "the body"))
    except _RefusalError:
        argument = dict(found) if "headers" not in found else {}
    # A batch of any size at all may have come; nobody could have sent more of them through our client.
    names = _names_of(argument[:MAX_BATCH] if isinstance(argument, list) else argument, task_id)
    return tuple(name for name in names if name is not None)


def _json(text: bytes | str, what: str) -> object:
    if too_many_values(text, MAX_VALUES + _MORE_VALUES):
        raise _RefusalError(f"{what} holds too many values")
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        raise _RefusalError(f"{what} is not JSON") from None
    return value


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _RefusalError(f"{what} is no JSON object")
    return value


def _printable(value: object) -> str | None:
    return value if isinstance(value, str) and _PRINTABLE.fullmatch(value) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**31 else None


def _moment(value: object, what: str) -> str | None:
    if value is None:
        return None
    try:
        if isinstance(value, str) and isinstance(maybe_iso8601(value), datetime):
            return value
    except ValueError:
        pass
    raise _RefusalError(f"{what} is no ISO 8601 time")
