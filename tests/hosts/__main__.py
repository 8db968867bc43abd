"""Runs the escape suite and the sandbox's tests on every kind of host: `make hosts`.

`python -m tests.hosts [NAME ...]` takes the hosts whose names hold one of the words. Exit code 0: all held;
1: something failed; 3: a host could not be had here.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.hosts.docker import NoDocker
from tests.hosts.hosts import HOSTS, NotRun

_FAILED, _NOT_RUN = 1, 3
_S = 1800
_ORDER = ("attacks", "others", "skipped", "failed")


def tried(name: str) -> dict[str, Any]:
    """What came of one host; raises NotRun or NoDocker."""
    with HOSTS[name]() as (command, environ):
        done = subprocess.run(
            command,
            env=environ,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_S,
            check=False,
        )
    written = done.stdout.decode(errors="replace")
    *log, last = written.rstrip().splitlines() or [""]
    if done.returncode == 0 and last.startswith("{"):
        found: dict[str, Any] = json.loads(last)
    else:
        found = {"failed": [f"nothing came back (status {done.returncode})"], "status": 1}
        log.append(last)
    if found["status"]:
        sys.stderr.write(f"---- {name}\n" + "\n".join(log[-200:]) + "\n")
    return found


def rows(names: Iterable[str]) -> Iterable[tuple[str, dict[str, Any]]]:
    for name in names:
        sys.stderr.write(f"==> {name}\n")
        try:
            yield name, tried(name)
        except (NotRun, NoDocker) as why:
            yield name, {"not run": str(why)}


def show(results: dict[str, dict[str, Any]]) -> None:
    """The table, then what it has no room for."""
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    table = Table(title="Hosts", show_lines=True)
    for column in ("host", "layers on", "escape tests passed", "other tests passed", "skipped", "failures"):
        table.add_column(column)
    for name, found in results.items():
        if "not run" in found:
            table.add_row(name, f"not run: {found['not run']}")
            continue
        numbers = [str(found.get("attacks", 0)), str(found.get("others", 0))]
        numbers += [str(len(found.get("skipped", ()))), str(len(found["failed"]))]
        table.add_row(name, _layers(found.get("layers", {})), *numbers)
    out.print(table)
    for name, found in results.items():
        for test in found.get("failed", ()):
            out.print(f"{name}: FAILED {test}", markup=False)
        for test, why in found.get("skipped", {}).items():
            out.print(f"{name}: skipped {test}: {why}", markup=False)


def _layers(layers: dict[str, list[str]]) -> str:
    if len({tuple(on) for on in layers.values()}) == 1:
        layers = {" and ".join(layers): next(iter(layers.values()))}
    return "\n".join(f"{runtime}: {', '.join(on)}" for runtime, on in layers.items())


def main() -> int:
    words = sys.argv[1:]
    names = [name for name in HOSTS if not words or any(word in name for word in words)]
    results = dict(rows(names))
    show(results)
    if not names or any(found.get("failed") or found.get("status") for found in results.values()):
        return _FAILED
    return _NOT_RUN if any("not run" in found for found in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
