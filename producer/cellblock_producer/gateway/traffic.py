"""What is done with every request: it gets its ids, a line in the log, and is counted."""

import logging
import time
import traceback
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .metrics import Metrics
from .problems import MEDIA_TYPE
from .visit import Visit, begin_visit, keep_visit

HUNG_UP: Final = 499
_QUIET: Final = frozenset({"/health", "/ready", "/metrics"})

_log = logging.getLogger("cellblock.gateway")


class Traffic:
    """ASGI middleware around all routes."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(  # noqa: D102 - ASGI
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = begin_visit(Headers(scope=scope))
        scope.setdefault("state", {})
        keep_visit(scope, visit)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = visit.request_id
            await send(message)

        try:
            await self._app(scope, receive, told)
        except Exception as fault:
            _log.error("request %s: %s", visit.request_id, _place_of(fault))
            if not visit.status:
                await _apologize(visit, told)
        finally:
            self._note(scope, visit)

    def _note(self, scope: Scope, visit: Visit) -> None:
        seconds = time.perf_counter() - visit.started
        route = getattr(scope.get("route"), "path", "none")
        status = HUNG_UP if visit.hung_up else visit.status
        self._metrics.requests.labels(scope["method"], route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        level = logging.DEBUG if route in _QUIET else logging.INFO
        if _log.isEnabledFor(level):
            _log.log(
                level, "%s %s %d in %.1f ms%s", scope["method"], route, status, seconds * 1000, _tail(visit)
            )


def _tail(visit: Visit) -> str:
    said = {
        "request": visit.request_id,
        "trace": visit.trace_id,
        "key": visit.key,
        "tenant": visit.tenant,
        "job": visit.job_id,
    }
    return "".join(f" {name}={value}" for name, value in said.items() if value)


async def _apologize(visit: Visit, send: Send) -> None:
    body = (
        '{"type":"urn:cellblock:problem:internal","title":"internal","status":500,'
        f'"detail":"The gateway met an error of its own.","request_id":"{visit.request_id}"}}'
    ).encode()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _place_of(fault: Exception) -> str:
    """Say what was raised and where. The exception's own words may quote the request."""
    frames = traceback.extract_tb(fault.__traceback__)[-8:]
    return f"{type(fault).__name__} at " + " < ".join(f"{f.filename}:{f.lineno}" for f in reversed(frames))
