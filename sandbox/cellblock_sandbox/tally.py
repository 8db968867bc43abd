"""What a sandbox has counted of itself, for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """Counts since the sandbox was made."""

    hits: int = 0
    """Jobs for which a standby stood there, or was on its way."""
    misses: int = 0
    """Jobs for which a cell had to be asked for."""
    zygotes: int = 0
    """Zygotes that were launched and held."""
    waited_ns: int = 0
    """How long the latest job waited until its cell was ready."""

    def taken(self, stood: bool, waited_ns: int) -> None:
        """Count a cell that is ready for its job."""
        if stood:
            self.hits += 1
        else:
            self.misses += 1
        self.waited_ns = waited_ns
