"""The Node.js runtime with an addon that hands an attacker native code, as one has who broke V8."""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cellblock_sandbox.launch.plan import Tree
from cellblock_sandbox.node.runtime import PRELOAD, nodejs_runtime
from cellblock_sandbox.runtime import Runtime

SOURCE = Path(__file__).with_name("native.c")
FLAGS = ("-std=c11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden")


@functools.cache
def compiler() -> str | None:
    """The C compiler of this machine, None where there is none."""
    return os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@contextmanager
def native_runtime() -> Iterator[Runtime]:
    """Lives as long as the addon's folder does, which any user can read."""
    command = compiler()
    assert command is not None, "ask compiler() first"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        addon = folder / "native.node"
        subprocess.run([command, *FLAGS, "-o", addon, SOURCE], check=True)
        runtime = nodejs_runtime(preload=(*PRELOAD, str(addon)))
        yield replace(runtime, trees=(*runtime.trees, Tree(path=str(folder))))
