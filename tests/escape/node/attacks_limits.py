"""Attacks on the bounds: memory, clocks, output, and the owner's patience."""

from cellblock_sandbox import Limits, Verdict

from tests.escape.attack import Attack
from tests.escape.node.dialect import SHORT

_HUNGRY = Limits(wall_ms=9_000, cpu_ms=9_000, memory_mb=64)


def hungry(name: str, body: str) -> Attack:
    """Takes memory without end, and catches what it is told, which changes nothing."""
    code = f"async function attack() {{\n  const kept = [];\n{body}\n}}\n"
    return Attack(name=f"memory: {name}", code=code, verdict=Verdict.MEMORY_LIMIT, limits=_HUNGRY)


def insisting(step: str) -> str:
    return f"for (;;) {{ try {{ {step} }} catch (error) {{ if (kept.push(error) > 1e5) throw error; }} }}"


MEMORY = [
    hungry("arrays", "for (;;) kept.push(new Array(1e5).fill(1.1));"),
    hungry("strings outside the heap", "for (;;) kept.push(Buffer.alloc(1e6, 'a').toString('latin1'));"),
    hungry("buffers", "for (;;) kept.push(Buffer.alloc(1 << 20, 1));"),
    hungry("buffers, again and again", insisting("kept.push(Buffer.alloc(1 << 20, 1));")),
    hungry(
        "shared buffers",
        "for (;;) kept.push(new Uint8Array(new SharedArrayBuffer(1 << 20)).fill(1));",
    ),
    hungry(
        "WebAssembly that grows",
        """
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  for (;;) {
    memory.grow(16);
    new Uint8Array(memory.buffer).fill(1);
  }
""",
    ),
    hungry(
        "address space",
        "for (;;) kept.push(new WebAssembly.Memory({ initial: 1, maximum: 65536 }));",
    ),
    hungry(
        "page tables of sparse reads",
        """
  for (;;) {
    const pages = new Uint8Array(1 << 30);
    kept.push(pages);
    for (let at = 0; at < pages.length; at += 1 << 21) pages[at];
  }
""",
    ),
    hungry(
        "machine code",
        """
  for (let from = 0; ; from++) {
    const sum = Array.from({ length: 3000 }, (_, at) => `a[${from + at}]`).join('+');
    kept.push(new Function('a', `return ${sum}`));
    kept.at(-1)([]);
  }
""",
    ),
    hungry("large numbers", "for (let number = 2n ** 100000n; ; ) number *= number;"),
    hungry("ICU", "for (;;) kept.push(new Intl.DateTimeFormat('en', { timeZone: 'Europe/Paris' }));"),
    hungry(
        "windows of zlib",
        """
  const { createDeflate } = require('node:zlib');
  for (;;) {
    try {
      kept.push(createDeflate({ level: 9, memLevel: 9 }));
    } catch {
      kept.push(Buffer.alloc(1 << 20, 1));  // zlib's own word for it is an error like any other
    }
  }
""",
    ),
    hungry(
        "what waits for the other thread",
        "const ask = () => fs.stat('/x', ask);\n  for (;;) for (let at = 0; at < 1e5; at++) ask();",
    ),
]


def spinning(name: str, body: str, verdict: Verdict = Verdict.CPU_LIMIT) -> Attack:
    """Takes time without end."""
    limits = Limits(wall_ms=20_000, cpu_ms=200) if verdict is Verdict.CPU_LIMIT else SHORT
    return Attack(name=name, code=f"async function attack() {{\n{body}\n}}\n", verdict=verdict, limits=limits)


CLOCKS = [
    spinning("loop", "for (;;);"),
    spinning("loop in a regular expression", "/^(a+)+$/.test('a'.repeat(60) + 'b');"),
    spinning("loop in promises", "for (;;) await null;"),
    spinning("loop in timers", "for (;;) await wait(0);"),
    spinning("loop in a getter of the answer", "evidence.push({ get a() { for (;;); } });"),
    spinning("loop in a stack that is asked for", "throw { get stack() { for (;;); } };"),
    spinning("loop at the exit", "process.on('exit', () => { for (;;); }); process.exit();"),
    spinning(
        "work for the other thread",
        """
  for (let at = 0; at < 100; at++)
    require('node:crypto').generateKeyPair('rsa', { modulusLength: 8192 }, () => {});
  await new Promise(() => {});
""",
    ),
    spinning(
        "WebAssembly",
        "new WebAssembly.Instance(new WebAssembly.Module(Buffer.from("
        "'0061736d01000000010401600000030201000801000a0901070003400c000b0b', 'hex')));",
    ),
    spinning(
        "wait for nobody", "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);", Verdict.TIMEOUT
    ),
    spinning("sleep", "await wait(60_000);", Verdict.TIMEOUT),
    spinning("stop itself", "process.kill(process.pid, 'SIGSTOP'); for (;;);", Verdict.TIMEOUT),
    spinning(
        "hold on to the exit",
        "process.on('beforeExit', () => setTimeout(() => {}, 60_000)); return new Promise(() => {});",
        Verdict.TIMEOUT,
    ),
    Attack(
        name="answer and stay",
        code="""
async function attack() {
  fs.writeSync(3, frame('{"outputs": {"a": 1}}'));
  for (;;);
}
""",
        outputs={"a": 1},
    ),
]

OUTPUT = [
    Attack(
        name="print without end",
        code="async function attack() { for (;;) { console.log('x'.repeat(65536)); console.error('x'); } }",
        verdict=Verdict.CPU_LIMIT,
        limits=Limits(wall_ms=20_000, cpu_ms=200, output_bytes=1_000),
    ),
    Attack(
        name="announce an answer of 4 GB",
        code="async function attack() { for (;;) fs.writeSync(3, Buffer.alloc(4096, 255)); }",
        verdict=Verdict.OUTPUT_LIMIT,
    ),
    Attack(
        name="an answer without end",
        code="""
async function attack() {
  fs.writeSync(3, Buffer.from([0, 16, 0, 0]));
  for (;;) fs.writeSync(3, Buffer.alloc(4096, ' '));
}
""",
        verdict=Verdict.INVALID_OUTPUT,  # the first that it announced is complete, and all spaces
        limits=Limits(cpu_ms=2_000, wall_ms=9_000),
    ),
    Attack(
        name="an answer beyond the limit, past the harness",
        code="""
async function attack() {
  fs.writeSync(3, frame(`{"outputs": {"a": "${'x'.repeat(2000)}"}}`));
  process.abort();
}
""",
        verdict=Verdict.OUTPUT_LIMIT,
        limits=Limits(output_bytes=1_000),
    ),
    Attack(
        name="an answer too large to be encoded",
        code="async function attack() { evidence.push('x'.repeat(400e6)); }",
        verdict=Verdict.MEMORY_LIMIT,
    ),
    Attack(
        name="half an answer",
        code="""
async function attack() {
  fs.writeSync(3, Buffer.from([0, 0, 0, 100, 123]));
  await wait(60_000);
}
""",
        verdict=Verdict.TIMEOUT,
        limits=SHORT,
    ),
    Attack(
        name="half an answer, and ours behind it",
        code="async function attack() { fs.writeSync(3, Buffer.from([0, 0, 0, 20, 123])); }",
        verdict=Verdict.INVALID_OUTPUT,
    ),
    Attack(
        name="shut the channel and stay",
        code="""
async function attack() {
  new (require('node:net').Socket)({ fd: 3 }).end();
  await wait(60_000);
}
""",
        verdict=Verdict.TIMEOUT,
        limits=SHORT,
    ),
    Attack(
        name="close the channel",
        code="async function attack() { fs.closeSync(3); }",
        verdict=Verdict.CRASHED,
    ),
    Attack(
        name="close everything",
        code="""
async function attack() {
  for (let at = 0; at < 64; at++) try { fs.closeSync(at); } catch {}
  await wait(60_000);
}
""",
        verdict=Verdict.CRASHED,  # libuv ends the process without its event loop
    ),
]
