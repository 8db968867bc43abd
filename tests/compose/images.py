"""The images that the Dockerfiles and docker-compose.yaml name: pulled, or made of Debian's packages.

An engine without a way out also gets the wheels: fetched here, checked by their hashes, and built from.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from tests.compose.engine import Engine
from tests.hosts.docker import NoDocker

ROOT: Final = Path(__file__).parents[2]
_WHEELS: Final = ROOT / "deploy" / "wheels"


class _Recipe(NamedTuple):
    """How Debian's packages make an image that stands in for one of a registry."""

    packages: str
    data: tuple[str, int] | None = None  # a folder, and who owns it
    change: str = ""  # a line of a Dockerfile


PYTHON: Final = "python:3.11-slim-bookworm"
REDIS: Final = "redis:7-bookworm"
PROMETHEUS: Final = "prom/prometheus:v2.53.4"
GRAFANA: Final = "grafana/grafana:11.6.0"
_RECIPES: Final = {
    PYTHON: _Recipe("ca-certificates,python3,python3-venv"),
    REDIS: _Recipe("redis-server", ("data", 999)),
    # wget is what busybox has in the registry's.
    PROMETHEUS: _Recipe("prometheus,wget", ("prometheus", 65534), 'ENTRYPOINT ["/bin/prometheus"]'),
}


def provide(engine: Engine) -> list[str]:
    """Have the images that the Dockerfiles and docker-compose.yaml name; return those that were made here.

    Raises NoDocker where one cannot be had. Grafana's is none of them: Debian has no Grafana.
    """
    made = []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as packages:  # which most of them have in common
        for tag, recipe in _RECIPES.items():
            if not has(engine, tag):
                _make(engine, tag, recipe, packages)
                made.append(tag)
    return made


def has(engine: Engine, tag: str) -> bool:
    """Whether there is an image under a tag, pulled if it need be and can be."""
    if engine.call("image", "inspect", tag, check=False).returncode == 0:
        return True
    return not engine.own and engine.call("pull", tag, check=False).returncode == 0


def fetch_wheels() -> None:
    """Fetch what the images install, for an engine that reaches no registry."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(_WHEELS)]
    for image in ("worker", "gateway", "flower"):
        listed = (ROOT / "deploy" / "requirements" / f"{image}.txt").read_text()
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
            # What an older patch release of Python needs beside: pip judges that by the one that it runs on.
            wanted.write(re.sub(r" ; python_full_version < '[\d.]+'", "", listed))
            wanted.flush()
            _run([*pip, "--no-deps", "--require-hashes", "--requirement", wanted.name])
    _run([*pip, "hatchling", "ziglang"])


def _make(engine: Engine, tag: str, recipe: _Recipe, packages: str) -> None:
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise NoDocker(f"{tag} cannot be pulled, and only root with debootstrap at hand can make it")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        wanted = (f"--include={recipe.packages}", f"--cache-dir={packages}")
        _run(["debootstrap", "--variant=minbase", *wanted, "bookworm", folder])
        if recipe.data:
            data, owner = Path(folder, recipe.data[0]), recipe.data[1]
            data.mkdir()
            os.chown(data, owner, owner)
        if Path(folder, "usr/bin/python3").exists():
            Path(folder, "usr/local/bin/python3").symlink_to("/usr/bin/python3")
        tar = ["tar", "-C", folder, "--exclude=./dev", "-c", "."]
        content = subprocess.run(tar, capture_output=True, check=True)
        change = ("--change", recipe.change) if recipe.change else ()
        engine.call("import", *change, "-", tag, input=content.stdout)


def _run(command: list[str]) -> None:
    # What keeps the images' builds off the network is not meant for us.
    environ = {name: value for name, value in os.environ.items() if name != "PIP_NO_INDEX"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]}: {done.stderr[-2000:]}{done.stdout[-1000:]}")
