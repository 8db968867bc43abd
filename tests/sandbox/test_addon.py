"""What zygote and cells do in C, and the same in Python where it could not be built."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cellblock_sandbox import Sandbox
from cellblock_sandbox.python import runtime

from tests.sandbox.running import run

CODE = "def main(a): return {'b': a + 1}"


@pytest.fixture
def no_addon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox of an installation that was made without a compiler."""
    tmp_path.chmod(0o755)
    inside = tmp_path / "python"
    shutil.copytree(runtime._INSIDE, inside, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    monkeypatch.setattr(runtime, "_INSIDE", inside)
    with Sandbox() as sandbox:
        yield sandbox


def faults_of(zygote: int | None) -> int:
    """How many page faults a zygote has had."""
    return int(Path(f"/proc/{zygote}/stat").read_text().rpartition(")")[2].split()[7])


def faults_per_job(sandbox: Sandbox) -> float:
    for _ in range(3):
        run(sandbox, CODE, a=1)
    before = faults_of(sandbox.zygote_pid)
    for _ in range(10):
        assert run(sandbox, CODE, a=1).outputs == {"b": 2}
    return (faults_of(sandbox.zygote_pid) - before) / 10


def test_a_zygote_is_at_rest_between_forks() -> None:
    with Sandbox() as sandbox:
        assert sandbox.runtime.note == ""
        assert faults_per_job(sandbox) < 30  # what a zygote in Python writes to makes about a hundred


def test_without_the_addon_python_does_the_same(no_addon: Sandbox) -> None:
    assert "C compiler" in no_addon.runtime.note
    assert faults_per_job(no_addon) > 30
