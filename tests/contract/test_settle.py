"""From a run to its Result: which status, branch and outputs follow from which failure."""

from typing import Any

import pytest
from cellblock_producer.contract import (
    ErrorInfo,
    ErrorKind,
    Execution,
    Job,
    Retry,
    Usage,
    is_retried,
    settle_cancelled,
    settle_failure,
    settle_success,
    settle_unread,
)
from cellblock_producer.keys import JobName

TOLD = {"error_type": "ZeroDivisionError", "error_message": "division by zero"}
ERROR = ErrorInfo(kind=ErrorKind.CODE_ERROR, type="ZeroDivisionError", message="division by zero", line=3)
ALWAYS_FAILED = {ErrorKind.CANCELLED, ErrorKind.INVALID_JOB}


def job(strategy: str = "stop", values: dict[str, Any] | None = None) -> Job:
    handling = {"strategy": strategy} | ({"values": values} if values else {})
    return Job.model_validate(
        {"id": "a", "language": "python", "code": "x", "on_error": handling, "labels": {"k": "v"}}
    )


@pytest.mark.parametrize(
    ("told", "status", "branch", "outputs"),
    [
        (job("stop"), "failed", None, {}),
        (job("branch"), "exception", "fail", TOLD),
        (job("default"), "exception", "success", TOLD),
        (job("default", {"r": 0}), "exception", "success", {"r": 0} | TOLD),
        (job("default", {"error_type": "mine"}), "exception", "success", TOLD),
    ],
)
def test_a_failure_goes_where_on_error_says(
    told: Job, status: str, branch: str | None, outputs: dict[str, Any]
) -> None:
    result = settle_failure(told, ERROR)
    assert (result.status, result.branch, result.outputs) == (status, branch, outputs)
    assert (result.error, result.labels) == (ERROR, {"k": "v"})


@pytest.mark.parametrize("kind", ErrorKind)
@pytest.mark.parametrize("strategy", ["stop", "branch", "default"])
def test_every_kind_follows_on_error_but_two_that_always_fail(kind: ErrorKind, strategy: str) -> None:
    result = settle_failure(job(strategy), ErrorInfo(kind=kind, message="m"))
    if kind in ALWAYS_FAILED or strategy == "stop":
        assert (result.status, result.branch, result.outputs) == ("failed", None, {})
    else:
        assert result.status == "exception"
        assert result.outputs == {"error_type": kind, "error_message": "m"}


def test_success_takes_the_success_branch_and_keeps_what_is_known_of_the_run() -> None:
    execution = Execution(
        stdout="o",
        stderr="e",
        stdout_truncated=True,
        stderr_truncated=True,
        exit_code=0,
        usage=Usage(queue_ms=1, wall_ms=2, cpu_ms=3, peak_memory_kb=4),
        attempts=2,
        worker="w",
    )
    result = settle_success(job(), {"r": 1}, execution)
    assert (result.status, result.branch, result.outputs, result.error) == (
        "succeeded",
        "success",
        {"r": 1},
        None,
    )
    for field in Execution.__dataclass_fields__:
        assert getattr(result, field) == getattr(execution, field)


def test_a_job_that_could_not_be_read_fails_under_its_name() -> None:
    error = ErrorInfo(kind=ErrorKind.INVALID_JOB, message="code: is required")
    result = settle_unread(JobName("acme", "b"), error)
    assert (result.name, result.status, result.error) == (JobName("acme", "b"), "failed", error)


def test_a_cancelled_job_fails_and_brings_back_its_labels() -> None:
    result = settle_cancelled(JobName("acme", "b"), {"k": "v"})
    assert result.error is not None
    assert (result.status, result.error.kind, result.labels) == ("failed", "cancelled", {"k": "v"})


@pytest.mark.parametrize("kind", ErrorKind)
def test_a_job_is_retried_on_the_kinds_that_it_names_or_on_all_that_may_go_away(kind: ErrorKind) -> None:
    final = kind in ALWAYS_FAILED | {ErrorKind.EXPIRED}
    plain = job()
    named = plain.model_copy(update={"retry": Retry(max_retries=1, kinds=(kind,))})
    others = tuple(other for other in ErrorKind if other is not kind)
    assert not is_retried(plain, kind)
    assert is_retried(named, kind) is not final
    assert is_retried(plain.model_copy(update={"retry": Retry(max_retries=1)}), kind) is not final
    assert not is_retried(plain.model_copy(update={"retry": Retry(max_retries=1, kinds=others)}), kind)
