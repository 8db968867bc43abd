"""A picture of latency by percentile, for people (needs the extra `plot`)."""

from typing import Any

from cellblock_worker.bench.stats import percentile


def plot_latency(figures: dict[str, Any], file: str) -> None:
    """Write the curves of all samples in `figures` to `file`; raises ImportError without matplotlib."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(9, 5), layout="tight")
    axes = picture.subplots()
    percents = [n / 2 for n in range(200)]
    for label, samples in _curves(figures):
        axes.plot(percents, [percentile(samples, percent) / 1e6 for percent in percents], label=label)
    axes.set(xlabel="percentile", ylabel="milliseconds", yscale="log", title="Latency at low load")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    picture.savefig(file)


def _curves(figures: dict[str, Any]) -> list[tuple[str, list[int]]]:
    parts = {**figures["runtimes"], "queue": figures.get("queue", {})}
    return [
        (f"{name}: {what.removesuffix('_ms').replace('_', ' ')}", samples)
        for name, part in parts.items()
        for what, samples in part.get("samples", {}).items()
    ]
