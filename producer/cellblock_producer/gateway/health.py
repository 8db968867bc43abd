"""Whether the gateway lives, whether it can do its work, and what it has counted."""

from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from .answers import json_response
from .gateway import gateway_of
from .metrics import MEDIA_TYPE
from .problems import busy

router = APIRouter(tags=["operation"])
_BUSY: Final[dict[int | str, dict[str, Any]]] = {
    503: {
        "description": "Not now",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
    }
}


@router.get("/health", summary="Does it live?", response_model=Literal["ok"])
async def health() -> Response:
    """Answer as long as the process does; as Dify's sandbox does."""
    return json_response(b'"ok"')


@router.get("/ready", summary="Can it do its work?", response_model=Literal["ready"], responses=_BUSY)
async def ready(request: Request) -> Response:
    """Answer 200 while Redis answers and no shutdown has begun."""
    gateway = gateway_of(request)
    if gateway.waits.closing:
        raise busy(503, "shutting-down", "This gateway is shutting down.")
    if not await gateway.reachable():
        raise busy(503, "queue-unreachable", "Redis does not answer.")
    return json_response(b'"ready"')


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response, include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Answer in Prometheus's text format."""
    return Response(gateway_of(request).metrics.page(), media_type=MEDIA_TYPE)
