"""Turns what became of a run into the job's Result: status, branch and outputs; pure functions.

    on_error      status      branch    outputs
    (succeeded)   succeeded   success   what main returned
    stop          failed      None      {}
    branch        exception   fail      error_type, error_message
    default       exception   success   the defaults, error_type, error_message

`cancelled` and `invalid_job` are always failed: no edge was meant for them. Neither they nor `expired`
are retried.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .job import Job
from .keys import JobName
from .kinds import Branch, ErrorKind, Status, Strategy
from .result import ErrorInfo, Result, Usage

_ALWAYS_FAILED = frozenset({ErrorKind.CANCELLED, ErrorKind.INVALID_JOB})
_NEVER_RETRIED = _ALWAYS_FAILED | {ErrorKind.EXPIRED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What is known of a run beside its answer; the fields are those of Result."""

    stdout: str = field(default="", repr=False)
    stderr: str = field(default="", repr=False)
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    exit_code: int | None = None
    usage: Usage = Usage()  # noqa: RUF009 - frozen
    attempts: int = 0
    worker: str = ""


_NEVER_RAN = Execution()


def settle_success(job: Job, outputs: Mapping[str, Any], execution: Execution = _NEVER_RAN) -> Result:
    """Return the Result of a job whose code answered with `outputs`."""
    return _result(job.name, job.labels, Status.SUCCEEDED, Branch.SUCCESS, dict(outputs), None, execution)


def settle_failure(job: Job, error: ErrorInfo, execution: Execution = _NEVER_RAN) -> Result:
    """Return the Result of a job that failed with `error`, by the job's `on_error`."""
    strategy = Strategy.STOP if error.kind in _ALWAYS_FAILED else job.on_error.strategy
    told = {"error_type": error.type or str(error.kind), "error_message": error.message}
    if strategy is Strategy.BRANCH:
        return _result(job.name, job.labels, Status.EXCEPTION, Branch.FAIL, told, error, execution)
    if strategy is Strategy.DEFAULT:
        outputs = {**job.on_error.values, **told}
        return _result(job.name, job.labels, Status.EXCEPTION, Branch.SUCCESS, outputs, error, execution)
    return _result(job.name, job.labels, Status.FAILED, None, {}, error, execution)


def settle_unread(name: JobName, error: ErrorInfo, execution: Execution = _NEVER_RAN) -> Result:
    """Return the failed Result of a job of which nothing but its name could be read."""
    return _result(name, {}, Status.FAILED, None, {}, error, execution)


def is_retried(job: Job, kind: str) -> bool:
    """Say whether a job that failed with an error of this kind is run again, while it has retries left."""
    retry = job.retry
    return retry.max_retries > 0 and kind not in _NEVER_RETRIED and (not retry.kinds or kind in retry.kinds)


def settle_cancelled(name: JobName, labels: Mapping[str, str]) -> Result:
    """Return the Result of a job that was cancelled; how often it was begun, the ledger fills in."""
    error = ErrorInfo(kind=ErrorKind.CANCELLED, message="The job was cancelled.")
    return _result(name, labels, Status.FAILED, None, {}, error, _NEVER_RAN)


def _result(
    name: JobName,
    labels: Mapping[str, str],
    status: Status,
    branch: Branch | None,
    outputs: dict[str, Any],
    error: ErrorInfo | None,
    execution: Execution,
) -> Result:
    return Result(
        job_id=name.id,
        tenant=name.tenant,
        status=status,
        branch=branch,
        outputs=outputs,
        error=error,
        stdout=execution.stdout,
        stderr=execution.stderr,
        stdout_truncated=execution.stdout_truncated,
        stderr_truncated=execution.stderr_truncated,
        exit_code=execution.exit_code,
        usage=execution.usage,
        attempts=execution.attempts,
        worker=execution.worker,
        labels=dict(labels),
    )
