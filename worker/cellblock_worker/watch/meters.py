"""The metrics that the processes of a worker count in, right under prefork.

prometheus-client's values are numbers in files that are mapped into memory: to count is a write to memory,
and the main process reads the files of all when it is asked. A file belongs to a slot of the pool, not to a
process: the successor of a pool process that died counts on, and there are never more files than slots.
"""

import os
from collections.abc import Mapping
from typing import Final

import prometheus_client.values
from cellblock_producer.contract import ErrorKind, Job, Result
from cellblock_sandbox import Sandbox, SandboxUnavailable, Tally
from prometheus_client import CollectorRegistry, Counter, Histogram

from .folder import Folder

_RUN_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WAIT_S: Final = (*_RUN_S, 300, 1800)
_CELL_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.05, 0.25, 1)
_place: Final = ["main"]  # or the slot, in a pool process


def use_folder(folder: Folder) -> None:
    """Have all metrics that are made from now on, here and in what is forked from here, lie in `folder`."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder.path)
    prometheus_client.values.ValueClass = prometheus_client.values.MultiProcessValue(  # type: ignore[no-untyped-call]
        lambda: _place[0]
    )


class Meters:
    """The counters and histograms; made once, before the pool processes are forked."""

    def __init__(self, folder: Folder, sandboxes: Mapping[str, Sandbox]) -> None:
        """`sandboxes`: those of a pool process by the name of their runtime, each with its tally."""
        self._folder, self._sandboxes = folder, sandboxes
        self._slot, self._trouble = -1, ""
        self._told: dict[str, Tally] = {}
        registry = CollectorRegistry()  # nobody reads it: what is shown comes from the files
        jobs = ("language", "branch", "kind", "tenant")
        about = "Jobs that got a Result here; kind is empty where they succeeded"
        self._jobs = Counter("cellblock_jobs", about, jobs, registry=registry)
        self._queue = _histogram("job_queue", "From submit to begin", ("language",), _WAIT_S, registry)
        self._run = _histogram("job_run", "Run time of the node's code", ("language",), _RUN_S, registry)
        self._total = _histogram("job_total", "From submit to the Result", ("language",), _WAIT_S, registry)
        self._cell = _histogram("cell_start", "Wait for a ready cell", ("runtime",), _CELL_S, registry)
        self._standby = Counter(
            "cellblock_standby",
            "Jobs that found a standby (hit) or had to wait for a cell to be made (miss)",
            ("runtime", "outcome"),
            registry=registry,
        )
        self._zygotes = Counter(
            "cellblock_zygote_starts",
            "Zygotes launched, each with a self-test that passed",
            ("runtime",),
            registry=registry,
        )

    def enter_slot(self, slot: int) -> None:
        """Count as that slot, in the pool process that has it from now on."""
        _place[0] = str(slot)
        self._slot = slot
        self._folder.no_trouble(slot)
        self._tell_tallies()

    def count(self, job: Job, result: Result, handled_s: float) -> None:
        """Count a job that was begun."""
        language, waited_s = job.language.value, result.usage.queue_ms / 1000
        self._count(language, result)
        self._queue.labels(language).observe(waited_s)
        self._run.labels(language).observe(result.usage.wall_ms / 1000)
        self._total.labels(language).observe(waited_s + handled_s)
        self._tell_tallies()
        if kind_of(result) != ErrorKind.INTERNAL:
            self._tell_trouble()

    def count_fault(self, fault: Exception) -> None:
        """Note that code cannot be run here, where that is what it says."""
        if isinstance(fault, SandboxUnavailable):
            self._tell_trouble(str(fault))

    def count_unrun(self, result: Result) -> None:
        """Count a job that was not run; what its language is, nobody has looked."""
        self._count("unknown", result)

    def _tell_trouble(self, fault: str = "") -> None:
        """Note what is wrong, where that is news; also that a zygote runs cells for want of a fresh one."""
        renewals = (f"runtime {name}: {box.trouble}" for name, box in self._sandboxes.items() if box.trouble)
        trouble = fault or "; ".join(renewals)
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble:
            self._folder.trouble(self._slot, trouble)
        else:
            self._folder.no_trouble(self._slot)

    def _count(self, language: str, result: Result) -> None:
        tenant = self._folder.label(result.tenant)
        self._jobs.labels(language, result.branch or "none", kind_of(result), tenant).inc()

    def _tell_tallies(self) -> None:
        for name, sandbox in self._sandboxes.items():
            tally, told = sandbox.tally, self._told.get(name)
            if told is None:
                told = self._told[name] = Tally()
            if tally.zygotes > told.zygotes:
                self._zygotes.labels(name).inc(tally.zygotes - told.zygotes)
                told.zygotes = tally.zygotes
            if tally.hits > told.hits or tally.misses > told.misses:
                self._standby.labels(name, "hit").inc(tally.hits - told.hits)
                self._standby.labels(name, "miss").inc(tally.misses - told.misses)
                self._cell.labels(name).observe(tally.waited_ns / 1e9)
                told.hits, told.misses = tally.hits, tally.misses


def kind_of(result: Result) -> str:
    """The kind of its error, empty where it has none."""
    return str(result.error.kind) if result.error else ""


def _histogram(
    name: str, about: str, labels: tuple[str, ...], buckets: tuple[float, ...], registry: CollectorRegistry
) -> Histogram:
    return Histogram(f"cellblock_{name}_seconds", about, labels, buckets=buckets, registry=registry)
