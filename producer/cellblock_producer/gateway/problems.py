"""What goes wrong, as a caller reads it: RFC 9457 problem details, or Dify's envelope on its own routes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from .. import errors
from .visit import visit_of

MEDIA_TYPE: Final = "application/problem+json"
SANDBOX_PREFIX: Final = "/v1/sandbox/"
BUSY_S: Final = 1
"""Seconds after which a caller is told to try again, where nobody knows better."""


class ProblemBody(BaseModel):
    """An error, by RFC 9457."""

    type: str = Field(description="Kind of the problem: urn:cellblock:problem:…")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened, and what to do.")
    request_id: str = Field(description="The request, as the gateway's log calls it.")
    errors: list[str] = Field(default_factory=list, description="Every field that is wrong, where some are.")


class Problem(Exception):
    """Raised to answer with a problem."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})


def busy(status: int, kind: str, detail: str, retry_after_s: float = BUSY_S) -> Problem:
    """Return the problem of a caller who is to try again later."""
    return Problem(status, kind, detail, headers={"Retry-After": str(max(1, math.ceil(retry_after_s)))})


def problem_of(error: errors.CellblockError) -> Problem:
    """Return what an error of the client means to a caller. Addresses and words of Redis are not for them."""
    if isinstance(error, errors.InvalidJob):
        return Problem(422, "invalid-job", "The job is not valid.", errors=error.problems)
    if isinstance(error, errors.JobConflict):
        return Problem(409, "job-conflict", "The id belongs to a job with other content.")
    if isinstance(error, errors.JobUnknown):
        return Problem(404, "job-unknown", "No job of yours has this id, or its record has expired.")
    if isinstance(error, errors.QueueFull):
        return busy(429, "queue-full", "The queue is full; submit the job again later.", error.retry_after_s)
    if isinstance(error, errors.JobTooLarge):
        return Problem(
            413, "too-large", f"The job has {error.size} bytes as a message; {error.most} may wait."
        )
    if isinstance(error, errors.Unreachable):
        return busy(503, "queue-unreachable", "The queue cannot be reached; call again with the same job.")
    if isinstance(error, errors.Refused):
        return busy(503, "queue-refused", "The queue refuses jobs; its operator must look after it.")
    if isinstance(error, errors.ClientClosed):
        return busy(503, "shutting-down", "This gateway is shutting down; call again.")
    return Problem(500, "internal", "The gateway could not read the answer; its operator must look after it.")


async def answer_problem(request: Request, problem: Exception) -> Response:
    """Answer a request that raised."""
    return _render(request, _as_problem(request, problem))


def _as_problem(request: Request, error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, errors.CellblockError):
        return problem_of(error)
    if isinstance(error, RequestValidationError):
        told = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        return Problem(422, "invalid-request", "The request is not valid.", errors=told)
    assert isinstance(error, HTTPException), "nothing else is handled"
    kind = {404: "no-such-route", 405: "method-not-allowed"}.get(error.status_code, "http")
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return Problem(error.status_code, kind, str(error.detail), headers=headers)


def _allowed(request: Request) -> str:
    """The methods of a path, of which each may be a route of its own."""
    fitting = [one for one in request.app.routes if one.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for one in fitting for method in getattr(one, "methods", ())}))


def _render(request: Request, problem: Problem) -> Response:
    if request.url.path.startswith(SANDBOX_PREFIX):
        return _render_for_dify(problem)
    body: dict[str, Any] = {
        "type": f"urn:cellblock:problem:{problem.kind}",
        "title": problem.kind.replace("-", " "),
        "status": problem.status,
        "detail": problem.detail,
        "request_id": visit_of(request).request_id,
    }
    if problem.errors:
        body["errors"] = problem.errors
    return JSONResponse(body, problem.status, problem.headers, MEDIA_TYPE)


def _render_for_dify(problem: Problem) -> Response:
    # Dify shows a message only with status 200 or 503; what its author could mend is told that way.
    status, code = {
        400: (400, -400),
        401: (401, -401),
        403: (403, -403),
        404: (404, -404),
        405: (405, -405),
        408: (408, -408),
        409: (200, -500),
        413: (200, -400),
        422: (200, -400),
        429: (503, -503),
        503: (503, -503),
    }.get(problem.status, (200, -500))
    message = "; ".join([problem.detail, *problem.errors])
    return JSONResponse({"code": code, "message": message, "data": None}, status, problem.headers)
