"""Cuts jobs into lots, each of which is one message; pure functions.

jobs  --write-->  text, digest  --as many as fit-->  lot  -->  Core.submit_lot
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .job import Job
from .wire import MAX_BATCH

MAX_CHARS = 256 * 1024
"""A message of several jobs holds no more JSON than this; a single larger job goes alone."""


@dataclass(frozen=True, slots=True)
class Written:
    """A job, and what is sent of it."""

    job: Job
    text: str
    digest: str


def check_per_message(per_message: int) -> int:
    """Return `per_message`. Raises ValueError where it is no number of jobs for a message."""
    if not 1 <= per_message <= MAX_BATCH:
        raise ValueError(f"per_message must be from 1 to {MAX_BATCH}")
    return per_message


def lots(jobs: Iterable[Job], per_message: int) -> Iterator[list[Written]]:
    """Cut `jobs`, taking them one by one, into lots of at most `per_message`, fewer where they are large.

    The jobs of a lot are of one tenant and one priority, since a message has one place in one line.
    """
    lot: list[Written] = []
    chars = 0
    for job in jobs:
        text, digest = job.written()
        if lot and (
            len(lot) == per_message or chars + len(text) > MAX_CHARS or _line(job) != _line(lot[0].job)
        ):
            yield lot
            lot, chars = [], 0
        lot.append(Written(job, text, digest))
        chars += len(text)
    if lot:
        yield lot


def _line(job: Job) -> tuple[str, int]:
    return job.tenant, job.priority
