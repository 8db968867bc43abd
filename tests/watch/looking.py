"""Looks at a worker as Prometheus, an orchestrator and Flower do."""

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError

from celery import Celery
from cellblock_worker.urls import backend_url
from prometheus_client.parser import text_string_to_metric_families

from tests.support.stack import Stack
from tests.worker.harness import wait_for

ADDRESS = re.compile(r"serving metrics and health at (http://\S+)")


def address_of(stack: Stack) -> str:
    """Wait until the worker of a stack says where it serves, the latest where there were several."""
    found: list[str] = wait_for(lambda: ADDRESS.findall(stack.log))
    return found[-1]


def ask(url: str) -> tuple[int, Any]:
    """The status and the answer of one of the health paths."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def metrics(url: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """All samples by their names."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def total(samples: list[tuple[dict[str, str], float]], **labels: str) -> float:
    """The sum of those with these labels."""
    return sum(value for had, value in samples if labels.items() <= had.items())


@contextmanager
def events(url: str) -> Iterator[list[dict[str, Any]]]:
    """Asks all workers of a Redis for events, as Flower does, and reads those about jobs."""
    seen: list[dict[str, Any]] = []
    app = Celery(broker=backend_url(url), set_as_current=False)
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": seen.append})
        thread = threading.Thread(target=receiver.capture, kwargs={"limit": None, "wakeup": False})
        thread.start()
        try:
            assert app.control.enable_events(reply=True)
            wait_for(lambda: seen)  # at least a heartbeat: from now on it hears all
            yield seen
        finally:
            receiver.should_stop = True
            thread.join()
