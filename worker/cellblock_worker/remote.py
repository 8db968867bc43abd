"""The door of remote control: what Celery's pidbox may be told.

    bytes from Redis --admit--> an envelope of our own around a command, safe to deliver
                           `--> None

Whoever may publish may say anything there, and of an envelope that lacks a field a stock worker dies. An
exchange for the reply that is not Celery's own would be remembered for ever. Pure functions.
"""

import base64
import json
import re
from typing import Any

MAX_COMMAND_BYTES = 4 * 1024 * 1024
"""Larger ones are dropped unread; a command with 50,000 ids is smaller."""
REPLY_EXCHANGE = "reply.celery.pidbox"
REPLY_FOR_MS = 60_000
"""Milliseconds for which an answer that nobody reads is kept."""

_METHOD = re.compile(r"[a-z_]{1,64}")
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}")
_CLOCK_MOST = 2**53


def admit(data: bytes) -> bytes | None:
    """Judge what came for remote control; None where it is no command."""
    if len(data) > MAX_COMMAND_BYTES:
        return None
    try:
        found = json.loads(data)
        command = json.loads(_body_in(found))
        clock = (found.get("headers") or {}).get("clock")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    if not isinstance(command, dict) or not _is_sound(command):
        return None
    envelope = {
        "body": json.dumps(command),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"clock": clock if isinstance(clock, int) and 0 <= clock < _CLOCK_MOST else 0},
        "properties": {"delivery_tag": "", "delivery_info": {"exchange": "", "routing_key": ""}},
    }
    return json.dumps(envelope).encode()


def is_id(value: object) -> bool:
    """Say whether something may be the id of a task, and be remembered as one."""
    return isinstance(value, str) and _PRINTABLE.fullmatch(value) is not None


def _body_in(found: Any) -> str | bytes:  # noqa: ANN401 - whatever was sent
    if found["content-type"] != "application/json":
        raise ValueError
    body: str = found["body"]
    if found["properties"].get("body_encoding") == "base64":
        return base64.b64decode(body, validate=True)
    return body


def _is_sound(command: dict[str, Any]) -> bool:
    method, to = command.get("method"), command.get("reply_to")
    return (
        isinstance(method, str)
        and _METHOD.fullmatch(method) is not None
        and isinstance(command.get("arguments"), dict | None)
        and isinstance(command.get("destination"), list | None)
        and all(command.get(name) is None or is_id(command[name]) for name in ("ticket", "pattern"))
        and command.get("matcher") in (None, "glob", "pcre")
        and (to is None or _is_reply_to(to))
    )


def _is_reply_to(to: object) -> bool:
    return isinstance(to, dict) and to.get("exchange") == REPLY_EXCHANGE and is_id(to.get("routing_key"))
