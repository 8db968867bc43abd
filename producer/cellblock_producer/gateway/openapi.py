"""The OpenAPI description: FastAPI's, with the bodies that are read by hand."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from ..job import Job
from .checks import Check
from .dify import SandboxLanguage, SandboxRun
from .jobs import MAX_BATCH
from .problems import ProblemBody

_ABOUT: Final = """\
Runs code nodes of a workflow, each in a fresh confined process.

Send a key as `Authorization: Bearer KEY`; Dify's routes take it as `X-Api-Key`. Errors are problem details
(RFC 9457), on Dify's routes Dify's envelope. `X-Request-ID` and `traceparent` are taken, passed on with the
job, and logged.
"""


class Batch(BaseModel):
    """Many jobs."""

    jobs: list[Job] = Field(min_length=1, max_length=MAX_BATCH)


_MODELS: Final = (Batch, Check, Job, ProblemBody, SandboxLanguage, SandboxRun)


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description of the gateway's API."""
    described = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    _, read = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in read["$defs"].items():
        schemas.setdefault(name, schema)
    # The key says whose jobs they are.
    schemas["Job"]["properties"].pop("tenant")
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for operations in described["paths"].values():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]  # FastAPI's own, which is never answered
    return described
