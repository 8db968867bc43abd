"""Where the straight path of a job tells what came of it; costs nothing where nobody watches."""

from typing import Final, Protocol

from cellblock_producer.contract import Job, Result


class Counter(Protocol):
    """What counts, in this process."""

    def count(self, job: Job, result: Result, handled_s: float) -> None:
        """Count a job that was begun, and how long this process had it."""

    def count_fault(self, fault: Exception) -> None:
        """Note why a job could not be run."""

    def count_unrun(self, result: Result) -> None:
        """Count a Result of a job that was not run."""


_counters: Final[list[Counter]] = []


def count_with(counter: Counter) -> None:
    """Have `counter` count from now on, in this process and those forked from it."""
    _counters.append(counter)


def count(job: Job, result: Result, handled_s: float) -> None:
    """Count a job that was begun."""
    for counter in _counters:
        counter.count(job, result, handled_s)


def count_fault(fault: Exception) -> None:
    """Note a fault of ours."""
    for counter in _counters:
        counter.count_fault(fault)


def count_unrun(result: Result) -> None:
    """Count a job that got its Result without a cell: refused, cancelled or given up."""
    for counter in _counters:
        counter.count_unrun(result)
