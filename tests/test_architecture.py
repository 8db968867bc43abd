"""Who may import whom: the arrows of the design, read from the sources."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"producer": "cellblock_producer", "sandbox": "cellblock_sandbox", "worker": "cellblock_worker"}
ARROWS = {("worker", "producer"), ("worker", "sandbox")}
SANDBOX = ROOT / "sandbox" / "cellblock_sandbox"


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imported(source: Path) -> Iterator[str]:
    """Names of all modules that a file imports from elsewhere, wherever in it."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def tops(source: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(source)}


@pytest.mark.parametrize("distribution", PACKAGES)
def test_distributions_import_along_the_arrows_only(distribution: str) -> None:
    forbidden = {
        package
        for other, package in PACKAGES.items()
        if other != distribution and (distribution, other) not in ARROWS
    }
    files = sources(ROOT / distribution / PACKAGES[distribution])
    assert files
    assert {str(file): tops(file) & forbidden for file in files if tops(file) & forbidden} == {}


def test_the_sandbox_knows_no_queue() -> None:
    queue = {"celery", "kombu", "redis", "pydantic"}
    assert [file for file in sources(SANDBOX) if tops(file) & queue] == []


def test_only_the_policy_knows_seccomp() -> None:
    assert [file.name for file in sources(SANDBOX) if "pyseccomp" in tops(file)] == ["policy.py"]


def test_what_runs_inside_imports_the_standard_library_alone() -> None:
    inside = [*sources(SANDBOX / "launch"), *sources(SANDBOX / "python")]
    inside.remove(SANDBOX / "python" / "runtime.py")  # the runtime as its owner sees it
    assert len(inside) > 8
    foreign = {str(file): tops(file) - sys.stdlib_module_names for file in inside}
    assert {file: names for file, names in foreign.items() if names} == {}
