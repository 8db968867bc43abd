"""What is looked up when somebody asks for the metrics: the queue, the slots, the sandbox, the build."""

import platform
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version

from cellblock_producer.listing import queue_state
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from .health import Health
from .processes import slot_use


class WorkerCollector(Collector):
    """Belongs to the main process; asked by the server's thread."""

    def __init__(
        self,
        *,
        redis: "Redis",
        queue: str,
        slots: Callable[[], Mapping[int, int]],
        busy: Callable[[], int],
        layers: Mapping[str, bool],
        health: Health,
    ) -> None:
        """`slots`: pids of the pool processes by slot; `busy`: how many have a message in hand."""
        self._redis, self._queue = redis, queue
        self._slots, self._busy, self._layers, self._health = slots, busy, layers, health

    def describe(self) -> list[Metric]:
        """Say nothing ahead: to be registered, it need not ask Redis."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Look now."""
        yield from self._of_queue()
        yield from self._of_slots()
        yield from self._of_sandbox()
        build = {"version": version("cellblock-worker"), "celery": version("celery")}
        build["python"] = platform.python_version()
        yield InfoMetricFamily("cellblock_build", "Versions of this worker", build)

    def _of_queue(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("cellblock_redis_up", "Whether Redis answered this look")
        try:
            state = queue_state(self._redis, self._queue)
        except RedisError:
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield up
        depth = GaugeMetricFamily(
            "cellblock_queue_messages",
            "Messages by where they are; a message of several jobs counts as one",
            labels=("queue", "place"),
        )
        for place in ("waiting", "in_hand", "dead"):
            depth.add_metric((self._queue, place), getattr(state, place))
        yield depth
        size = GaugeMetricFamily(
            "cellblock_queue_bytes",
            "Bytes of messages that wait, those that wait for a retry included",
            labels=("queue",),
        )
        size.add_metric((self._queue,), state.bytes)
        yield size
        oldest = GaugeMetricFamily(
            "cellblock_queue_oldest_seconds",
            "Age of what has waited longest; 0 where nothing waits",
            labels=("queue",),
        )
        oldest.add_metric((self._queue,), state.oldest_s)
        yield oldest

    def _of_slots(self) -> Iterator[Metric]:
        slots = self._slots()
        yield _gauge("cellblock_slots", "Pool processes", len(slots))
        yield _gauge("cellblock_slots_busy", "Pool processes with a message in hand", self._busy())
        cells = GaugeMetricFamily("cellblock_cells", "Cells that live, standbys included", labels=("slot",))
        memory = GaugeMetricFamily(
            "cellblock_slot_memory_bytes",
            "Memory of a pool process with its zygotes and cells; what is shared counts by its share",
            labels=("slot",),
        )
        for slot, pid in sorted(slots.items()):
            use = slot_use(pid)
            cells.add_metric((str(slot),), use.cells)
            memory.add_metric((str(slot),), use.memory_bytes)
        yield cells
        yield memory

    def _of_sandbox(self) -> Iterator[Metric]:
        layers = GaugeMetricFamily(
            "cellblock_sandbox_layer", "Whether a layer of the sandbox is on", labels=("layer",)
        )
        for name, on in self._layers.items():
            layers.add_metric((name,), on)
        yield layers
        passed = not self._health.troubles()
        yield _gauge("cellblock_selftest_ok", "Whether the self-test holds in all slots", passed)
        ready = not self._health.ready()
        yield _gauge("cellblock_ready", "Whether the worker is ready, as /ready says", ready)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)
