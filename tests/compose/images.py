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
from typing import Final

from tests.compose.engine import Engine
from tests.hosts.docker import NoDocker

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = "python:3.11-slim-bookworm"
REDIS: Final = "redis:7-bookworm"
_PACKAGES: Final = {PYTHON: "ca-certificates,python3,python3-venv", REDIS: "redis-server"}
_WHEELS: Final = ROOT / "deploy" / "wheels"


def provide(engine: Engine) -> None:
    """Have the base images, under the tags that the Dockerfiles name."""
    for tag in _PACKAGES:
        known = engine.call("image", "inspect", tag, check=False).returncode == 0
        if not known and (engine.own or engine.call("pull", tag, check=False).returncode):
            _make(engine, tag)


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


def _make(engine: Engine, tag: str) -> None:
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise NoDocker(f"{tag} cannot be pulled, and only root with debootstrap at hand can make it")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        _run(["debootstrap", "--variant=minbase", f"--include={_PACKAGES[tag]}", "bookworm", folder])
        Path(folder, "data").mkdir()
        os.chown(Path(folder, "data"), 999, 999)
        Path(folder, "usr/local/bin/python3").symlink_to("/usr/bin/python3")
        content = subprocess.run(
            ["tar", "-C", folder, "--exclude=./dev", "-c", "."], capture_output=True, check=True
        )
        engine.call("import", "-", tag, input=content.stdout)


def _run(command: list[str]) -> None:
    # What keeps the images' builds off the network is not meant for us.
    environ = {name: value for name, value in os.environ.items() if name != "PIP_NO_INDEX"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]}: {done.stderr[-2000:]}{done.stdout[-1000:]}")
