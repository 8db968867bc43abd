"""The Result: the one final answer of a job."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from .jsonvalue import JsonObject, check_version
from .keys import ID_PATTERN, TENANT_PATTERN, JobName
from .kinds import Branch, ErrorKind, Status

_CONFIG = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

_Count = Annotated[int, Field(strict=True, ge=0)]


class ErrorInfo(BaseModel):
    """Why the job failed."""

    model_config = _CONFIG

    kind: ErrorKind | str = Field(
        union_mode="left_to_right",
        description="What went wrong. Newer workers may send kinds that this version does not list.",
    )
    type: str = Field(default="", description="Class of the exception, when the code raised one.")
    message: str = Field(default="", repr=False, description="What to show to the author of the node.")
    line: int | None = Field(default=None, ge=1, description="Line of the code, counted from 1.")
    traceback: str = Field(default="", repr=False, description="The node's own lines of the traceback.")


class Usage(BaseModel):
    """What the job took."""

    model_config = _CONFIG

    queue_ms: _Count = Field(default=0, description="Milliseconds between submission and start.")
    wall_ms: _Count = Field(default=0, description="Milliseconds from start to answer.")
    cpu_ms: _Count = Field(default=0, description="Milliseconds of CPU time.")
    peak_memory_kb: _Count = Field(default=0, description="Most KiB above what the idle runtime has.")


class Result(BaseModel):
    """The one final answer of a job. The engine follows `branch` with `outputs`."""

    model_config = _CONFIG

    v: Annotated[Literal[1], BeforeValidator(check_version)] = Field(
        default=1, description="Version of the contract."
    )
    job_id: str = Field(pattern=ID_PATTERN, description="The job's `id`.")
    tenant: str = Field(pattern=TENANT_PATTERN, description="The job's `tenant`.")
    status: Status = Field(description="How the job ended.")
    branch: Branch | None = Field(description="The edge to follow; None when the run stops.")
    outputs: JsonObject = Field(
        default_factory=dict, repr=False, description="Values for the nodes that come next on the branch."
    )
    error: ErrorInfo | None = Field(default=None, description="Why it failed; None when it succeeded.")
    stdout: str = Field(default="", repr=False, description="What the code printed.")
    stderr: str = Field(default="", repr=False, description="What the code printed on standard error.")
    stdout_truncated: bool = Field(default=False, description="Whether `stdout` was cut.")
    stderr_truncated: bool = Field(default=False, description="Whether `stderr` was cut.")
    exit_code: int | None = Field(default=None, description="Exit code of the process, where it had one.")
    usage: Usage = Field(default=Usage(), description="What the job took.")
    attempts: _Count = Field(default=0, description="How many times a cell was started for the job.")
    worker: str = Field(default="", description="Who wrote this Result.")
    labels: dict[str, str] = Field(default_factory=dict, repr=False, description="The job's `labels`.")

    @model_validator(mode="after")
    def _check_agreement(self) -> Self:
        branches = {
            Status.SUCCEEDED: (Branch.SUCCESS,),
            Status.EXCEPTION: (Branch.SUCCESS, Branch.FAIL),
            Status.FAILED: (None,),
        }
        if self.branch not in branches[self.status]:
            raise PydanticCustomError("branch", "the branch does not go with the status")
        if (self.error is None) != (self.status is Status.SUCCEEDED):
            raise PydanticCustomError("error", "a job that succeeded has no error, every other has one")
        return self

    @property
    def name(self) -> JobName:
        """The full name of the job: tenant and id."""
        return JobName(self.tenant, self.job_id)

    def to_json(self) -> str:
        """Return the Result as it is stored and published."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote. Raises pydantic's ValidationError."""
        return cls.model_validate_json(text)
