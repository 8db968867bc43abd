"""The straight path of a job in a pool process: Job -> program and limits -> cell -> Outcome -> Result."""

from collections.abc import Callable
from typing import Final

from cellblock_producer.contract import (
    ErrorInfo,
    ErrorKind,
    Execution,
    Job,
    OutputRules,
    Result,
    Usage,
    check_outputs,
    convert_outputs,
    settle_failure,
    settle_success,
)
from cellblock_producer.contract import Mode as JobMode
from cellblock_sandbox import Limits, Mode, Outcome, Program, Verdict

from . import slot
from .settings import Settings

# The one place where the sandbox's words become the contract's.
_KINDS: Final = {
    Verdict.CODE_ERROR: ErrorKind.CODE_ERROR,
    Verdict.SYNTAX_ERROR: ErrorKind.SYNTAX_ERROR,
    Verdict.INVALID_OUTPUT: ErrorKind.INVALID_OUTPUT,
    Verdict.TIMEOUT: ErrorKind.TIMEOUT,
    Verdict.CPU_LIMIT: ErrorKind.CPU_LIMIT,
    Verdict.MEMORY_LIMIT: ErrorKind.MEMORY_LIMIT,
    Verdict.OUTPUT_LIMIT: ErrorKind.OUTPUT_LIMIT,
    Verdict.BLOCKED: ErrorKind.BLOCKED,
    Verdict.CRASHED: ErrorKind.CRASHED,
    Verdict.CANCELLED: ErrorKind.CANCELLED,
}
_MODES: Final = {JobMode.MAIN: Mode.MAIN, JobMode.SCRIPT: Mode.SCRIPT}


def execute(job: Job, settings: Settings, stop: Callable[[], bool] | None = None) -> Result:
    """Run the job's code in a cell, until `stop` says true. Whatever the code does is a Result.

    Call `slot.prepare` after it.

    Raises CellLost and SandboxUnavailable: faults of ours.
    """
    try:
        sandbox = slot.sandbox_for(job)
    except slot.NoSuchRuntime as error:
        return settle_failure(job, ErrorInfo(kind=ErrorKind.INVALID_JOB, message=str(error)))
    program = Program(code=job.code, mode=_MODES[job.mode])
    outcome = sandbox.run(program, job.inputs, limits_of(job, settings), prepare=False, stop=stop)
    return settle(job, outcome, settings.rules)


def limits_of(job: Job, settings: Settings) -> Limits:
    """The operator's limits, or the job's where they are lower."""
    asked, most = job.limits, settings
    return Limits(
        wall_ms=min(asked.wall_ms or most.wall_ms, most.wall_ms),
        cpu_ms=min(asked.cpu_ms or most.cpu_ms, most.cpu_ms),
        memory_mb=min(asked.memory_mb or most.memory_mb, most.memory_mb),
        output_bytes=min(asked.output_bytes or most.output_bytes, most.output_bytes),
    )


def settle(job: Job, outcome: Outcome, rules: OutputRules) -> Result:
    """The Result of a job that ended as `outcome`."""
    execution = Execution(
        stdout=outcome.stdout,
        stderr=outcome.stderr,
        stdout_truncated=outcome.stdout_truncated,
        stderr_truncated=outcome.stderr_truncated,
        exit_code=outcome.exit_code,
        usage=Usage(
            wall_ms=_ms(outcome.usage.wall_ns),
            cpu_ms=_ms(outcome.usage.cpu_ns),
            peak_memory_kb=outcome.usage.peak_memory_kb,
        ),
    )
    if outcome.verdict is not Verdict.SUCCEEDED:
        return settle_failure(job, _error(outcome), execution)
    declared = job.outputs if job.mode is JobMode.MAIN else {}
    problem = check_outputs(declared, outcome.outputs, rules)
    if problem is not None:
        error = ErrorInfo(kind=ErrorKind.INVALID_OUTPUT, message=problem.message)
        return settle_failure(job, error, execution)
    return settle_success(job, convert_outputs(declared, outcome.outputs, rules), execution)


def _error(outcome: Outcome) -> ErrorInfo:
    fault = outcome.fault
    kind = _KINDS[outcome.verdict]
    if fault is None:
        return ErrorInfo(kind=kind)
    return ErrorInfo(
        kind=kind, type=fault.type, message=fault.message, line=fault.line, traceback=fault.traceback
    )


def _ms(nanoseconds: int) -> int:
    return -(-nanoseconds // 1_000_000)
