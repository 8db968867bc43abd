"""Real cells that are cancelled: the cell is dead, its pool process lives on and takes the next job."""

import select
from collections.abc import Iterator
from typing import Any

import pytest
from cellblock_producer import Cancellation, Client, ResultTimeout

from tests.promptness.spinning import SPIN, busy_cell
from tests.support.stack import Stack

FINE = "def main(): return {'a': 1}"
LIMITS = {"wall_ms": 600_000, "cpu_ms": 600_000}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    settings = {"CELLBLOCK_CONCURRENCY": "1", "CELLBLOCK_WALL_MS": "600000", "CELLBLOCK_CPU_MS": "600000"}
    with Stack(**settings) as stack:
        yield stack


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as client:
        yield client


def job(code: str = SPIN, **fields: Any) -> dict[str, Any]:
    return {"language": "python3", "code": code, "limits": LIMITS, **fields}


def test_a_cancelled_cell_is_dead_and_its_slot_is_free(stack: Stack, client: Client) -> None:
    assert stack.worker is not None
    first = client.run(job(FINE), timeout=120)
    handle = client.submit(job())
    with busy_cell(stack.worker.pid) as cell:
        assert handle.cancel() is Cancellation.CANCELLED
        assert select.select([cell], [], [], 30)[0]
    result = handle.result(30)
    assert (result.status, result.error and result.error.kind, result.attempts) == ("failed", "cancelled", 1)
    assert client.run(job(FINE), timeout=120).worker == first.worker


def test_javascript_too(client: Client) -> None:
    spin = {"language": "nodejs", "code": "function main() { for (;;); }", "limits": LIMITS}
    with pytest.raises(ResultTimeout, match="cancelled"):
        client.run(spin, timeout=1, cancel=True)
    fine = {"language": "nodejs", "code": "function main() { return { a: 1 } }"}
    assert client.run(fine, timeout=120).outputs == {"a": 1}
