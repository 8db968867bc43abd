"""JavaScript on this host: honest programs give their exact answers, hostile ones are told no."""

from collections.abc import Iterator

import pytest
from cellblock_sandbox import Limits, Outcome, Sandbox, Verdict, best_nodejs_runtime

from tests.escape.world import World
from tests.sandbox.running import fault, run

LIMITS = Limits(wall_ms=5_000, cpu_ms=4_000, memory_mb=64)

HONEST = {
    "values": ("return {sum: [1, 2, 3].reduce((a, b) => a + b), text: 'ü'.normalize('NFD').length}", (6, 2)),
    "asynchronous": ("await new Promise((done) => setTimeout(done, 5)); return {a: 1, b: 'x'}", (1, "x")),
    "crypto off the main thread": (
        "const {promisify} = require('util'); const {pbkdf2} = require('crypto');"
        "return {a: (await promisify(pbkdf2)('p', 's', 10, 4, 'sha256')).length, b: 0}",
        (4, 0),
    ),
    "zlib": (
        "const z = require('zlib'); return {a: z.inflateSync(z.deflateSync('abc')).toString(), b: 0}",
        ("abc", 0),
    ),
    "time zones": (
        "const a = new Date(0).toLocaleString('sv-SE', {timeZone: 'Asia/Tokyo'});"
        "return {a, b: new Intl.NumberFormat('de').format(1e6)}",
        ("1970-01-01 09:00:00", "1.000.000"),
    ),
    "WebAssembly": (
        "await WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])); return {a: 1, b: 2}",
        (1, 2),
    ),
}

# Each throws, or is told so by an event.
REFUSED = {
    "read a file": "require('fs').readFileSync(secret_file, 'utf8')",
    "change a file": "require('fs').appendFileSync(secret_file, 'x')",
    "make a file": "require('fs').writeFileSync(folder + '/new', 'x')",
    "make a folder": "await require('fs/promises').mkdir(folder + '/new')",
    "link a file": "require('fs').symlinkSync(secret_file, folder + '/new')",
    "connect by TCP": "const s = require('net').connect(tcp_port, '127.0.0.1');"
    "await new Promise((done, fail) => s.on('connect', done).on('error', fail))",
    "connect to a path": "const s = require('net').connect(stream_path);"
    "await new Promise((done, fail) => s.on('connect', done).on('error', fail))",
    "connect to an abstract socket": "const s = require('net').connect(abstract);"
    "await new Promise((done, fail) => s.on('connect', done).on('error', fail))",
    "send a datagram": "const s = require('dgram').createSocket('udp4');"
    "await new Promise((done, fail) => { s.on('error', fail);"
    "s.send('x', tcp_port, '127.0.0.1', (e) => e ? fail(e) : done()) })",
    "start a program": "throw require('child_process').spawnSync(process.execPath).error",
    "signal the zygote": "process.kill(zygote, 0)",
    "signal the owner": "process.kill(owner, 0)",
    "become somebody": "process.setuid(0)",
    "start a worker": "new (require('worker_threads').Worker)('1', {eval: true})",
}

ENDS = {
    "loop for ever": ("for (;;);", {Verdict.CPU_LIMIT, Verdict.TIMEOUT}),
    "wait for ever": ("await new Promise((done) => setTimeout(done, 1e8))", {Verdict.TIMEOUT}),
    "take memory": (
        "const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1))",
        {Verdict.MEMORY_LIMIT, Verdict.CRASHED},
    ),
    "answer too much": ("return {a: 'x'.repeat(4 << 20)}", {Verdict.OUTPUT_LIMIT}),
}


@pytest.fixture(scope="module")
def javascript() -> Iterator[Sandbox]:
    with Sandbox(best_nodejs_runtime()) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as world:
        yield world


def try_it(sandbox: Sandbox, world: World, body: str, limits: Limits = LIMITS) -> Outcome:
    inputs = world.inputs(sandbox.zygote_pid)
    outcome = run(
        sandbox, f"async function main({{{', '.join(inputs)}}}) {{ {body} }}", limits=limits, **inputs
    )
    assert world.damage() == []
    return outcome


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_program_gives_its_answer(javascript: Sandbox, world: World, name: str) -> None:
    body, answer = HONEST[name]
    outcome = try_it(javascript, world, body)
    assert outcome.verdict is Verdict.SUCCEEDED, outcome.fault
    assert tuple(outcome.outputs.values()) == answer


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_program_is_refused(javascript: Sandbox, world: World, name: str) -> None:
    zygote = javascript.zygote_pid
    outcome = try_it(javascript, world, REFUSED[name] + "; return {}")
    assert outcome.verdict is Verdict.BLOCKED, outcome
    assert "tried to" in fault(outcome).message
    assert javascript.zygote_pid == zygote


@pytest.mark.parametrize("name", ENDS)
def test_a_greedy_program_is_stopped(javascript: Sandbox, world: World, name: str) -> None:
    body, verdicts = ENDS[name]
    outcome = try_it(javascript, world, body, Limits(wall_ms=2_000, cpu_ms=1_000, memory_mb=64))
    assert outcome.verdict in verdicts, outcome
    assert run(javascript, "function main() { return {a: 1} }").outputs == {"a": 1}
