"""One server, one worker with real cells, and one gateway for all tests here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.calling import GatewayProcess, write_keys
from tests.support.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with Stack(CELLBLOCK_MEMORY_MB="100") as stack:
        yield stack


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_keys(
        tmp_path_factory.mktemp("keys") / "keys.json",
        {"secret": "a-key-that-reads-only", "name": "reader", "scopes": ["read"]},
        {"secret": "a-key-with-small-quotas", "name": "small", "tenant": "small", "jobs_per_minute": 3},
        {"secret": "a-key-with-a-single-wait", "name": "single", "open_waits": 1},
    )


@pytest.fixture(scope="session")
def gateway(stack: Stack, keys: Path) -> Iterator[GatewayProcess]:
    with GatewayProcess(stack.url, "--keys", str(keys)) as gateway:
        yield gateway
