"""Percentiles, and how steady the machine was while they were taken."""

import time
from collections.abc import Sequence
from typing import Final

_LOOP: Final = 40_000  # about a millisecond
_TOO_NOISY: Final = 1.5


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def summary(nanoseconds: Sequence[int], *percents: int) -> dict[str, float]:
    """Percentiles in milliseconds, by the names p50, p95 and so on."""
    return {f"p{percent}": round(percentile(nanoseconds, percent) / 1e6, 3) for percent in percents}


class Noise:
    """The time that the same small computation takes, again and again: on a quiet machine always the same."""

    def __init__(self) -> None:
        self._samples: list[int] = []

    def sample(self) -> None:
        """Do the computation once."""
        started = time.perf_counter_ns()
        sum(range(_LOOP))
        self._samples.append(time.perf_counter_ns() - started)

    @property
    def spread(self) -> float:
        """The 90th percentile over the 10th; 1.0 is a perfectly quiet machine."""
        if len(self._samples) < 2:
            return 1.0
        return round(percentile(self._samples, 90) / percentile(self._samples, 10), 2)

    @property
    def too_noisy(self) -> bool:
        """Whether absolute figures should not be trusted; ratios suffer less."""
        return self.spread > _TOO_NOISY
