"""Every exception that the producer raises; each message says what to do.

CellblockError
├── InvalidJob (ValueError)            a job that the contract refuses; nothing was sent
├── Unreachable (ConnectionError)      Redis cannot be reached, or went away in the middle of a call
├── Refused                            Redis answered, and refused the command
├── QueueFull                          as much waits as may: nothing was queued, try again later
├── JobTooLarge                        more bytes than may wait at all: nothing was queued, do not try again
├── JobConflict                        the id is taken by a job with other content
├── JobUnknown (LookupError)           no job of that name: never submitted, or its record has expired
├── ResultTimeout (TimeoutError)       no Result in time; the job goes on, or was cancelled as was asked
├── UnreadableResult                   what is stored as the Result is none that this version can read
├── WorkerFailed                       the Result is of kind `internal`: our own fault
└── ClientClosed                       the client was closed, or belongs to another process or event loop
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from .keys import JobName

if TYPE_CHECKING:
    from .result import Result


class CellblockError(Exception):
    """Base of all of them."""


class InvalidJob(CellblockError, ValueError):
    """The job does not follow the contract; `problems` names each field that is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"the job is not valid, correct it and submit it again: {'; '.join(problems)}")
        self.problems = tuple(problems)


class Unreachable(CellblockError, ConnectionError):
    """Redis cannot be reached. What was being sent may or may not have arrived; sending it again is safe."""

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(
            f"Redis at {server} cannot be reached ({reason}); check the URL and the server, then call again "
            "with the same job: an id that arrived already is not queued twice"
        )
        self.reason = reason


class Refused(CellblockError):
    """Redis refused the password or a command: no permission, no memory, a replica that cannot write."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Redis refused; correct its configuration, or the user's password and rights: {reason}"
        )


class QueueFull(CellblockError):
    """As much waits as the operator lets wait. No job of the message that was refused is queued."""

    def __init__(
        self,
        tenant: str,
        bound: Literal["tenant", "all"],
        measure: Literal["jobs", "bytes"],
        waiting: int,
        most: int,
        more: int,
        retry_after_s: int,
    ) -> None:
        """`bound`: whether the bound of this tenant was met or that of all tenants together.

        `measure`: whether it is one of jobs or of the bytes of their messages. `waiting`: how many of these
        wait within that bound. `most`: how many may. `more`: how many the message would have added.
        `retry_after_s`: seconds after which there may be room, going by how long the next in line has waited;
        from 1 to 60.
        """
        whose = f"of tenant {tenant}" if bound == "tenant" else "of all tenants"
        what = "jobs" if measure == "jobs" else "bytes of jobs"
        super().__init__(
            f"the queue is full: {waiting} {what} {whose} wait, and at most {most} may; {more} more find no "
            f"room, submit the same job again in {retry_after_s} s or more"
        )
        self.tenant = tenant
        self.bound = bound
        self.measure = measure
        self.waiting = waiting
        self.most = most
        self.more = more
        self.retry_after_s = retry_after_s


class JobTooLarge(CellblockError):
    """The message has more bytes than the operator lets wait at all. No job of it is queued."""

    def __init__(self, size: int, most: int) -> None:
        """`size`: the bytes of the message. `most`: how many may wait."""
        super().__init__(
            f"the job is too large for the queue: its message has {size} bytes, and no more than {most} may "
            "wait; make its inputs smaller, send fewer jobs in one message, or have the operator raise "
            "CELLBLOCK_MAX_QUEUED_BYTES and CELLBLOCK_MAX_QUEUED_BYTES_PER_TENANT"
        )
        self.size = size
        self.most = most


class JobConflict(CellblockError):
    """The id belongs to a job with other content."""

    def __init__(self, name: JobName) -> None:
        super().__init__(f"job {name} exists with other content; give the new job an id of its own")
        self.name = name


class JobUnknown(CellblockError, LookupError):
    """There is neither a record nor a Result of the job."""

    def __init__(self, name: JobName) -> None:
        super().__init__(
            f"job {name} is not known: it was never submitted, or its record has expired; submit it again"
        )
        self.name = name


class ResultTimeout(CellblockError, TimeoutError):
    """There was no Result in time."""

    def __init__(self, who: str, seconds: float, *, cancelled: bool = False) -> None:
        what_now = "the job goes on where a worker serves its queue: wait again, or attach to it later"
        if cancelled:
            what_now = "the job was cancelled, as was asked for; submit it under a new id to have it run"
        super().__init__(f"{who} no result after {seconds:g} s; {what_now}")
        self.cancelled = cancelled
        """Whether the job was cancelled; else it goes on."""


class UnreadableResult(CellblockError):
    """What is stored under the name of the Result cannot be read."""

    def __init__(self, name: JobName) -> None:
        super().__init__(
            f"the result of job {name} cannot be read; upgrade the client to the version of the workers"
        )
        self.name = name


class WorkerFailed(CellblockError):
    """The workers could not do their part; `result` is the Result that says so."""

    def __init__(self, result: "Result") -> None:
        message = result.error.message if result.error else ""
        super().__init__(
            f"a worker failed on job {result.name}, look into the log of {result.worker or 'the workers'}, "
            f"then submit the job under a new id: {message}"
        )
        self.result = result


class ClientClosed(CellblockError):
    """The client can no longer be used."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; make a new client and attach to the jobs, which go on")
        self.reason = reason
