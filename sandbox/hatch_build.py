"""Builds the addons with the package: with the C compiler that is here, or else with one from PyPI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ADDONS = {  # what each is built from, and what an operator should know where it could not be
    "cellblock_sandbox/python/cell.abi3.so": (
        "cellblock_sandbox/python/cell.c",
        "the addon of Python was not built, so each job costs more CPU time",
    ),
    "cellblock_sandbox/node/cell.node": (
        "cellblock_sandbox/node/cell.c",
        "the Node.js addon was not built, so each job boots a Node.js",
    ),
}
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden")


class AddonHook(BuildHookInterface[Any]):
    """Compiles each `cell.c`; its declarations are its own, so no headers but libc's are needed."""

    def dependencies(self) -> list[str]:
        """A compiler, where the machine has none."""
        return [] if _compiler() else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the addons into the package; a checkout may do without them, a wheel may not."""
        if self.target_name != "wheel":
            return
        for addon, (source, loss) in ADDONS.items():
            try:
                _build(Path(self.root), addon, source)
            except (OSError, subprocess.CalledProcessError) as error:
                if version != "editable":
                    raise
                self.app.display_warning(f"{loss}: {error}")
        if version != "editable":
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
            build_data["artifacts"] = [*ADDONS]


def _build(root: Path, addon: str, source: str) -> None:
    # Beside its place and then moved: the old one may be loaded.
    built = root / f"{addon}.{os.getpid()}"
    subprocess.run([*_command(), *FLAGS, "-o", built, root / source], check=True)
    built.replace(root / addon)


def _compiler() -> str | None:
    named = os.environ.get("CC")
    return named or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def _command() -> list[str]:
    compiler = _compiler()
    return [compiler] if compiler else [sys.executable, "-m", "ziglang", "cc"]
