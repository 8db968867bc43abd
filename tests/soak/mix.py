"""Jobs of many kinds, and for each what its Result must be: whatever else comes of it is spurious."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cellblock_producer.contract import Result

Job = dict[str, Any]
_MANY = 20_000
"""Characters of the larger outputs."""
_PRINTING = """\
import json, re
def main(n):
    print("at", n)
    return {"sum": json.loads(str(n)) + 7}
"""
_PRINTING_NODE = """\
async function main({n}) {
    await null
    console.log("at", n)
    return {sum: n + 7}
}
"""


@dataclass(frozen=True)
class Kind:
    """One kind of job, and what its Result must be."""

    language: str
    code: str
    outputs: Callable[[int], Any]
    status: str = "succeeded"
    error: str | None = None
    strategy: str = "stop"
    stdout: str = ""


def _sum(n: int) -> dict[str, Any]:
    return {"sum": n + 7}


def _none(_: int) -> dict[str, Any]:
    return {}


def _text(_: int) -> dict[str, Any]:
    return {"text": "x" * _MANY}


def _no(_: int) -> dict[str, Any]:
    return {"error_type": "Error", "error_message": "no"}


KINDS = (
    Kind("python3", "def main(n): return {'sum': n + 7}", _sum),
    Kind("nodejs", "function main({n}) { return {sum: n + 7} }", _sum),
    Kind("python3", _PRINTING, _sum, stdout="at {n}\n"),
    Kind("nodejs", _PRINTING_NODE, _sum, stdout="at {n}\n"),
    Kind("python3", f"def main(n): return {{'text': 'x' * {_MANY}}}", _text),
    Kind("python3", "def main(n): return {'n': n / 0}", _none, "failed", "code_error"),
    Kind("nodejs", "function main() { throw new Error('no') }", _no, "exception", "code_error", "branch"),
    Kind("python3", "def main(n: pass", _none, "failed", "syntax_error"),
    Kind("python3", "def main(n): open('/etc/passwd')", _none, "failed", "blocked"),
)


def job(client: str, n: int) -> Job:
    """Return the job of this number."""
    kind = KINDS[n % len(KINDS)]
    return {
        "id": f"{client}-{n}",
        "tenant": client,
        "language": kind.language,
        "code": kind.code,
        "inputs": {"n": n},
        "on_error": {"strategy": kind.strategy},
        "labels": {"node": str(n)},
    }


def problem(result: Result) -> str | None:
    """Say what is not as it must be."""
    n = int(result.job_id.rpartition("-")[2])
    kind = KINDS[n % len(KINDS)]
    found = {
        "outputs": (result.outputs, kind.outputs(n)),
        "status": (result.status, kind.status),
        "error": (str(result.error.kind) if result.error else None, kind.error),
        "stdout": (result.stdout, kind.stdout.format(n=n)),
        "attempts": (result.attempts, 1),
    }
    wrong = {what: pair for what, pair in found.items() if pair[0] != pair[1]}
    return f"{result.job_id}: {wrong} {result.error}"[:500] if wrong else None
