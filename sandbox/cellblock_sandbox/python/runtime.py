"""The Python runtime as its owner sees it; the only file of this folder that is not for the inside."""

from __future__ import annotations

import compileall
import importlib.metadata
import os
import sys
from pathlib import Path
from typing import Final

from cellblock_sandbox.elf import needed_files
from cellblock_sandbox.errors import SandboxUnavailable
from cellblock_sandbox.launch.plan import Tree
from cellblock_sandbox.policy import Policy
from cellblock_sandbox.runtime import Runtime

_INSIDE: Final = Path(__file__).parent
_ADDON: Final = "cell.abi3.so"
_NO_ADDON: Final = (
    "a job costs more CPU time than it could: the addon was not built; "
    "install again where there is a C compiler"
)
# By their files and not by a search, which would have to list the folder above.
_START: Final = """\
import importlib, importlib.util as util, sys
module, *folders = sys.argv[1].split(":")
for folder in folders:
    name = folder.rpartition("/")[2]
    spec = util.spec_from_file_location(name, folder + "/__init__.py", submodule_search_locations=[folder])
    sys.modules[name] = util.module_from_spec(spec)
importlib.import_module(module).main()
"""
# Folders of the standard library that no code node needs, and those that hold the host's own packages.
_HIDDEN: Final = ("site-packages", "dist-packages", "test", "idlelib", "ensurepip", "turtledemo")

_ENVIRON: Final = {
    "LD_BIND_NOW": "1",  # else each cell looks up anew what it calls
    "MALLOC_ARENA_MAX": "2",  # an arena of each thread's own reserves 64 MB of address space
    "OPENBLAS_NUM_THREADS": "1",  # threads do not survive a fork
}

DISTRIBUTIONS: Final = ("jinja2", "markupsafe", "tzdata")
PRELOAD: Final = (
    *("base64", "bisect", "calendar", "collections", "copy", "csv", "dataclasses", "datetime", "decimal"),
    *("enum", "fractions", "functools", "hashlib", "heapq", "hmac", "html", "itertools", "json", "math"),
    *("operator", "random", "re", "secrets", "statistics", "string", "textwrap", "threading", "time"),
    *("typing", "unicodedata", "urllib.parse", "uuid", "zoneinfo", "jinja2"),
)


def python_runtime(
    name: str = "python3",
    *,
    distributions: tuple[str, ...] = DISTRIBUTIONS,
    packages: Path | None = None,
    preload: tuple[str, ...] = PRELOAD,
) -> Runtime:
    """A runtime of the interpreter that we run on.

    `distributions` are borrowed by name from our own environment, the rest of which stays unseen;
    `packages` is a folder made by `pip install --target`. `preload` is imported once, in the zygote.
    Raises SandboxUnavailable where one of them is missing.
    """
    interpreter = Path(os.path.realpath(sys._base_executable))  # type: ignore[attr-defined]
    library = Path(os.__file__).parent
    if packages is not None and not packages.is_dir():
        raise SandboxUnavailable(f"runtime {name}: there is no packages folder {packages}")
    borrowed = sorted({part for one in distributions for part in _parts(one)})
    folders = [*borrowed, *([packages] if packages else [])]
    _compile(folders)
    native = [file for folder in (library / "lib-dynload", *folders) for file in folder.rglob("*.so")]
    libraries = needed_files([interpreter, *native])
    return Runtime(
        name=name,
        language="python3",
        argv=(str(interpreter), "-I", "-S", "-B", "-X", "utf8", "-c", _START, f"python.zygote:{_INSIDE}"),
        interpreter=str(interpreter),
        environ=_ENVIRON | {"LD_LIBRARY_PATH": ":".join(sorted({str(file.parent) for file in libraries}))},
        trees=(
            Tree(path=str(library), without=_HIDDEN),
            *(Tree(path=str(file)) for file in (interpreter, *libraries, _INSIDE, *folders)),
        ),
        policy=Policy(threads=True, executable_memory=False),
        probe=(_INSIDE / "probe.py").read_text(),
        config={
            "path": [str(packages)] if packages else [],
            "borrowed": {_import_name(part): str(part) for part in borrowed if _import_name(part)},
            "preload": list(preload),
        },
        note="" if (_INSIDE / _ADDON).is_file() else _NO_ADDON,
    )


def _parts(distribution: str) -> set[Path]:
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise SandboxUnavailable(f"the distribution {distribution} is not installed beside us") from error
    tops = {file.parts[0] for file in found.files or ()}
    return {
        Path(str(found.locate_file(top)))
        for top in tops
        if top not in ("..", "__pycache__") and not top.endswith((".dist-info", ".egg-info", ".pth"))
    }


def _compile(folders: list[Path]) -> None:
    """Write the bytecode that is missing, where we may: compiling leaves megabytes of holes in a zygote."""
    for folder in folders:
        if folder.is_dir() and os.access(folder, os.W_OK):
            compileall.compile_dir(folder, quiet=2)


def _import_name(part: Path) -> str:
    """What it is imported as; nothing for a folder that only goes with a package, such as numpy.libs."""
    name = part.name if part.is_dir() else part.name.split(".")[0]
    return name if name.isidentifier() else ""
