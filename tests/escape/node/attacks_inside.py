"""Attacks on the answer, on the harness around the code, and on what a cell inherits."""

from cellblock_sandbox import Verdict

from tests.escape.attack import Attack


def forged(name: str, body: str, verdict: Verdict = Verdict.INVALID_OUTPUT) -> Attack:
    """An answer that the harness would not have written; `body` is an expression."""
    code = f"async function attack() {{ fs.writeSync(3, frame({body})); process.abort(); }}"
    return Attack(name=f"answer: {name}", code=code, verdict=verdict)


ANSWERS = [
    forged("no JSON", "'\\0'.repeat(1000)"),
    forged("nothing", "''", Verdict.CRASHED),
    forged("no object", "'[]'"),
    forged("a verdict that is ours to give", """'{"error": {"kind": "timeout"}}'"""),
    forged("a verdict that nobody gives", """'{"error": {"kind": "internal"}}'"""),
    forged("a huge exit code", """`{"outputs": {}, "exit_code": 1${'0'.repeat(4000)}}`"""),
    forged("a deep one", """`{"outputs": {"a": ${'['.repeat(1e5)}${']'.repeat(1e5)}}}`"""),
    forged("NaN", """'{"outputs": {"a": NaN}}'"""),
    forged("a key twice", """'{"outputs": {"a": 1, "a": 2}}'"""),
    forged("bytes that are no text", """'{"outputs": {"a": "\\xff"}}'"""),
    Attack(
        name="two answers",
        code="""
async function attack() {
  const both = [frame('{"outputs": {"a": 1}}'), frame('{"outputs": {"a": 2}}')];
  fs.writeSync(3, Buffer.concat(both));
  process.abort();
}
""",
        outputs={"a": 1},
    ),
    Attack(
        name="an answer from patched hands",
        code="""
async function attack() {
  const forged = () => '{}, "error": {"kind": "internal"}';
  JSON.stringify = forged;
  String.prototype.toWellFormed = forged;
  Array.prototype.join = forged;
  Object.prototype.toJSON = () => ({ kind: 'internal' });
  Object.prototype.error = { kind: 'internal' };
  Promise.prototype.then = forged;
  throw new Error('x');
}
""",
        verdict=Verdict.CODE_ERROR,
    ),
    Attack(
        name="an answer by toJSON",
        code="""
async function attack() {
  Array.prototype.toJSON = () => 1;
  Object.defineProperty(Object.prototype, 'toJSON', { value: () => '{' });
}
""",
        verdict=Verdict.INVALID_OUTPUT,
    ),
]

INSIDE = [
    Attack(
        name="descriptors that were left open",
        code="""
async function attack() {
  for (let at = 0; at < 64; at++) {
    let is;
    try {
      is = fs.fstatSync(at);
    } catch {
      continue;
    }
    const known = at === 3 ? is.isSocket() : at < 3 ? is.isFIFO() : is.isFIFO() || (is.mode & 0o170000) === 0;
    proof(at, known, is.mode.toString(8));
  }
  proof('stdin', fs.readSync(0, Buffer.alloc(10)) === 0);
}
""",
        proofs=5,
    ),
    Attack(
        name="what the zygote left in memory",
        code="""
async function attack() {
  const { environmentVariables } = process.report.getReport();
  for (const variables of [process.env, environmentVariables])
    proof('environment', Object.keys(variables).length === 0, JSON.stringify(variables));
  proof('arguments', process.argv[1] === '/node.js' && process.argv.length === 2, process.argv.join());
  proof('main', process.mainModule === undefined && require.main === undefined);
  const preloaded = (path) => path.endsWith('/native.node'); // what gives the attacker native code
  const cached = Object.keys(require.cache).filter((path) => !preloaded(path));
  proof('cache', cached.length === 0, cached);
  const handles = process._getActiveHandles().map((handle) => handle.fd).filter((fd) => fd !== 1 && fd !== 2);
  proof('handles', handles.length === 0, handles);
}
""",
        proofs=6,
    ),
    Attack(
        name="walk up the stack to the harness",
        code="""
async function attack() {
  Error.stackTraceLimit = Infinity;
  Error.prepareStackTrace = (_, sites) => sites;
  const ours = (site) => site.getFileName() !== 'node.js';
  for (const site of new Error().stack.filter(ours)) {
    proof('function', site.getFunction() === undefined, site.getFunction());
    proof('this', site.getThis() === undefined, site.getThis());
  }
  evidence.push({ toJSON: function step() { return ['caller', 'errno', step.caller === null ? 1 : 0]; } });
}
""",
        proofs=5,
    ),
    Attack(
        name="catch the addon in patched calls",
        code="""
async function attack() {
  const found = [];
  const native = (value) => value && ['answer', 'serve', 'job', 'leave'].some((name) => {
    try { return typeof value[name] === 'function'; } catch { return false; }
  });
  const look = (...values) => { for (const value of values) if (native(value)) found.push(value); };
  const plainly = Reflect.apply;
  const { prototype } = Function;
  for (const [holder, name] of [[prototype, 'call'], [prototype, 'apply'], [Reflect, 'apply'],
    [Object, 'keys'], [Buffer, 'from'], [JSON, 'stringify'], [Array.prototype, 'push']]) {
    const { [name]: original } = holder;
    let quiet = false;
    holder[name] = function (...given) {
      if (!quiet) {
        quiet = true;
        look(this, ...given);
        quiet = false;
      }
      return plainly(original, this, given);
    };
  }
  const { createHook, executionAsyncResource } = require('node:async_hooks');
  const init = (id, type, trigger, it) => look(it, it?.promise, executionAsyncResource());
  createHook({ init }).enable();
  console.log('x');
  process.emitWarning('x');
  await wait(10);
  look(...process._getActiveHandles(), ...process._getActiveRequests(), ...Object.values(globalThis));
  proof('addon', found.length === 0, found);
}
""",
    ),
    Attack(
        name="secrets in a snapshot of the heap",
        code="""
async function attack() {
  let heap = '';
  for await (const part of require('node:v8').getHeapSnapshot()) heap += part;
  // In two parts, so that the code itself, which is there as well, does not hold them.
  for (const [one, other] of [['redis:', '//'], ['CELLBLOCK', '_'], ['PASS', 'WORD='], ['HOME', '='],
    ['what no cell', ' may learn']])
    proof(one, !heap.includes(one + other), one + other);
}
""",
        proofs=5,
    ),
    Attack(
        name="packages that are not the runtime's",
        code="""
async function attack() {
  for (const name of ['npm', 'undici', './zygote.js', './cell.js', '../node/harness.js', '/x.js']) {
    await tried(name, () => require(name));
    await tried(name, () => import(name));
  }
}
""",
        errnos=frozenset({"MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND", 1, 2, 13}),
        proofs=12,
    ),
    Attack(
        name="break V8 by its flags",
        code="""
async function attack() {
  const v8 = require('node:v8');
  for (const flag of ['--no-single-threaded', '--concurrent-recompilation', '--parallel-scavenge', '--maglev',
    '--allow-natives-syntax', '--expose-gc', '--stack-size=4000', '--always-turbofan', '--jit-fuzzing'])
    try { v8.setFlagsFromString(flag); } catch {}
  for (let turn = 0; turn < 3e5; turn++) Math.sqrt(turn);
  evidence.push(['flags', 'errno', 1]);
}
""",
    ),
]
