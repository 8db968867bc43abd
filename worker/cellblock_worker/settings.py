"""The operator's settings: read once, at the edge, from `CELLBLOCK_*` environment variables."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from cellblock_producer.contract import Language
from cellblock_producer.scripts import MOST, MOST_BYTES, MOST_BYTES_EACH, MOST_EACH
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from .output_settings import OutputSettings
from .reply_settings import ReplySettings, read_names
from .runtimes import DATA, DATA_NAME, DEFAULTS, RuntimeSettings, read_runtimes

PREFIX = "CELLBLOCK_"
GATEWAY_PREFIX = "CELLBLOCK_GATEWAY_"

Model = TypeVar("Model", bound=BaseModel)


class SettingsError(ValueError):
    """An environment variable is unknown or holds a value that does not fit; the message names it."""


class Settings(OutputSettings, ReplySettings):
    """One frozen object; `CELLBLOCK_WALL_MS` sets `wall_ms`, and so on for every field."""

    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        repr=False,  # it may hold a password
        pattern=r"^(redis|rediss|unix)://",
        description="Redis that carries the queue and the results: redis://, rediss:// or unix://.",
    )
    queue: str = Field(
        default="cellblock",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Queue that the worker takes its jobs from.",
    )
    concurrency: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=1024,
        description="Pool processes, each of which runs one job at a time; the number of cores by default.",
    )
    wall_ms: int = Field(
        default=5000,
        ge=1,
        le=3_600_000,
        description="Wall-clock time of a job in milliseconds: the default and the ceiling.",
    )
    cpu_ms: int = Field(
        default=5000,
        ge=1,
        le=3_600_000,
        description="CPU time of a job in milliseconds: the default and the ceiling.",
    )
    memory_mb: int = Field(
        default=128,
        ge=1,
        le=65_536,
        description="Memory of a job in MiB above that of the idle runtime: the default and the ceiling.",
    )
    output_bytes: int = Field(
        default=1_048_576,
        ge=1,
        le=64 * 1_048_576,
        description="Size of a job's answer in bytes of JSON: the default and the ceiling.",
    )
    result_ttl_s: int = Field(
        default=3600,
        ge=1,
        le=30 * 86_400,
        description="Seconds for which a job's record and Result are kept.",
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Cells started for one job, at most, when workers die under it; then `worker_lost`.",
    )
    max_queued: int = Field(
        default=MOST,
        ge=1,
        le=100_000_000,
        description="Jobs that may wait on the queue in all; a client that submits one more gets QueueFull.",
    )
    max_queued_per_tenant: int = Field(
        default=MOST_EACH,
        ge=1,
        le=100_000_000,
        description="Jobs of one tenant that may wait on the queue.",
    )
    max_queued_bytes: int = Field(
        default=MOST_BYTES,
        ge=0,
        le=1 << 50,
        description="Bytes of jobs that may wait on the queue in all, those that wait for a retry included; "
        "they are in Redis's memory. 0: no bound. A client that submits more gets QueueFull.",
    )
    max_queued_bytes_per_tenant: int = Field(
        default=MOST_BYTES_EACH,
        ge=0,
        le=1 << 50,
        description="Bytes of one tenant's jobs that may wait on the queue. 0: no bound.",
    )
    runtimes: Annotated[dict[str, RuntimeSettings], BeforeValidator(read_runtimes)] = Field(
        default={name: RuntimeSettings(language=Language(name)) for name in DEFAULTS},
        description="Runtimes that are kept warm, by name, as JSON or @FILE: "
        '{"python3": {}, "nodejs": {"interpreter": …}, '
        '"python3-data": {"language": "python3", "packages": …, "preload": ["numpy"]}}.',
    )
    data_runtime: bool = Field(
        default=False,
        description="Keep the runtime `python3-data` warm, too, which has numpy and pandas; they come with "
        "the worker's extra `data`.",
    )
    require_layers: Annotated[tuple[str, ...], BeforeValidator(read_names)] = Field(
        default=(),
        description="Layers of the sandbox without which the worker must not start, beside the core, as "
        "`cellblock doctor` names them, with commas between: private root, pid namespace.",
    )
    cgroup: Path | None = Field(
        default=None,
        description="Control group (v2) that holds no process itself and that we may divide: each zygote and "
        "its cells are bounded by one of their own; by default what systemd has delegated to us, or none.",
    )
    lease_ms: int = Field(
        default=4000,
        ge=200,
        le=600_000,
        description="Milliseconds after which the jobs of a worker that was killed or stopped run elsewhere.",
    )
    grace_s: float = Field(
        default=25.0,
        ge=0,
        le=86_400,
        description="Seconds for which jobs in hand may go on when the worker is told to end; then they "
        "are handed back, and run elsewhere from the start.",
    )
    http: str = Field(
        default="",
        pattern=r"^(|[A-Za-z0-9.-]+:[0-9]{1,5})$",
        description="Address at which the worker serves /metrics, /live, /ready and /startup, without "
        "authentication, such as 127.0.0.1:9808; none by default.",
    )
    metrics_tenants: int = Field(
        default=20,
        ge=0,
        le=1000,
        description="Tenants that have a label of their own in the metrics, the first that a worker meets; "
        "the others share `other`.",
    )
    events: Literal["off", "asked", "sparing", "full"] = Field(
        default="asked",
        description="Celery's events about jobs. sparing: one when a job ends, and one more if it runs for "
        "longer than a second; asked: the same once Flower asks; full: Celery's own three, at a cost.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Least severe level that is logged.",
    )
    log_format: Literal["console", "json"] = Field(
        default="console",
        description="Log lines for people or as one JSON object each.",
    )
    log_jobs: Literal["none", "failures", "all"] = Field(
        default="failures",
        description="Which jobs have a line in the log; `all` costs throughput.",
    )
    audit_log: Path | None = Field(
        default=None,
        description="File for the audit of blocked attempts, as JSON; by default they are in the log.",
    )

    @model_validator(mode="after")
    def _add_data_runtime(self) -> Self:
        if self.data_runtime:
            self.runtimes.setdefault(DATA_NAME, DATA)
        return self

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from the variables in `environ` that start with `CELLBLOCK_`.

        Those of the gateway are its own affair.

        Raises:
            SettingsError: a variable is unknown (the message names the nearest known one) or invalid.
        """
        own = {name: value for name, value in environ.items() if not name.startswith(GATEWAY_PREFIX)}
        return read_variables(cls, PREFIX, own)


def read_variables(model: type[Model], prefix: str, environ: Mapping[str, str]) -> Model:
    """Read a model from the variables in `environ` that start with `prefix`. Raises SettingsError."""
    given = {name: value for name, value in environ.items() if name.startswith(prefix)}
    known = {prefix + field.upper(): field for field in model.model_fields}
    for name in given.keys() - known.keys():
        raise SettingsError(_unknown(name, prefix, known))
    try:
        return model.model_validate({known[name]: value for name, value in given.items()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # What concerns several settings together is said of none.
        name = prefix + str(first["loc"][0]).upper() + ": " if first["loc"] else ""
        raise SettingsError(f"{name}{first['msg']}") from None


def _unknown(name: str, prefix: str, known: Mapping[str, str]) -> str:
    # Without the prefix, which makes any two look alike.
    own = [each.removeprefix(prefix) for each in known]
    nearest = difflib.get_close_matches(name.removeprefix(prefix), own, n=1)
    hint = f"did you mean {prefix}{nearest[0]}?" if nearest else "docs/settings.md has all of them"
    return f"unknown setting {name}; {hint}"
