"""The Job: one code node to run, as it is written to the queue."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError, to_json

from .errors import InvalidJob
from .jobparts import JOB_CONFIG, Limits, OnError, Reply, Retry, Trace
from .jsonvalue import JsonObject, check_version, too_many_values
from .keys import DEFAULT_PRIORITY, DEFAULT_TENANT, ID_PATTERN, TENANT_PATTERN, JobName
from .kinds import Language, Mode, Strategy
from .outputs import check_outputs
from .spec import OutputSpecs
from .uuid7 import uuid7

MAX_CODE_BYTES = 1024 * 1024
"""The largest program, in bytes of UTF-8."""
MAX_INPUT_BYTES = 16 * 1024 * 1024
"""The largest inputs, in bytes of JSON."""

_AS_GIVEN = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_CANONICAL = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True)

_ALIASES = {"python": Language.PYTHON3, "javascript": Language.NODEJS}


def _read_language(value: object) -> object:
    return _ALIASES.get(value, value) if isinstance(value, str) else value


ReadLanguage = Annotated[Language, BeforeValidator(_read_language)]
"""A language, by its name or by one that means the same."""


def _check_code(code: str) -> str:
    if len(code.encode()) > MAX_CODE_BYTES:
        raise PydanticCustomError("too_large", "code is larger than 1 MiB")
    return code


def _check_inputs(inputs: dict[str, Any]) -> dict[str, Any]:
    if "" in inputs:
        raise PydanticCustomError("input_name", "an input needs a name")
    text = to_json(inputs)
    if len(text) > MAX_INPUT_BYTES:
        raise PydanticCustomError("too_large", "inputs are larger than 16 MiB of JSON")
    if too_many_values(text):
        raise PydanticCustomError("too_large", "inputs hold more than 2,000,000 values")
    return inputs


class Job(BaseModel):
    """One code node to run. Only `language` and `code` are required.

    Raises pydantic's ValidationError (a ValueError) where a field is not valid; `Client.submit` and
    `read_job` raise InvalidJob instead. Neither shows the code or the inputs.
    """

    model_config = JOB_CONFIG

    v: Annotated[Literal[1], BeforeValidator(check_version)] = Field(
        default=1, description="Version of the contract."
    )
    id: str = Field(
        default_factory=uuid7,
        pattern=ID_PATTERN,
        description="Name of the job within its tenant, and idempotency key: 1 to 128 of A-Z a-z 0-9 . _ -",
    )
    tenant: str = Field(
        default=DEFAULT_TENANT,
        pattern=TENANT_PATTERN,
        description="Whose job it is; a job does not exist for other tenants.",
    )
    language: ReadLanguage = Field(
        description="`python3` or `nodejs`; `python` and `javascript` mean the same."
    )
    runtime: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="A named runtime of that language; None is the language's default runtime.",
    )
    mode: Mode = Field(default=Mode.MAIN, description="Call `main`, or run the file as a script.")
    code: Annotated[str, AfterValidator(_check_code)] = Field(
        min_length=1, description="The program, at most 1 MiB of UTF-8."
    )
    inputs: Annotated[JsonObject, AfterValidator(_check_inputs)] = Field(
        default_factory=dict,
        description="Arguments of `main` by name, at most 16 MiB of JSON and 2,000,000 values.",
    )
    outputs: OutputSpecs = Field(
        default_factory=dict, description="Declared output variables; none leaves the outputs unchecked."
    )
    limits: Limits = Field(default=Limits(), description="Limits below those of the operator.")
    on_error: OnError = Field(default_factory=OnError, description="What a failure means to the workflow.")
    retry: Retry = Field(default=Retry(), description="Whether to run again after a failure.")
    deadline_ms: int | None = Field(
        default=None,
        strict=True,
        gt=0,
        lt=2**53,
        description="Unix time in milliseconds, by the server's clock, after which the job is not started.",
    )
    priority: int = Field(
        default=DEFAULT_PRIORITY,
        strict=True,
        ge=0,
        le=9,
        description="Urgency from 0 to 9 among the jobs of its tenant: 9 goes first, 5 is usual.",
    )
    reply: Reply | None = Field(default=None, description="Where else to send the Result.")
    trace: Trace | None = Field(default=None, description="The caller's trace, W3C Trace Context.")
    labels: dict[
        Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=256)]
    ] = Field(default_factory=dict, max_length=32, description="Free strings that the Result brings back.")

    @model_validator(mode="after")
    def _check_default_outputs(self) -> Self:
        if self.on_error.strategy is Strategy.DEFAULT:
            problem = check_outputs(self.outputs, self.on_error.values)
            if problem is not None:
                raise PydanticCustomError(
                    "default_outputs", "on_error.values: {problem}", {"problem": problem.message}
                )
        return self

    @property
    def name(self) -> JobName:
        """The job's full name: tenant and id."""
        return JobName(self.tenant, self.id)

    def to_json(self) -> str:
        """Return the job as it is sent. Fields that have their default are left out, `v` never."""
        return _text(self._said())

    def digest(self) -> str:
        """Return the SHA-256, in hex, of what the job says: all but `trace`, in canonical JSON.

        Two submissions with one id are the same job exactly when their digests are equal. Defaults are
        left out, so that a field which a later version adds does not change the digest of older jobs.
        """
        return _digest(self._said())

    def written(self) -> tuple[str, str]:
        """Return `to_json()` and `digest()` for little more than the price of one."""
        said = self._said()
        return _text(said), _digest(said)

    def _said(self) -> dict[str, Any]:
        # To find out whether the id is the default one, pydantic would make another.
        return {"id": self.id, **self.model_dump(mode="json", exclude_defaults=True, exclude={"id"})}

    def __repr__(self) -> str:
        # Code and inputs may hold what nobody should read in a log.
        return f"Job(id={self.id!r}, language={self.language.value!r}, tenant={self.tenant!r})"

    __str__ = __repr__


def _text(said: dict[str, Any]) -> str:
    # Keys stay as they were given: their order may mean something to the code.
    return '{"v":1,' + _AS_GIVEN.encode(said)[1:]


def _digest(said: dict[str, Any]) -> str:
    canonical = _CANONICAL.encode({name: part for name, part in said.items() if name != "trace"})
    return hashlib.sha256(canonical.encode()).hexdigest()


JobLike = Job | Mapping[str, Any]
"""A Job, or the mapping of one (for example from JSON)."""


def read_job(source: JobLike) -> Job:
    """Return `source` as a Job. Raises InvalidJob, which names every field that is wrong."""
    if isinstance(source, Job):
        return source
    try:
        return Job.model_validate(source)
    except ValidationError as error:
        raise InvalidJob(list_problems(error)) from None


def list_problems(error: ValidationError) -> list[str]:
    """Say what is wrong, and where, and never with which value."""
    words = {"missing": "is required", "extra_forbidden": "is not a field of a job"}
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return [_join(detail["loc"], words.get(detail["type"], detail["msg"])) for detail in details]


def _join(path: tuple[int | str, ...], message: str) -> str:
    # Names of fields are ours, but an unknown one may be anything.
    name = ".".join(str(part) for part in path).encode(errors="replace").decode()[:200]
    return f"{name}: {message}" if name else message
