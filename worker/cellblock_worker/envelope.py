"""The door of the queue: judges what was popped and makes of it a message that Celery cannot trip over.

    bytes from Redis --admit--> Admitted: an envelope with known fields only, safe to log, safe to deliver
                           `--> Refused: why, and whose job it was, as far as that can be read

Nothing else reaches kombu and Celery. That matters because they log what they cannot read (bodies with code
in them), and because some garbage stops a stock worker. Pure functions; the words never quote the message.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from celery.utils.time import maybe_iso8601
from cellblock_producer.keys import DEFAULT_TENANT, JobName
from cellblock_producer.wire import TASK_NAME

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Larger messages are dropped unread; the largest valid job in base64 is smaller."""

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,255}")
_LANGUAGES = ("python3", "nodejs", "python", "javascript")


@dataclass(frozen=True, slots=True)
class Admitted:
    """A message as kombu delivers it. Admitting it again, after kombu put it back, gives the same."""

    envelope: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is no job; `name` tells whose it was, where that can be read."""

    reason: str
    name: JobName | None = None


class _RefusalError(Exception):
    pass


def admit(item: bytes, queue: str) -> Admitted | Refused:
    """Judge one message that was popped from `queue`."""
    if len(item) > MAX_MESSAGE_BYTES:
        return Refused("the message is too large")
    found: dict[str, Any] = {}
    try:
        found = _object(_json(item, "the message"), "the message")
        return Admitted(_envelope(found, queue))
    except _RefusalError as refusal:
        return Refused(str(refusal), _name_in(found))


def job_name(job: Mapping[str, Any], task_id: object) -> JobName | None:
    """Read the name of a job that may be invalid otherwise; without an id of its own it has the task's."""
    try:
        return JobName(job.get("tenant", DEFAULT_TENANT), job.get("id", task_id))
    except (TypeError, ValueError):
        pass
    try:
        return JobName.from_task_id(task_id) if isinstance(task_id, str) else None
    except ValueError:
        return None


def safe_repr(job: Mapping[str, Any], name: JobName) -> str:
    """Describe a job for logs, events and Flower: no code, no inputs."""
    language = job.get("language")
    shown = language if language in _LANGUAGES else "?"
    return f"job_id={name.id} language={shown} tenant={name.tenant}"


def _envelope(found: Mapping[str, Any], queue: str) -> dict[str, Any]:
    headers = _object(found.get("headers"), "headers")
    properties = _object(found.get("properties"), "properties")
    if headers.get("task") != TASK_NAME:
        raise _RefusalError(f"the task is not {TASK_NAME}")
    _check_content(found, headers)
    text = _body_text(found, properties)
    job = _job_in(_json(text, "the body"))
    name = job_name(job, headers.get("id"))
    if name is None:
        raise _RefusalError("no valid job id")
    return {
        "body": text,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": _headers(headers, safe_repr(job, name)),
        "properties": _properties(properties, headers["id"], queue),
    }


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


def _job_in(payload: object) -> dict[str, Any]:
    match payload:
        case [[dict() as job], {}, dict()] if not payload[1]:
            return job
    raise _RefusalError("the body is not [[job], {}, {…}] with one job object")


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


def _name_in(found: Mapping[str, Any]) -> JobName | None:
    """Look for a job's name in what was refused: the body's job, the headers, or a job without either."""
    headers = found.get("headers")
    task_id = headers.get("id") if isinstance(headers, dict) else None
    job: Mapping[str, Any]
    try:
        job = _job_in(_json(_body_text(found, found.get("properties")), "the body"))
    except _RefusalError:
        job = found if "headers" not in found else {}
    return job_name(job, task_id)


def _json(text: bytes | str, what: str) -> object:
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
