"""Celery's events about jobs, as few as Flower can be fed with.

Stock Celery sends three events for a job (received, started, and how it ended), which halves its rate. Here a
job has one event, when it ends, with all that Flower shows of it; one that runs for longer than a second has
one more, so that it is seen, and can be cancelled, while it runs. They go out together, once a second.
"""

# ruff: noqa: ANN401 - what Celery passes is not typed

import time
from typing import TYPE_CHECKING, Any, Final

from celery.worker import state

from .settings import Settings

if TYPE_CHECKING:
    from .request import Request

_TICK_S: Final = 1.0
_LONG_S: Final = 1.0
_TOGETHER: Final = 1_000  # events, at most, in one message


class News:
    """Belongs to the main process and its main thread."""

    def __init__(self, settings: Settings) -> None:
        self._wanted = settings.events != "off"
        self.full = settings.events == "full"
        """Whether Celery sends all of its own."""
        self._timer: Any = None
        self._dispatcher: Any = None

    def consuming(self, consumer: Any) -> None:
        """The worker takes jobs, for the first time or with a new connection."""
        if not self._wanted or self.full:
            return
        self._dispatcher = consumer.event_dispatcher
        self._dispatcher.on_send_buffered, self._dispatcher.buffer_limit = None, _TOGETHER
        if self._timer is not None:
            self._timer.cancel()
        self._timer = consumer.timer.call_repeatedly(_TICK_S, self._tick)

    def ending(self) -> None:
        """There will be no more ticks."""
        if self._dispatcher is not None:
            self._dispatcher.buffer_limit = 1
            self._dispatcher.flush()

    def tell(self, dispatcher: Any, request: "Request", type: str, fields: dict[str, Any]) -> None:  # noqa: A002
        """Send an event about a request, if anybody has asked for events, and if it says what is news."""
        if not self._wanted or (dispatcher.groups and "task" not in dispatcher.groups):
            return
        if self.full or request.told:
            dispatcher.send(type, uuid=request.id, **fields)
        elif type != "task-started":
            dispatcher.send(type, **_about(request), **fields)

    def _tick(self) -> None:
        dispatcher = self._dispatcher
        if "task" in dispatcher.groups or not dispatcher.groups:
            before = time.time() - _LONG_S
            for request in list(state.active_requests):
                if not request.told and request.time_start is not None and request.time_start < before:
                    request.told = True
                    dispatcher.send("task-started", **_about(request), timestamp=request.time_start)
        dispatcher.flush()


def _about(request: "Request") -> dict[str, Any]:
    started = request.time_start
    return {
        "uuid": request.id,
        "name": request.name,
        "args": _told(request.argsrepr),
        "kwargs": "{}",
        "received": started,
        "started": started,
    }


def _told(described: str) -> str:
    """The description with the id last: Flower cuts it in its list, and has the id in a column of its own."""
    job_id, _, rest = described.partition(" ")
    return f"{rest} {job_id}" if job_id.startswith("job_id=") else described
