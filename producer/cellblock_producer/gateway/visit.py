"""One request on its way through the gateway: its id, its trace, and what the log says of it."""

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from starlette.requests import HTTPConnection

from ..jobparts import Trace

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE: Final = re.compile(r"[\x20-\x7e]*")
_TRACESTATE_LENGTH: Final = 512
_STATE: Final = "visit"


@dataclass(slots=True)
class Visit:
    """What is known of a request; the log's line is made of it."""

    request_id: str
    trace: Trace
    started: float = field(default_factory=time.perf_counter)
    status: int = 0
    key: str = ""
    tenant: str = ""
    job_id: str = ""
    hung_up: bool = False

    @property
    def trace_id(self) -> str:
        """The id of the trace that the request belongs to."""
        return self.trace.traceparent[3:35]


def begin_visit(headers: Mapping[str, str]) -> Visit:
    """Return the visit of a request with these headers; what they say of ids is taken if it is well-formed.

    Where there is no trace one is begun, and its id is the request's where that has none.
    """
    traceparent = headers.get("traceparent", "")
    begun = not _TRACEPARENT.fullmatch(traceparent)
    if begun:
        traceparent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
    request_id = headers.get("x-request-id", "")
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = traceparent[3:35]
    state = "" if begun else headers.get("tracestate", "")
    return Visit(request_id, Trace(traceparent=traceparent, tracestate=_tracestate(request_id, state)))


def keep_visit(scope: Mapping[str, Any], visit: Visit) -> None:
    """Have the request that `scope` describes know its visit."""
    scope["state"][_STATE] = visit


def visit_of(request: HTTPConnection) -> Visit:
    """Return the visit of a request."""
    return cast("Visit", request.scope["state"][_STATE])


def _tracestate(request_id: str, given: str) -> str:
    """The caller's state with our entry before it; what does not fit falls off its end, in whole entries."""
    entries = [f"cellblock={request_id}"]
    size = len(entries[0])
    for entry in given.split(",") if _TRACESTATE.fullmatch(given) else ():
        size += len(entry) + 1
        if size > _TRACESTATE_LENGTH or len(entries) == 32:
            break
        if entry.strip() and not entry.strip().startswith("cellblock="):
            entries.append(entry.strip())
    return ",".join(entries)
