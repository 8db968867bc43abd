"""What a node of the demo is, and how it must end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cellblock_producer.contract import Branch, ErrorKind, Job, Result, Status


@dataclass(frozen=True, kw_only=True)
class Case:
    """One node, and what its Result must say."""

    title: str
    code: str
    language: str = "python3"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)  # further fields of the job
    outputs: Mapping[str, Any] | None = None  # None: not looked at
    kind: ErrorKind | None = None
    status: Status = Status.SUCCEEDED
    branch: Branch | None = Branch.SUCCESS

    def job(self) -> Job:
        """The job, under a new id."""
        fields = {"language": self.language, "code": self.code, "inputs": dict(self.inputs)}
        return Job.model_validate({**fields, **self.options})

    def fits(self, result: Result) -> bool:
        """Whether the Result is the one that it must be."""
        kind = result.error.kind if result.error else None
        as_expected = (result.status, result.branch, kind) == (self.status, self.branch, self.kind)
        return as_expected and (self.outputs is None or result.outputs == self.outputs)


STOPPED: Mapping[str, Any] = {"status": Status.FAILED, "branch": None}
FAIL_BRANCH: Mapping[str, Any] = {"status": Status.EXCEPTION, "branch": Branch.FAIL}
TO_FAIL_BRANCH: Mapping[str, Any] = {"on_error": {"strategy": "branch"}}
