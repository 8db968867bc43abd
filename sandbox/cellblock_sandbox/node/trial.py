"""Whether a Node.js can be forked here: tried out, since libuv and V8 promise nothing about it."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from cellblock_sandbox.errors import CellLost, SandboxUnavailable
from cellblock_sandbox.model import Limits, Program
from cellblock_sandbox.node.runtime import PRELOAD, nodejs_runtime, oneshot_runtime
from cellblock_sandbox.runtime import Runtime
from cellblock_sandbox.sandbox import Sandbox

# Timers, the thread pool, the compiler, the collector and WebAssembly, each as it is after a fork; and
# the end of what there is to do, before which some Nodes wait for work that they gave to threads.
_TRIAL: Final = Program(
    code="""
async function main() {
  await new Promise((resolve) => setTimeout(resolve, 1))
  const zipped = await require('node:util').promisify(require('node:zlib').gzip)('trial')
  let sum = 0
  for (let turn = 0; turn < 300_000; turn++) sum += [turn % 7].length
  const {exports: {add}} = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1],
    ...[3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11],
  ])))
  let count = 0
  while (count < 3_000_000) count = add(count, 1)
  await WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))
  const drained = await new Promise((resolve) => process.once('beforeExit', () => resolve(true)))
  return {zipped: zipped.length > 0, sum, count, drained, random: Math.random()}
}
"""
)
_EXPECTED: Final = {"zipped": True, "sum": 300_000, "count": 3_000_000, "drained": True}
_VERSION_S: Final = 20
_LIMITS: Final = Limits(wall_ms=20_000, cpu_ms=20_000)


def best_nodejs_runtime(
    name: str = "nodejs",
    *,
    interpreter: Path | None = None,
    packages: Path | None = None,
    preload: tuple[str, ...] = PRELOAD,
) -> Runtime:
    """A runtime with forked cells where they work here, else with one-shot ones and a note that says why.

    Takes a third of a second the first time. Raises SandboxUnavailable where there is no Node.js, or where
    this host cannot confine any.
    """
    try:
        runtime = nodejs_runtime(name, interpreter=interpreter, packages=packages, preload=preload)
        reason = _trial(interpreter)
    except SandboxUnavailable as error:
        reason = str(error)
    if not reason:
        return runtime
    note = f"each job boots a Node.js of its own, which is slow: forked cells do not work here ({reason})"
    runtime = oneshot_runtime(name, interpreter=interpreter, packages=packages, preload=preload, note=note)
    _check_that_it_is_node(runtime.interpreter)
    return runtime


def _check_that_it_is_node(interpreter: str) -> None:
    """Say so of what is something else, in place of how that fails."""
    asked = [interpreter, "--version"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=_VERSION_S).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxUnavailable(f"{interpreter} cannot be run: {error}") from error
    if not re.match(r"v\d+\.\d+\.\d+\s*$", told):
        raise SandboxUnavailable(f"{interpreter} is no Node.js: asked for its version, it says {told[:50]!r}")


@cache
def _trial(interpreter: Path | None) -> str:
    """Why forked cells do not work; empty when they do."""
    numbers = set()
    with Sandbox(nodejs_runtime(interpreter=interpreter)) as sandbox:
        for _ in range(2):
            try:
                outcome = sandbox.run(_TRIAL, {}, _LIMITS)
            except CellLost as error:
                return f"a trial ended with: {error}"
            outputs = dict(outcome.outputs)
            numbers.add(outputs.pop("random", None))
            if outputs != _EXPECTED:
                return f"a trial ended as {outcome.verdict}: {outcome.fault or outputs}"
    return "" if len(numbers) == 2 else "two cells drew the same random numbers"
