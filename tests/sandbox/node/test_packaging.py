"""The addons come with the package: a wheel carries them, built by whatever compiler is to be had."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest

PROJECT = Path(__file__).parents[3] / "sandbox"
RUN = """
import cellblock_sandbox as ours
assert ours.__file__.startswith({folder!r}), ours.__file__
runtime = ours.best_nodejs_runtime()
assert not runtime.note, runtime.note
assert not ours.python_runtime().note
with ours.Sandbox(runtime) as sandbox:
    print(sandbox.run(ours.Program(code="async function main({{a}}) {{ return {{a}} }}"), {{"a": 5}}).outputs)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    without = shutil.ignore_patterns("*.node", "*.so", "__pycache__", "dist")
    return Path(shutil.copytree(PROJECT, tmp_path / "checkout", ignore=without))


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    """A PATH on which no compiler is."""
    folder = tmp_path / "nothing"
    folder.mkdir()
    return folder


def build(checkout: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        "wheel",
        "-d",
        str(checkout.parent / "built"),
    ]
    kept = {name: value for name, value in os.environ.items() if name != "CC"}
    return subprocess.run(
        command, cwd=checkout, env={**kept, **environ}, capture_output=True, text=True, check=False
    )


def unpacked(checkout: Path) -> Path:
    """What the wheel that was built holds, with the checkout gone."""
    (wheel,) = (checkout.parent / "built").glob("*.whl")
    assert "-py3-none-linux_" in wheel.name
    shutil.rmtree(checkout)
    with ZipFile(wheel) as archive:
        archive.extractall(checkout.parent / "installed")
    return checkout.parent / "installed"


def _ahead(folder: Path) -> str:
    """Where modules are looked for, with `folder` first."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


def run_from(folder: Path) -> str:
    command = [sys.executable, "-c", RUN.format(folder=str(folder))]
    environ = {**os.environ, "PYTHONPATH": _ahead(folder)}
    done = subprocess.run(command, cwd="/", env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_a_wheel_runs_nodes_in_forked_cells_without_the_checkout(checkout: Path) -> None:
    done = build(checkout)
    assert done.returncode == 0, done.stderr
    assert run_from(unpacked(checkout)) == "{'a': 5}"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_without_a_compiler_that_of_pypi_builds_it(checkout: Path, nothing: Path) -> None:
    # In its place one that is called as it is, since it is 80 MB.
    stand_in = checkout.parent / "path" / "ziglang" / "__main__.py"
    stand_in.parent.mkdir(parents=True)
    compiler, path = shutil.which("cc"), os.environ["PATH"]
    stand_in.write_text(
        "import os, sys\nassert sys.argv[1] == 'cc'\n"
        f"os.environ['PATH'] = {path!r}\nos.execv({compiler!r}, ['cc', *sys.argv[2:]])\n"
    )
    done = build(checkout, PATH=str(nothing), PYTHONPATH=_ahead(stand_in.parents[1]))
    assert done.returncode == 0, done.stderr
    package = unpacked(checkout) / "cellblock_sandbox"
    assert (package / "node" / "cell.node").is_file()
    assert (package / "python" / "cell.abi3.so").is_file()


def test_no_wheel_is_built_without_it(checkout: Path) -> None:
    done = build(checkout, CC="/bin/false")
    assert done.returncode != 0
    assert not [*checkout.parent.glob("built/*")]


def test_a_compiler_is_asked_for_where_there_is_none(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = _hook()
    asked = hook.AddonHook.dependencies
    monkeypatch.setenv("CC", "some-cc")
    assert asked(None) == []
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(nothing))
    assert asked(None) == ["ziglang"]


def _hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", PROJECT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
