"""Whether a worker lives, is ready, has started: each as a list of what is wrong, empty where all is well."""

import time
from collections.abc import Callable

from ..holding import Holding

BEAT_S = 1.0
"""Seconds between two beats of the main loop."""
# The loop also stands still where Celery waits for Redis, up to half a minute after that is back.
_STANDS_STILL_S = 90.0
_SILENT_S = 10.0


class Health:
    """Belongs to the main process: told by its main thread, asked by the server's."""

    def __init__(self, holding: Holding, troubles: Callable[[], list[str]]) -> None:
        """`troubles`: what is wrong with the sandbox of this worker's slots."""
        self._holding, self.troubles = holding, troubles
        self._started = self._stopping = False
        self._turned = time.monotonic()

    def beat(self) -> None:
        """The main loop turns."""
        self._turned = time.monotonic()

    def consuming(self) -> None:
        """The worker takes jobs, which it does with a pool whose self-tests have passed."""
        self._started = True
        self.beat()

    def stop(self) -> None:
        """It takes no more."""
        self._stopping = True

    def startup(self) -> list[str]:
        """Why it has not started."""
        return [] if self._started else ["it is starting"]

    def live(self) -> list[str]:
        """Why it should be started anew. That Redis is away, or that it ends, is no reason."""
        if self._stopping or self._holding.in_trouble:
            return []
        still_s = time.monotonic() - max(self._turned, self._holding.troubled_until)
        return [f"its main loop stands still for {still_s:.0f} s"] if still_s > _STANDS_STILL_S else []

    def ready(self) -> list[str]:
        """Why it does not take jobs, or should not."""
        why = [*self.startup(), *self.live()]
        if self._stopping:
            why.append("it ends, and finishes the jobs in hand")
        if self._started and not self._stopping and not self._redis_answers():
            why.append("Redis does not answer")
        return why + [f"the sandbox cannot be had: {trouble}" for trouble in self.troubles()]

    def _redis_answers(self) -> bool:
        silent_s = time.monotonic() - self._holding.kept_at
        return not self._holding.in_trouble and silent_s < _SILENT_S
