from collections.abc import Iterator

import pytest
import redis
from cellblock_worker.embedded import EmbeddedServer

from tests.worker.harness import WorkerProcess


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture(scope="module")
def worker(server: EmbeddedServer) -> Iterator[WorkerProcess]:
    with WorkerProcess(server.url) as worker:
        yield worker.wait_until_ready()
