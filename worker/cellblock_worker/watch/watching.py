"""Puts together what watches a worker, and takes it apart."""

# ruff: noqa: ANN401 - what Celery passes is not typed

import logging
from typing import Any

from billiard import current_process
from celery.worker import state
from cellblock_sandbox import SandboxUnavailable
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from .. import slot
from ..holding import Holding
from ..ledger_link import connect
from ..settings import Settings
from . import tally
from .collector import WorkerCollector
from .folder import Folder
from .health import BEAT_S, Health
from .meters import Meters, use_folder
from .server import Server, try_address

_log = logging.getLogger(__name__)


class Watch:
    """Made by the main process before it forks its pool; each pool process has a copy that it counts with."""

    def __init__(self, settings: Settings, holding: Holding) -> None:
        """Raises OSError where the address of `CELLBLOCK_HTTP` cannot be had."""
        host, _, port = settings.http.rpartition(":")
        self._address = (host, int(port))
        try_address(self._address)
        self._settings = settings
        self._folder = Folder(settings.metrics_tenants)
        use_folder(self._folder)
        self._meters = Meters(self._folder, slot.sandboxes)
        tally.count_with(self._meters)
        self._health = Health(holding, self._folder.troubles)
        self._redis = connect(settings.redis_url, patient=False)
        self._server: Server | None = None
        self._pool: Any = None
        self._beat: Any = None

    def consuming(self, consumer: Any) -> None:
        """The worker takes jobs, for the first time or again; called when the pool is there."""
        self._pool = consumer.pool
        if self._beat is not None:
            self._beat.cancel()
        self._beat = consumer.timer.call_repeatedly(BEAT_S, self._health.beat)
        self._health.consuming()
        if self._server is None:
            self._server = Server(self._address, self._registry(), self._health)
            _log.info("serving metrics and health at http://%s", self._server.address)

    def ending(self) -> None:
        """The worker takes no more jobs."""
        self._health.stop()

    def close(self) -> None:
        """The pool has ended."""
        if self._server is not None:
            self._server.close()
        self._folder.close()
        self._redis.close()

    def enter_slot(self) -> None:
        """Count for this pool process, whose cells have passed their self-test."""
        self._meters.enter_slot(_slot())

    def not_in_slot(self, why: Exception) -> None:
        """Note that this pool process cannot run code."""
        if isinstance(why, SandboxUnavailable):
            self._folder.trouble(_slot(), str(why))

    def _registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._folder.path))  # type: ignore[no-untyped-call]
        registry.register(
            WorkerCollector(
                redis=self._redis,
                queue=self._settings.queue,
                slots=lambda: {process.index: process.pid for process in list(self._pool._pool._pool)},
                busy=lambda: len(state.active_requests),
                layers=slot.layers,
                health=self._health,
            )
        )
        return registry


def _slot() -> int:
    """The place in the pool of this pool process, which its successor will have."""
    slot: int = current_process().index  # type: ignore[attr-defined]
    return slot
