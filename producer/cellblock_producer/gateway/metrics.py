"""What Prometheus asks a gateway. No tenant and no id is a label: the page is open to whoever reaches it."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)


class Metrics:
    """The metrics of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "cellblock_gateway_requests",
            "Requests answered, by route and status; 499 is a caller that hung up.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "cellblock_gateway_request_seconds",
            "Seconds from a request's head to its answer, waits included.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.open_waits = Gauge(
            "cellblock_gateway_open_waits",
            "Requests that wait for a job now.",
            registry=self._registry,
        )
        self.hang_ups = Counter(
            "cellblock_gateway_hang_ups",
            "Callers that hung up while they waited for a job.",
            registry=self._registry,
        )

    def page(self) -> bytes:
        """Return the page that Prometheus reads."""
        return generate_latest(self._registry)
