"""Many jobs of one Node.js leave nothing behind, and its cells share nothing but what they cannot change."""

import ctypes
import os
import select
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import combinations, product
from pathlib import Path

import pytest
from cellblock_sandbox import Limits, Program, Sandbox, Verdict
from cellblock_sandbox.node.runtime import nodejs_runtime

from tests.sandbox.running import await_end, children, may_look_into_processes, watched

ECHO = "function main({ a }) { return { a } }"
PROGRAMS = [
    ECHO,
    "null.x",
    "function main() { process.exit() }",
    "function main() { process.abort() }",
    "async function main() { await new Promise(() => {}) }",
    "async function main() { await require('util').promisify(require('zlib').gzip)('x'); return {} }",
    "function main() { require('child_process').execSync('ls') }",
]
KCMP, KCMP_FILE = 312, 0  # on x86_64

as_tracer = pytest.mark.skipif(
    not may_look_into_processes(),
    reason="what they have in /proc is shown to who may trace them",
)


def descriptors(pid: int | str) -> int:
    return len([*Path(f"/proc/{pid}/fd").iterdir()])


def resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def standby_of(sandbox: Sandbox) -> int:
    cell, zygote = sandbox._standby, sandbox._zygote
    assert cell is not None
    assert zygote is not None
    while not cell.pid:
        zygote.hear()
    assert select.select([cell.channel], [], [], 30)[0]  # it has said that it is ready
    return cell.pid


def files(zygote: int) -> list[str]:
    """What it has open besides its cells."""
    named = [str(file.readlink()) for file in Path(f"/proc/{zygote}/fd").iterdir()]
    return sorted(name for name in named if "pidfd" not in name)


def await_only_the_standby(sandbox: Sandbox) -> None:
    """Cells that have answered are dying for a while."""
    assert sandbox.zygote_pid is not None
    standby = standby_of(sandbox)
    while children(sandbox.zygote_pid) != [standby]:
        time.sleep(0.005)


@contextmanager
def opened() -> Iterator[Sandbox]:
    with Sandbox(nodejs_runtime(), cells_per_zygote=1_000_000) as sandbox:
        assert sandbox.run(Program(code=ECHO), {"a": 1}).outputs == {"a": 1}
        yield sandbox


@as_tracer
def test_a_thousand_jobs_leave_nothing_behind() -> None:
    before = descriptors("self")
    with opened() as sandbox, ExitStack() as stack:
        zygote = sandbox.zygote_pid
        assert zygote is not None
        for number in range(100):
            sandbox.run(Program(code=PROGRAMS[number % len(PROGRAMS)]))
        await_only_the_standby(sandbox)
        open_meanwhile, size = (descriptors("self"), files(zygote)), resident_kb(zygote)
        for number in range(1000):
            outcome = sandbox.run(Program(code=ECHO), {"a": number})
            assert outcome.outputs == {"a": number}, outcome.fault
        await_only_the_standby(sandbox)
        assert sandbox.zygote_pid == zygote
        assert (descriptors("self"), files(zygote)) == open_meanwhile
        assert resident_kb(zygote) - size < 2_000
        ends = [stack.enter_context(watched(pid)) for pid in (zygote, *children(zygote))]
        sandbox.close()
        assert all(await_end(pidfd) for pidfd in ends)
    assert descriptors("self") == before


def test_no_job_fails_for_a_reason_not_its_own() -> None:
    verdicts = [Verdict.SUCCEEDED, *[Verdict.CODE_ERROR] * 2, Verdict.CRASHED, Verdict.CODE_ERROR]
    verdicts += [Verdict.SUCCEEDED, Verdict.BLOCKED]
    with opened() as sandbox:
        for _ in range(50):
            assert [sandbox.run(Program(code=code), {"a": 1}).verdict for code in PROGRAMS] == verdicts


def test_every_task_of_a_cell_is_locked() -> None:
    with opened() as sandbox:
        cell = standby_of(sandbox)
        tasks = [*Path(f"/proc/{cell}/task").iterdir()]
        assert len(tasks) == 2  # its own, and that of libuv's pool
        for task in tasks:
            status = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
            assert status["Seccomp"].strip() == "2"
            assert status["NoNewPrivs"].strip() == "1"
            assert {status[name].strip() for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {"0" * 16}


def test_code_finds_no_more_tasks_and_can_start_none(sandbox: Sandbox) -> None:
    code = """
    async function main() {
      const { promisify } = require('util');
      const { pbkdf2 } = require('crypto');
      const hash = () => promisify(pbkdf2)('a', 'b', 20000, 8, 'sha256');
      return { sizes: (await Promise.all([1, 2, 3, 4, 5].map(hash))).map((b) => b.length) };
    }
    """
    outcome = sandbox.run(Program(code=code), limits=Limits(threads=2))
    assert outcome.outputs == {"sizes": [8] * 5}, outcome.fault


@as_tracer
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number of kcmp(2) is another")
def test_cells_share_no_open_file_with_their_zygote_or_each_other() -> None:
    with opened() as sandbox, opened() as other:
        zygotes = [one.zygote_pid for one in (sandbox, other)]
        assert None not in zygotes
        first = standby_of(sandbox)
        second = _standby_after_another(sandbox)
        cells = [first, second, standby_of(other)]
        for one, two in [*combinations(cells, 2), *product(zygotes, cells)]:
            assert one is not None
            assert shared_files(one, two) == []
        assert shared_files(first, first) != []  # so it finds them where they are


def _standby_after_another(sandbox: Sandbox) -> int:
    """A sibling of the standby that there is, while that one lives on."""
    zygote = sandbox._zygote
    assert zygote is not None
    sandbox._held = sandbox._standby  # type: ignore[attr-defined]
    sandbox._standby = zygote.fork()
    return standby_of(sandbox)


def shared_files(one: int, two: int) -> list[tuple[str, str]]:
    """The open file descriptions that both have, as what they are of."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    found = []
    for mine, theirs in product(Path(f"/proc/{one}/fd").iterdir(), Path(f"/proc/{two}/fd").iterdir()):
        numbers = [ctypes.c_ulong(int(file.name)) for file in (mine, theirs)]
        order = call(KCMP, ctypes.c_int(one), ctypes.c_int(two), KCMP_FILE, *numbers)
        if order < 0:
            raise OSError(ctypes.get_errno(), "kcmp")
        if order == 0:
            found.append((f"{mine.name} {mine.readlink()}", f"{theirs.name} {theirs.readlink()}"))
    return found


def test_a_cell_that_is_to_stop_is_gone_and_the_next_runs(sandbox: Sandbox) -> None:
    zygote = sandbox.zygote_pid
    for body in ("while (true);", "return new Promise((r) => setTimeout(r, 3600000))"):
        code, stop = f"function main() {{ {body} }}", partial(next, iter([False, False]), True)
        outcome = sandbox.run(Program(code=code), {}, Limits(wall_ms=600_000, cpu_ms=600_000), stop=stop)
        assert outcome.verdict is Verdict.CANCELLED
    assert sandbox.run(Program(code=ECHO), {"a": 1}).outputs == {"a": 1}
    assert sandbox.zygote_pid == zygote


@as_tracer
def test_the_heap_lies_in_one_piece() -> None:
    """V8 would put each chunk at random into 128 TB, at the price of a page table each, for every fork."""
    with Sandbox(nodejs_runtime()) as sandbox:
        fields = [line.split() for line in Path(f"/proc/{sandbox.zygote_pid}/maps").read_text().splitlines()]
    nameless = [int(field[0].split("-")[0], 16) for field in fields if len(field) == 5]
    highest = max(nameless)
    assert not [hex(at) for at in nameless if highest - at > 1 << 36 and at > 1 << 36]
