"""What a worker finds out about its runtimes before it takes jobs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cellblock_sandbox.node import runtime
from cellblock_worker import slot
from cellblock_worker.runtimes import RuntimeSettings, build
from cellblock_worker.settings import Settings


@pytest.fixture
def no_addon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    build.cache_clear()
    monkeypatch.setattr(runtime, "_ADDON", tmp_path / "cell.node")
    yield
    build.cache_clear()


@pytest.mark.usefixtures("no_addon")
def test_a_runtime_that_is_slow_is_told_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    slot.check(Settings(runtimes={"nodejs": RuntimeSettings(language="nodejs")}))
    assert "runtime nodejs: each job boots a Node.js of its own, which is slow" in caplog.text
