from collections.abc import Iterator

import pytest
from cellblock_sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One for all tests that do not harm it: a job leaves nothing behind for the next."""
    with Sandbox() as sandbox:
        yield sandbox
