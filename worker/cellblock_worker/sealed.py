"""What passes through Celery in place of a job and of its Result: objects that show neither.

Celery and kombu print arguments and return values in log lines, events, tracebacks and answers to `inspect`.
They do it by repr, or by JSON where the text goes over the wire; so these objects have a say in both.
"""

import json
from dataclasses import dataclass
from typing import Any

from cellblock_producer.contract import Result
from cellblock_producer.keys import JobName

HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True, repr=False)
class SealedJob:
    """A job on its way from the worker's main process to a pool process: the message's body, unread."""

    name: JobName
    body: bytes

    def open(self) -> dict[str, Any]:
        """Return the job as its sender wrote it, except that it has an id."""
        job: dict[str, Any] = json.loads(self.body)[0][0]
        return {"id": self.name.id, **job}

    def __repr__(self) -> str:
        return HIDDEN

    def __json__(self) -> str:
        return HIDDEN


@dataclass(frozen=True, slots=True, repr=False)
class SealedResult:
    """What the task returns: kombu writes it as the Result's JSON, everything else sees who and how."""

    result: Result

    def __repr__(self) -> str:
        kind = f" {self.result.error.kind}" if self.result.error else ""
        return f"<Result {self.result.status}{kind} job_id={self.result.job_id}>"

    def __json__(self) -> dict[str, Any]:
        return self.result.model_dump(mode="json")
