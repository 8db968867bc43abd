"""The one line about a job, and the audit of what jobs tried that they may not.

Neither holds code, inputs, outputs or an error's words, which may quote them; not even the name of a file
that was tried. A job that catches its refusal leaves no trace: the audit advises, the sandbox decides.
"""

import logging
import re
from typing import Any, Final

import structlog
from cellblock_producer.contract import ErrorKind, Result, Status

JOBS: Final = "cellblock.jobs"
AUDIT: Final = "cellblock.audit"
"""Names of the two loggers."""
INVALID: Final = f"{JOBS}.invalid"
"""That of jobs which are none: they cost so little that a flood of them would be one of lines."""

# What a refusal may be of. The words come from the cell, so what is not among these is not repeated.
_ATTEMPTS: Final = (
    *("open the file", "reach the file", "watch the file", "change files", "write a file"),
    *("make a temporary file", "open a database file"),
    *(
        "list the folder",
        "enter the folder",
        "look up its folder",
        "look up its home folder",
        "look up its user",
    ),
    *("open a network connection", "look up a host on the network", "listen on the network"),
    *("use the network", "look at the network"),
    *(
        "start another process",
        "signal another process",
        "change the priority of a process",
        "change its user",
    ),
    *("start a thread", "start a worker thread", "run more than", "use the inspector"),
    *("load native code", "load the library", "reach Node's inner bindings", "share memory"),
)
_SENTENCE: Final = re.compile(rf"this code node tried to ({'|'.join(map(re.escape, _ATTEMPTS))})\b")
_SYSTEM_CALL: Final = "this code node made a system call that no code node needs"

_plain = logging.getLogger(JOBS)
_audit = logging.getLogger(AUDIT)
_jobs: Any = structlog.get_logger(JOBS)
_invalid: Any = structlog.get_logger(INVALID)
_audits: Any = structlog.get_logger(AUDIT)


def log_result(result: Result, ms: float) -> None:
    """Log the one line about a job, of which this process had the message for so many milliseconds."""
    if result.error is not None and result.error.kind == ErrorKind.BLOCKED:
        _audits.warning("blocked", attempt=attempt_in(result.error.message), **_about(result, ms))
        return
    failed = result.status is not Status.SUCCEEDED
    level = logging.INFO if failed else logging.DEBUG
    if _plain.isEnabledFor(level):
        invalid = result.error is not None and result.error.kind == ErrorKind.INVALID_JOB
        (_invalid if invalid else _jobs).log(level, "job", **_about(result, ms))


def attempt_in(message: str) -> str:
    """What the refusal was of: one of a closed list of words."""
    if message.startswith(_SYSTEM_CALL):
        return "make a forbidden system call"
    found = _SENTENCE.match(message)
    return found[1] if found else "do something"


def _about(result: Result, ms: float) -> dict[str, Any]:
    error, usage = result.error, result.usage
    return {
        "job": result.job_id,
        "tenant": result.tenant,
        "status": result.status.value,
        "branch": result.branch.value if result.branch else None,
        "kind": str(error.kind) if error else None,
        "line": error.line if error else None,
        "attempts": result.attempts,
        "queue_ms": usage.queue_ms,
        "wall_ms": usage.wall_ms,
        "cpu_ms": usage.cpu_ms,
        "memory_kb": usage.peak_memory_kb,
        "handled_ms": round(ms, 1),
        "labels": result.labels,
    }
