"""The bodies of answers that are no Result, and how JSON is answered."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from ..check import Finding
from ..core import Cancellation
from .problems import MEDIA_TYPE, ProblemBody

JSON: Final = "application/json"


class Pending(BaseModel):
    """A job that has no Result yet."""

    id: str = Field(description="The job's id.")
    status: Literal["pending"] = "pending"
    href: str = Field(description="Where its Result will be.")


class Refusal(BaseModel):
    """A job of a batch that was not put on the queue."""

    id: str = Field(description="The job's id.")
    status: Literal["refused"] = "refused"
    problem: str = Field(description="Kind of the problem: urn:cellblock:problem:…")
    detail: str = Field(description="What happened, and what to do.")


class BatchAnswer(BaseModel):
    """What became of the jobs of a batch, in their order."""

    jobs: list[Pending | Refusal]


class CancelAnswer(BaseModel):
    """What became of a wish to cancel."""

    id: str = Field(description="The job's id.")
    cancellation: Cancellation = Field(description="`cancelled`, or `finished`: it has its Result.")


class CheckAnswer(BaseModel):
    """What was found in a piece of code."""

    findings: list[Finding] = Field(description="By line and column; empty is no promise.")
    refused: bool = Field(description="Whether one of them says more than advice.")


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer whose body is JSON already."""
    return Response(body, status, headers, JSON)


_WORDS: Final = {
    400: "The body is not JSON",
    401: "The key is missing or not known",
    403: "The key is not good for this",
    404: "No such job",
    408: "The body did not arrive in time",
    409: "The id is taken by a job with other content",
    413: "The body is too large",
    422: "The request or the job is not valid",
    429: "The queue is full, or a quota is spent; see Retry-After",
    500: "A fault of the gateway",
    501: "The check is not installed",
    502: "The Result is too large to be handed out",
    503: "The queue cannot be reached, or the gateway is too busy; see Retry-After",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe problems that a route answers with, for OpenAPI."""
    schema = {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}
    return {
        status: {"description": _WORDS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in (*statuses, 401, 403, 500)
    }
