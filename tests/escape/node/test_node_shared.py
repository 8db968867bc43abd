"""Cells of one zygote share nothing that carries words: no open file, no memory, no random numbers."""

import ctypes
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import combinations
from pathlib import Path

import pytest
from cellblock_sandbox import Outcome, Program, Sandbox, Verdict
from cellblock_sandbox.cell import Cell
from cellblock_sandbox.node.runtime import nodejs_runtime
from cellblock_sandbox.supervise import wait_ready
from cellblock_sandbox.zygote import Zygote, launch

from tests.escape.node.native import compiler, native_runtime
from tests.escape.world import numbers
from tests.sandbox.running import may_look_into_processes

KCMP_FILE = 0
as_tracer = pytest.mark.skipif(
    not may_look_into_processes(), reason="processes that are not dumpable are shown to who may trace them"
)
MARK = 0x5EED

WRITE = f"""
function main() {{
  const fs = require('node:fs');
  const mark = Buffer.alloc(8);
  mark.writeUInt32LE({MARK});
  let written = 0;
  for (let at = 4; at < 64; at++) try {{ written += fs.writeSync(at, mark) > 0; }} catch {{}}
  return {{ written }};
}}
"""
READ = f"""
function main() {{
  const fs = require('node:fs');
  const found = [];
  for (let at = 4; at < 64; at++) {{
    const poll = Buffer.alloc(8);
    poll.writeInt32LE(at);
    poll.writeInt16LE(1, 4);
    if (native.syscall(7, poll, 1, 0) !== 1 || !(poll.readInt16LE(6) & 1)) continue;
    const room = Buffer.alloc(64);
    try {{
      const size = fs.readSync(at, room);
      if (size && room.includes(Buffer.from([{MARK & 255}, {MARK >> 8}]))) found.push(at);
    }} catch {{}}
  }}
  return {{ found }};
}}
"""
RANDOM = """
async function main() {
  const crypto = require('node:crypto');
  return {
    math: Math.random(),
    uuid: crypto.randomUUID(),
    bytes: crypto.randomBytes(8).toString('hex'),
    int: crypto.randomInt(2 ** 40),
    later: await new Promise((resolve) => crypto.randomInt(2 ** 40, (_, number) => resolve(number))),
    web: [...globalThis.crypto.getRandomValues(new Uint32Array(2))].join(),
    key: crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }).x,
  };
}
"""


@contextmanager
def two_cells() -> Iterator[tuple[Zygote, Cell, Cell]]:
    """Both locked and rehearsed, at the same time."""
    with closing(launch(nodejs_runtime())) as zygote:
        one, other = zygote.fork(), zygote.fork()
        for cell in (one, other):
            wait_ready(cell, zygote)
        yield zygote, one, other


def same_file(pids: tuple[int, int], descriptors: tuple[int, int]) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    came: int = libc.syscall(numbers()["kcmp"], *pids, KCMP_FILE, *map(ctypes.c_ulong, descriptors))
    if came < 0:
        raise OSError(ctypes.get_errno(), "kcmp")
    return came == 0


def descriptors(pid: int) -> list[int]:
    return [int(link.name) for link in Path(f"/proc/{pid}/fd").iterdir()]


@as_tracer
def test_no_open_file_is_shared() -> None:
    with two_cells() as (zygote, one, other):
        shared = [
            (left, right)
            for pids in combinations((zygote.pid, one.pid, other.pid), 2)
            for left in descriptors(pids[0])
            for right in descriptors(pids[1])
            if same_file(pids, (left, right))
        ]
        assert shared == []


@as_tracer
def test_no_memory_is_shared() -> None:
    with two_cells() as (_, one, _):
        lines = Path(f"/proc/{one.pid}/maps").read_text().splitlines()
        assert lines
        assert [line for line in lines if line.split()[1].endswith("s")] == []


@pytest.mark.skipif(compiler() is None, reason="native code for the attacker needs a C compiler")
def test_what_one_cell_writes_no_other_reads() -> None:
    with native_runtime() as runtime, Sandbox(runtime) as sandbox:
        written = succeeded(sandbox.run(Program(code=WRITE))).outputs["written"]
        assert isinstance(written, int)
        assert written > 1
        assert succeeded(sandbox.run(Program(code=READ))).outputs == {"found": []}


def test_random_numbers_are_each_cells_own() -> None:
    with Sandbox(nodejs_runtime()) as sandbox:
        outputs = [succeeded(sandbox.run(Program(code=RANDOM))).outputs for _ in range(3)]
    for name in outputs[0]:
        assert len({answer[name] for answer in outputs}) == len(outputs), name


def succeeded(outcome: Outcome) -> Outcome:
    assert outcome.verdict is Verdict.SUCCEEDED, outcome
    return outcome
