"""The parts of a Job that have fields of their own."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from .jsonvalue import JsonObject
from .kinds import ErrorKind, Strategy
from .webhooks import URL_PATTERN

JOB_CONFIG = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
"""A field that is not known is refused: it would else be ignored without a word."""

_HOUR_MS = 3_600_000


class Limits(BaseModel):
    """What the job may use. None means the operator's setting, which is also the ceiling."""

    model_config = JOB_CONFIG

    wall_ms: int | None = Field(
        default=None, strict=True, ge=1, le=_HOUR_MS, description="Milliseconds from start to answer."
    )
    cpu_ms: int | None = Field(
        default=None, strict=True, ge=1, le=_HOUR_MS, description="Milliseconds of CPU time."
    )
    memory_mb: int | None = Field(
        default=None, strict=True, ge=1, le=65_536, description="MiB above what the idle runtime has."
    )
    output_bytes: int | None = Field(
        default=None, strict=True, ge=1, le=64 * 1024 * 1024, description="Bytes of the outputs as JSON."
    )


class OnError(BaseModel):
    """What a failure of the node means to the workflow."""

    model_config = JOB_CONFIG

    strategy: Strategy = Field(
        default=Strategy.STOP, description="Stop the run, take the fail branch, or go on with defaults."
    )
    values: JsonObject = Field(
        default_factory=dict, repr=False, description="The default outputs; for strategy `default` only."
    )

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        if self.values and self.strategy is not Strategy.DEFAULT:
            raise PydanticCustomError("values", "values belong to strategy 'default' only")
        return self


class Retry(BaseModel):
    """Whether, when and after which failures the job is run again."""

    model_config = JOB_CONFIG

    max_retries: int = Field(default=0, strict=True, ge=0, le=10, description="Runs after the first one.")
    interval_ms: int = Field(
        default=1000, strict=True, ge=0, le=60_000, description="Milliseconds between two runs."
    )
    kinds: tuple[ErrorKind, ...] = Field(
        default=(),
        max_length=len(ErrorKind),
        description="Kinds of error to retry; none means every kind that may go away.",
    )


class CeleryReply(BaseModel):
    """Send the Result as a Celery task, too."""

    model_config = JOB_CONFIG

    kind: Literal["celery"] = Field(description="Always `celery`.")
    task: str = Field(min_length=1, max_length=256, description="Task that gets the Result as its argument.")
    queue: str = Field(min_length=1, max_length=256, description="Queue that the task is put on.")


class WebhookReply(BaseModel):
    """Send the Result by HTTP POST, too."""

    model_config = JOB_CONFIG

    kind: Literal["webhook"] = Field(description="Always `webhook`.")
    url: str = Field(
        pattern=URL_PATTERN,
        max_length=2048,
        repr=False,
        description="Where the Result is posted as JSON: ASCII, no user, no fragment.",
    )


Reply = Annotated[CeleryReply | WebhookReply, Field(discriminator="kind")]


class Trace(BaseModel):
    """W3C Trace Context of the caller; it is no part of what the job says."""

    model_config = JOB_CONFIG

    traceparent: str = Field(
        pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        description="Version, trace id, parent id and flags.",
    )
    tracestate: str | None = Field(
        default=None, pattern=r"^[\x20-\x7e]{0,512}$", description="Vendors' own part of the context."
    )
