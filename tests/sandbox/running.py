"""Short ways to run a piece of code, and to look at processes from outside."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import dedent, indent

from cellblock_sandbox import Fault, Limits, Mode, Outcome, Program, Sandbox

SHORT = Limits(wall_ms=400, cpu_ms=300, memory_mb=64)


def run(
    sandbox: Sandbox, code: str, *, mode: Mode = Mode.MAIN, limits: Limits | None = None, **inputs: object
) -> Outcome:
    return sandbox.run(Program(code=dedent(code), mode=mode), inputs, limits)


def run_body(sandbox: Sandbox, body: str, limits: Limits | None = None) -> Outcome:
    """Run `body` as that of main; it stands from line 2 on."""
    return run(sandbox, "def main():\n" + indent(dedent(body).strip(), "    "), limits=limits)


def fault(outcome: Outcome) -> Fault:
    assert outcome.fault is not None, outcome
    return outcome.fault


@contextmanager
def watched(pid: int) -> Iterator[int]:
    """A pidfd of a process, which tells of its end even when its number is used again."""
    pidfd = os.pidfd_open(pid)
    try:
        yield pidfd
    finally:
        os.close(pidfd)


def await_end(pidfd: int) -> bool:
    """Wait until the process behind a pidfd is gone."""
    return bool(select.select([pidfd], [], [], 30)[0])


def standby_of(sandbox: Sandbox) -> int:
    """The cell that stands ready."""
    # Not by the zygote's children: a cell that has answered is still dying there for a while.
    cell, zygote = sandbox._standby, sandbox._zygote
    assert cell is not None
    assert zygote is not None
    while not cell.pid:
        zygote.hear()
    assert select.select([cell.channel], [], [], 30)[0]  # it has said that it is ready
    return cell.pid


def has_private_root(sandbox: Sandbox) -> bool:
    """Whether the host grants it."""
    return any(layer.name == "private root" and layer.on for layer in sandbox.layers)


def may_look_into_processes() -> bool:
    """Whether we have CAP_SYS_PTRACE, for those that are not dumpable; root in a container has not."""
    status = Path("/proc/self/status").read_text()
    capabilities = int(status.partition("CapEff:")[2].split()[0], 16)
    return bool(capabilities >> 19 & 1)


def children(pid: int) -> list[int]:
    """All processes that descend from `pid`."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may be gone meanwhile
            stat = (folder / "stat").read_bytes()
            parents[int(folder.name)] = int(stat.rpartition(b")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]
