"""What zygote and cells do in C, and the same in Python where it could not be built."""

import shutil
from pathlib import Path

import pytest
from cellblock_sandbox import Sandbox, SandboxUnavailable, zygote
from cellblock_sandbox.policy import compile_in_two
from cellblock_sandbox.python import runtime

from tests.sandbox.running import run

CODE = "def main(a): return {'b': a + 1}"
NONSENSE = b"\xff" * 8  # no instruction that the kernel would take


@pytest.fixture
def no_addon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in an installation that was made without a compiler."""
    tmp_path.chmod(0o755)
    inside = tmp_path / "python"
    shutil.copytree(runtime._INSIDE, inside, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    monkeypatch.setattr(runtime, "_INSIDE", inside)


@pytest.fixture(params=["in C", "in Python"])
def way(request: pytest.FixtureRequest) -> None:
    """Either of both."""
    if request.param == "in Python":
        request.getfixturevalue("no_addon")


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


@pytest.mark.usefixtures("no_addon")
def test_without_the_addon_python_does_the_same() -> None:
    with Sandbox() as sandbox:
        assert "C compiler" in sandbox.runtime.note
        assert faults_per_job(sandbox) > 30


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("part", [0, 1], ids=["of the zygote", "of a cell"])
def test_a_filter_that_cannot_be_installed_is_the_end(monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    def compiled(policy: object) -> tuple[bytes, ...]:
        parts = list(compile_in_two(policy))
        parts[part] = NONSENSE
        return tuple(parts)

    monkeypatch.setattr(zygote, "compile_in_two", compiled)
    with pytest.raises(SandboxUnavailable, match=r"Invalid argument|status 256"), Sandbox(self_test=True):
        pass
