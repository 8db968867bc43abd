"""`cellblock bench`: measures this host."""

import json as json_module
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any

import typer
from cellblock_producer import CellblockError
from cellblock_sandbox import Sandbox, SandboxError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cellblock_worker.bench.cells import measure_runtime
from cellblock_worker.bench.stats import Noise
from cellblock_worker.cli.exits import NOT_AVAILABLE, leave, read_settings
from cellblock_worker.cli.interrupt import heed_interrupts
from cellblock_worker.cli.options import RedisOption
from cellblock_worker.embedded import EmbeddedServer, EmbeddedServerError
from cellblock_worker.runtimes import DEFAULTS, build

Figures = dict[str, Any]


def bench(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    redis: RedisOption = None,
    queue: Annotated[bool, typer.Option(help="Measure through the queue, too.")] = True,
    scale: Annotated[
        float, typer.Option(min=0.05, max=100, help="How much to measure; 1 takes about half a minute.")
    ] = 1.0,
    plot: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the percentiles of latency as a picture (extra: plot)."),
    ] = None,
) -> None:
    """Measure this host: cell latency and rate per runtime, queue round trip, and what they compare with.

    A spawn is the plain interpreter started for nothing; a no-op is an empty task of a stock Celery worker on
    the same server, the embedded one or that of --redis. Exit code 3: it cannot be measured here.
    """
    heed_interrupts()
    err = Console(stderr=True, highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    noise = Noise()
    with Progress(*columns, console=err, transient=True) as progress:
        try:
            figures = _measure(progress, noise, redis, queue, scale)
        except (SandboxError, EmbeddedServerError, CellblockError) as error:
            leave(NOT_AVAILABLE, str(error))
    if plot:
        _plot(figures, plot)
    printed = _without_samples(figures)
    if json:
        typer.echo(json_module.dumps(printed))
    else:
        _show(printed)
    if noise.too_noisy:
        err.print(
            "[yellow]The machine was too noisy to trust absolute figures[/] (the same computation took up to "
            f"{noise.spread:g} times as long); ratios suffer less."
        )


def _measure(progress: Progress, noise: Noise, redis: str | None, queue: bool, scale: float) -> Figures:
    def stage(description: str) -> Callable[[], None]:
        task = progress.add_task(description, total=None)
        return lambda: progress.advance(task)

    settings = read_settings()
    runtimes = [build(name, settings.runtimes[name]) for name in DEFAULTS if name in settings.runtimes]
    figures: Figures = {"runtimes": {}}
    for runtime in runtimes:
        described = f"{runtime.name}: cells and spawns"
        figures["runtimes"][runtime.name] = measure_runtime(runtime, scale, noise, stage(described))
    with Sandbox(runtimes[0]) as sandbox:
        layers = [layer.name for layer in sandbox.layers if layer.on]
    if queue:
        of_all = stage("queue: jobs and no-op tasks")
        figures["queue"] = _through_queue(figures["runtimes"], redis, scale, noise, of_all)
    figures["host"] = {
        "cores": len(os.sched_getaffinity(0)),
        "layers": layers,
        "noise": noise.spread,
        "too_noisy": noise.too_noisy,
    }
    return figures


def _through_queue(
    runtimes: Figures, redis: str | None, scale: float, noise: Noise, progress: Callable[[], None]
) -> Figures:
    from cellblock_worker.bench.queue import bench_stack  # Celery: not needed without a queue

    with ExitStack() as stack:
        url = redis or stack.enter_context(EmbeddedServer()).url
        both = stack.enter_context(bench_stack(url, [*runtimes]))
        figures = both.measure(scale, noise, progress)
        for name, slot_pss_mb in both.slot_pss_mb().items():
            runtimes[name]["slot_pss_mb"] = slot_pss_mb
    return figures


def _without_samples(figures: Figures) -> Figures:
    return {
        name: _without_samples(value) if isinstance(value, dict) else value
        for name, value in figures.items()
        if name != "samples"
    }


def _show(figures: Figures) -> None:
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(title="This host")
    for column in ("what", "ours", "compared with", "ratio"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, runtime in figures["runtimes"].items():
        cell, spawn = runtime["cell_ms"], runtime["spawn_ms"]
        row = (f"{cell['p50']} ms", f"spawn {spawn['p50']} ms", f"{cell['p50'] / spawn['p50']:.3f}")
        table.add_row(f"{name}: cell, p50 at low load", *row)
        table.add_row(f"{name}: cell, p95 and p99", f"{cell['p95']}, {cell['p99']} ms", "", "")
        rate, spawns = runtime["jobs_per_second"], runtime["spawns_per_second"]
        table.add_row(
            f"{name}: jobs a second on one core", f"{rate}", f"{spawns} spawns", f"{rate / spawns:.1f}"
        )
        if runtime.get("slot_pss_mb") is not None:
            table.add_row(f"{name}: memory of a slot", f"{runtime['slot_pss_mb']} MB", "", "")
    if queue := figures.get("queue"):
        ours, noop = queue["round_trip_ms"]["p50"], queue["noop_round_trip_ms"]["p50"]
        table.add_row("queue: round trip, p50", f"{ours} ms", f"no-op {noop} ms", f"{ours / noop:.2f}")
        noops = queue["noop_per_second"]
        for name, rate in queue["jobs_per_second"].items():
            table.add_row(f"queue: {name}, drained", f"{rate}/s", f"no-op {noops}/s", f"{rate / noops:.2f}")
    out.print(table)


def _plot(figures: Figures, file: str) -> None:
    from cellblock_worker.bench.plot import plot_latency

    try:
        plot_latency(figures, file)
    except ImportError:
        leave(NOT_AVAILABLE, "a plot needs matplotlib: pip install 'cellblock-worker[plot]'")
