"""A real server, a client of it, and a worker that answers without running any code."""

from collections.abc import Iterator

import pytest
from cellblock_producer import Client
from redis import Redis

from tests.producer.fake_worker import FakeWorker
from tests.support.valkey import ValkeyServer, running_valkey


@pytest.fixture(scope="session")
def shared_server() -> Iterator[ValkeyServer]:
    with running_valkey() as server:
        yield server


@pytest.fixture
def server(shared_server: ValkeyServer) -> ValkeyServer:
    """The server of the session, emptied."""
    with shared_server.connect() as redis:
        redis.flushall()
    return shared_server


@pytest.fixture
def own_server() -> Iterator[ValkeyServer]:
    """A server that the test may stop."""
    with running_valkey() as server:
        yield server


@pytest.fixture
def redis(server: ValkeyServer) -> Iterator[Redis]:
    with server.connect() as redis:
        yield redis


@pytest.fixture
def client(server: ValkeyServer) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


@pytest.fixture
def worker(server: ValkeyServer) -> Iterator[FakeWorker]:
    with FakeWorker(server) as worker:
        yield worker
