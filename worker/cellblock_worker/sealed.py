"""What passes through Celery in place of jobs and of their Results: objects that show neither.

    Sealed, the message's body as it came  --open, in the pool process-->  SealedJob, one for each job
    SealedResult(s)                        <--the task returns--           Result(s)

Celery and kombu print arguments and return values in log lines, events, tracebacks and answers to `inspect`.
They do it by repr, or by JSON where the text goes over the wire; so these objects have a say in both.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cellblock_producer.contract import Result
from cellblock_producer.keys import DEFAULT_TENANT, JobName
from cellblock_producer.leases import Lease

HIDDEN = "(hidden)"


class _Hidden:
    __slots__ = ()

    def __repr__(self) -> str:
        return HIDDEN

    def __json__(self) -> str:
        return HIDDEN


@dataclass(frozen=True, slots=True, repr=False)
class SealedJob(_Hidden):
    """A job as its sender wrote it, not validated, and the name that it is answered under."""

    name: JobName
    said: object

    def open(self) -> Any:  # noqa: ANN401 - whatever the sender wrote
        """Return what was sent, except that a job has an id."""
        return {"id": self.name.id, **self.said} if isinstance(self.said, dict) else self.said


@dataclass(frozen=True, slots=True, repr=False)
class Sealed(_Hidden):
    """A message on its way from the worker's main process to a pool process: its body, unread."""

    task_id: str
    body: bytes
    lease: Lease
    fresh: bool = False
    """Whether its jobs were new when it was submitted and none of them was begun since."""

    def open(self) -> list[SealedJob] | SealedJob:
        """Return the job, or a list of jobs where the message is a batch."""
        [what], *_ = json.loads(self.body)
        if isinstance(what, list):
            return [_seal(said, member_id(self.task_id, place)) for place, said in enumerate(what)]
        return _seal(what, self.task_id)

    def jobs(self) -> list[SealedJob]:
        """Return the jobs: one, or those of the batch."""
        opened = self.open()
        return opened if isinstance(opened, list) else [opened]


@dataclass(frozen=True, slots=True, repr=False)
class SealedResult:
    """What the task returns: kombu writes it as the Result's JSON, everything else sees who and how."""

    result: Result

    def __repr__(self) -> str:
        kind = f" {self.result.error.kind}" if self.result.error else ""
        return f"<Result {self.result.status}{kind} job_id={self.result.job_id}>"

    def __json__(self) -> dict[str, Any]:
        return self.result.model_dump(mode="json")


@dataclass(frozen=True, slots=True, repr=False)
class SealedResults:
    """What the task returns for a batch: the Results in the order of the jobs, none where nobody asks."""

    jobs: int
    results: tuple[Result, ...]

    def __repr__(self) -> str:
        return f"<Results jobs={self.jobs}>"

    def __json__(self) -> list[dict[str, Any]]:
        return [result.model_dump(mode="json") for result in self.results]


def member_id(task_id: object, place: int) -> str | None:
    """Return the task id that a member of a batch would have if it were alone."""
    return f"{task_id}.{place}" if isinstance(task_id, str) else None


def job_name(job: object, task_id: object) -> JobName | None:
    """Read the name of a job that may be invalid otherwise; without an id of its own it has the task's."""
    if isinstance(job, Mapping):
        try:
            return JobName(job.get("tenant", DEFAULT_TENANT), job.get("id", task_id))
        except (TypeError, ValueError):
            pass
    try:
        return JobName.from_task_id(task_id) if isinstance(task_id, str) else None
    except ValueError:
        return None


def _seal(said: object, task_id: str | None) -> SealedJob:
    name = job_name(said, task_id)
    assert name is not None  # the door admits no job without one
    return SealedJob(name, said)
