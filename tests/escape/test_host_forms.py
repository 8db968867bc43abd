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
from tests.escape.catalogue import ATTACKS

ROOT = Path(__file__).parents[2]
CORE = {"rlimits", "no_new_privs", "seccomp", "capabilities dropped"}
OFFERED = {"keyring", "speculation"}  # where the kernel has them

pytestmark = pytest.mark.timeout(300)


def interpreter() -> str:
    """One of our version that any user can start; a private one below /root is for root alone."""
    for path in (os.path.realpath(sys.executable), f"/usr/bin/python3.{sys.version_info.minor}"):
        if Path(path).exists() and all(folder.stat().st_mode & 1 for folder in Path(path).parents):
            return path
    pytest.skip("no interpreter of this version can be started by other users")


@cache
def attacked(form: str) -> dict[str, Any]:
    """What came of all attacks in that form of host."""
    python = sys.executable if "user" not in form or os.geteuid() else interpreter()
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])}
    done = subprocess.run(  # noqa: PLW1510 - what it wrote tells more
        [python, "-B", "-m", "tests.escape.host", form],
        capture_output=True,
        cwd="/",
        env=environ,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr.decode()
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def check(form: str, layers: set[str]) -> None:
    answer = attacked(form)
    assert "unavailable" not in answer, answer
    assert set(answer["layers"]) == set(answer["nodejs"]) >= CORE | layers
    found = {name: successes(ATTACKS[name], Record(**record)) for name, record in answer["records"].items()}
    assert set(found) == set(ATTACKS)
    assert {name: what for name, what in found.items() if what} == {}


def test_an_ordinary_user_with_user_namespaces() -> None:
    check("ordinary user", {"landlock"})


def test_an_ordinary_user_without_namespaces() -> None:
    check("ordinary user without namespaces", {"landlock"})
    layers = set(attacked("ordinary user without namespaces")["layers"])
    assert layers - OFFERED == CORE | {"landlock", "uid"}


def test_root_without_any_capability() -> None:
    check("without any capability", {"landlock"})


def test_an_ordinary_user_in_a_locked_down_container() -> None:
    form = "locked-down container, as an ordinary user"
    check(form, {"landlock"})
    assert set(attacked(form)["layers"]) - OFFERED == CORE | {"landlock", "uid"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root surely has namespaces")
def test_a_kernel_without_landlock() -> None:
    check("without Landlock", {"private root", "pid namespace"})


def test_refuses_to_start_where_files_would_be_open() -> None:
    message = attacked("without Landlock and namespaces")["unavailable"]
    assert "neither Landlock" in message
    assert "CONFIG_SECURITY_LANDLOCK" in message
    assert "private root: it needs a mount namespace" in message
