from collections.abc import Iterator

import pytest
from cellblock_sandbox import Sandbox
from cellblock_sandbox.node.runtime import nodejs_runtime


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One of Node.js, for all tests of this folder that do not harm it."""
    with Sandbox(nodejs_runtime()) as sandbox:
        yield sandbox
