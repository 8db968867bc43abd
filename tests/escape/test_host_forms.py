"""Every attack fails also where the host gives us less; where it gives too little, the sandbox says so."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.escape.attack import Record, successes
from tests.escape.host import TABLES
from tests.escape.node.native import compiler

ROOT = Path(__file__).parents[2]
OFFERED = {"keyring", "speculation"}  # taken where the kernel gives them
CORE = {"rlimits", "no_new_privs", "seccomp", "capabilities dropped"}

pytestmark = pytest.mark.timeout(300)


def interpreter() -> str:
    """One of our version that any user can start; a private one below /root is for root alone."""
    for path in (os.path.realpath(sys.executable), f"/usr/bin/python3.{sys.version_info.minor}"):
        if Path(path).exists() and all(folder.stat().st_mode & 1 for folder in Path(path).parents):
            return path
    pytest.skip("no interpreter of this version can be started by other users")


@cache
def attacked(form: str, language: str) -> dict[str, Any]:
    """What came of all attacks in that form of host."""
    if language == "nodejs" and compiler() is None:
        pytest.skip("native code for the attacker needs a C compiler")
    python = sys.executable if "user" not in form or os.geteuid() else interpreter()
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])}
    done = subprocess.run(  # noqa: PLW1510 - what it wrote tells more
        [python, "-B", "-m", "tests.escape.host", form, language],
        capture_output=True,
        cwd="/",
        env=environ,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr.decode()
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def check(form: str, language: str, layers: set[str]) -> None:
    answer = attacked(form, language)
    attacks = TABLES[language]
    assert "unavailable" not in answer, answer
    assert set(answer["layers"]) >= CORE | layers
    found = {name: successes(attacks[name], Record(**record)) for name, record in answer["records"].items()}
    assert set(found) == set(attacks)
    assert {name: what for name, what in found.items() if what} == {}


@pytest.fixture(params=list(TABLES))
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_ordinary_user_with_user_namespaces(language: str) -> None:
    check("ordinary user", language, {"landlock"})


def test_an_ordinary_user_without_namespaces(language: str) -> None:
    form = "ordinary user without namespaces"
    check(form, language, {"landlock"})
    assert set(attacked(form, language)["layers"]) - OFFERED == CORE | {"landlock", "uid"}


def test_root_without_any_capability(language: str) -> None:
    check("without any capability", language, {"landlock"})


def test_an_ordinary_user_in_a_locked_down_container(language: str) -> None:
    form = "locked-down container, as an ordinary user"
    check(form, language, {"landlock"})
    assert set(attacked(form, language)["layers"]) - OFFERED == CORE | {"landlock", "uid"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root surely has namespaces")
def test_a_kernel_without_landlock(language: str) -> None:
    check("without Landlock", language, {"private root", "pid namespace"})


def test_refuses_to_start_where_files_would_be_open(language: str) -> None:
    message = attacked("without Landlock and namespaces", language)["unavailable"]
    assert "neither Landlock" in message
    assert "CONFIG_SECURITY_LANDLOCK" in message
    assert "private root: it needs a mount namespace" in message
