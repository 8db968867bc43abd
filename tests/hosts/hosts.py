"""The hosts that the sandbox has to hold on, each as a command in front of `python -m tests.hosts.inside`."""

import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.hosts.docker import Engine

ROOT = Path(__file__).parents[2]
_LOCKED_DOWN = (
    *("--cap-drop", "ALL", "--user", "1000:1000", "--security-opt", "no-new-privileges"),
    *("--read-only", "--tmpfs", "/tmp:mode=1777,exec"),
)


class NotRun(Exception):
    """This host cannot be had here."""


Command = tuple[list[str], dict[str, str]]  # and its environment
Host = Callable[[], AbstractContextManager[Command]]


@contextmanager
def root() -> Iterator[Command]:
    """This host, as its root."""
    if os.geteuid() != 0:
        raise NotRun("only root can be root")
    with tempfile.TemporaryDirectory() as folder:
        yield _inside(sys.executable, "root", folder), _environ(folder)


def user(form: str) -> Host:
    """This host, as somebody else, in a form of `tests.escape.host`."""

    @contextmanager
    def ordinary() -> Iterator[Command]:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o777)
            yield _inside(_interpreter(), form, folder), _environ(folder)

    return ordinary


def container(*options: str) -> Host:
    """A container of Docker's whose files are this host's, mounted read-only."""

    @contextmanager
    def contained() -> Iterator[Command]:
        python = _interpreter()
        with Engine() as engine:
            mounts = sorted({"/usr", str(ROOT), str(Path(python).parents[1]), *_packages()})
            run = engine.run(_outermost(mounts), _environ("/tmp"), options)
            yield [*run, *_inside(python, "as it is", "/tmp")], engine.environ

    return contained


HOSTS: dict[str, Host] = {
    "root": root,
    "ordinary user": user("ordinary user"),
    "ordinary user without user namespaces": user("ordinary user without namespaces"),
    "default Docker container": container(),
    "locked-down Docker container": container(*_LOCKED_DOWN),
}


def _interpreter() -> str:
    """One of our version that any user can start; a private one below /root is for root alone."""
    for folder in (ROOT, *map(Path, _packages())):
        if not _open_to_all(folder / "any"):
            raise NotRun(f"other users cannot read {folder}; use a checkout elsewhere")
    found = os.path.realpath(sys.executable)
    for path in (found, f"/usr/bin/python3.{sys.version_info.minor}"):
        if Path(path).exists() and _open_to_all(Path(path)):
            return path
    raise NotRun(f"other users cannot start {found}, and /usr/bin has none of its version")


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 1 for folder in path.parents)


def _packages() -> set[str]:
    """Where our dependencies are."""
    return {str(importlib.metadata.distribution(name).locate_file("")) for name in ("pytest", "pyseccomp")}


def _outermost(folders: list[str]) -> list[str]:
    return [
        one
        for one in folders
        if not any(Path(one).is_relative_to(other) for other in folders if other != one)
    ]


def _inside(python: str, form: str, folder: str) -> list[str]:
    return [python, "-B", "-m", "tests.hosts.inside", form, folder]


def _environ(folder: str) -> dict[str, str]:
    ours = [path for path in sys.path[1:] if Path(path).is_relative_to(ROOT) or path in _packages()]
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *ours]),
        "HYPOTHESIS_STORAGE_DIRECTORY": f"{folder}/hypothesis",
        "TMPDIR": folder,
    }
