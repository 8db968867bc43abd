"""Memory has an end at every size and for every kind, and what stays within it succeeds."""

import pytest
from cellblock_sandbox import Limits, Sandbox, Verdict

from tests.sandbox.node.running import run_main
from tests.sandbox.running import fault, run

GREEDY = {
    "objects": "const a = []; for (;;) a.push({ x: [1, 2, 3] })",
    "an array": "const a = new Array(1e8).fill(0); return { a: a.length }",
    "strings": "const a = []; for (let i = 0; ; i++) a.push('abc'.repeat(1000) + i)",
    "one string": "let s = ''; for (let i = 0; ; i++) s += String.fromCharCode(97 + (i % 26))",
    "a map": "const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })",
    "bytes": "const a = []; for (;;) a.push(new Uint8Array(65536).fill(1))",
    "buffers": "const a = []; for (;;) a.push(Buffer.alloc(1e6, 1))",
    "array buffers": "const a = []; for (;;) a.push(new ArrayBuffer(1 << 20))",
    "one buffer": "return { a: Buffer.alloc(1e9, 1).length }",
    "closures": "const a = []; for (let i = 0; ; i++) a.push(() => i)",
    "promises": "const a = []; for (;;) a.push(new Promise(() => {}))",
    "timers": "for (;;) setTimeout(() => {}, 1e6)",
    "the answer": "let o = {}; for (let i = 0; i < 40; i++) o = { o, p: o }; return o",
    "regular expressions": (
        "const a = []; for (let i = 0; ; i++) { a.push(new RegExp(`a${i}(b|c)*`)); a[i].test('a') }"
    ),
    "functions": "const a = [], x = 'x'.repeat(999); for (;;) a.push(new Function(`${a.length};${x}`))",
    "URLs": "const a = []; for (let i = 0; ; i++) a.push(new URL(`http://x/${i}`))",
    "WebAssembly": "const a = []; for (;;) a.push(new WebAssembly.Memory({ initial: 16 }))",
    "a WebAssembly that grows": "const m = new WebAssembly.Memory({ initial: 1 }); for (;;) m.grow(100)",
    "shared memory": "const a = []; for (;;) a.push(new Uint8Array(new SharedArrayBuffer(1 << 20)).fill(1))",
    "ticks": "for (;;) process.nextTick(() => {})",
    "contexts": "const a = []; for (;;) a.push(require('vm').createContext())",
}


@pytest.mark.parametrize("kind", GREEDY)
@pytest.mark.parametrize("megabytes", [64, 128])
def test_memory_beyond_the_limit_cannot_be_had(sandbox: Sandbox, megabytes: int, kind: str) -> None:
    limits = Limits(memory_mb=megabytes, wall_ms=60_000, cpu_ms=60_000)
    outcome = run_main(sandbox, GREEDY[kind], limits)
    assert outcome.verdict is Verdict.MEMORY_LIMIT, fault(outcome)
    assert fault(outcome).message == f"the code used more memory than its limit of {megabytes} MB"
    assert outcome.usage.peak_memory_kb < (megabytes + 64) << 10


@pytest.mark.parametrize("kind", ["objects", "bytes", "one buffer", "strings"])
@pytest.mark.parametrize("megabytes", [256, 512])
def test_nor_beyond_a_large_one(sandbox: Sandbox, megabytes: int, kind: str) -> None:
    limits = Limits(memory_mb=megabytes, wall_ms=100_000, cpu_ms=100_000)
    assert run_main(sandbox, GREEDY[kind], limits).verdict is Verdict.MEMORY_LIMIT


@pytest.mark.parametrize("megabytes", [64, 128, 256, 512])
def test_memory_within_the_limit_can_be_had(sandbox: Sandbox, megabytes: int) -> None:
    size = (megabytes - 16) << 20
    outcome = run_main(
        sandbox, f"return {{ a: Buffer.alloc({size}, 1).length }}", Limits(memory_mb=megabytes)
    )
    assert outcome.outputs == {"a": size}, outcome.fault


def test_memory_that_is_let_go_of_can_be_had_again(sandbox: Sandbox) -> None:
    body = "let n = 0; for (let i = 0; i < 60; i++) n += Buffer.alloc(10e6, i).length; return { n }"
    assert run_main(sandbox, body, Limits(memory_mb=128)).outputs == {"n": 600_000_000}


def test_an_error_by_want_of_memory_that_is_caught_is_none(sandbox: Sandbox) -> None:
    body = "try { new ArrayBuffer(2 ** 40) } catch (e) { return { name: e.name } }"
    assert run_main(sandbox, body).outputs == {"name": "RangeError"}


def test_inputs_count_as_memory(sandbox: Sandbox) -> None:
    limits = Limits(memory_mb=32)
    code = "function main() { return {} }"
    assert run(sandbox, code, limits=limits, a="x" * 60_000_000).verdict is Verdict.MEMORY_LIMIT
    assert run(sandbox, code, limits=limits, a="x" * 1_000_000).verdict is Verdict.SUCCEEDED


def test_usage_is_the_codes_own(sandbox: Sandbox) -> None:
    idle = run_main(sandbox, "return {}").usage
    body = "const b = Buffer.alloc(30e6, 1); for (let i = 0; i < 3e7; i++) b[i % 100] = i; return { b: b[5] }"
    busy = run_main(sandbox, body).usage
    assert 0 < idle.cpu_ns < busy.cpu_ns <= busy.wall_ns * 4
    assert idle.peak_memory_kb < 8_000
    assert 25_000 < busy.peak_memory_kb < 45_000
