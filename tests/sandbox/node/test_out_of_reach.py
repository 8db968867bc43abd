"""A node shares its realm with the wrapper: what it patches changes its own answer and nothing else."""

from pathlib import Path

import pytest
from cellblock_sandbox import Limits, Program, Sandbox, Verdict, node

from tests.sandbox.running import run

WALK = Path(__file__).with_name("walk.js").read_text()

# With each of them a node still gives its own plain answer.
HARMLESS = [
    "Array.prototype[Symbol.iterator] = function () { throw 1 }",
    "Array.prototype.push = Array.prototype.map = Array.prototype.join = () => { throw 1 }",
    "Object.defineProperty(Array.prototype, 0, { set() { throw 1 }, get() { return 1 } })",
    'JSON.stringify = () => \'{"outputs":{"forged":1}}\'',
    "JSON.parse = () => { throw 1 }",
    "globalThis.JSON = null",
    "parseInt = Number = String = Boolean = () => { throw 1 }",
    "Promise = class { then() { throw 1 } }",
    "Promise.prototype.catch = Promise.prototype.finally = () => { throw 1 }",
    "Promise.resolve = Promise.reject = Promise.all = () => { throw 1 }",
    "Promise[Symbol.species] = null",
    "Object.defineProperty(Promise, Symbol.species, { get() { throw 1 } })",
    "Object.prototype.toJSON = undefined",
    "String.prototype.toJSON = () => 'forged'",
    "String.prototype.split = String.prototype.slice = String.prototype.startsWith = () => { throw 1 }",
    "RegExp.prototype.exec = () => { throw 1 }",
    "Error.prepareStackTrace = () => { throw 1 }",
    "Error = TypeError = class { constructor() { throw 1 } }",
    "Error.stackTraceLimit = 0",
    "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw 1 }",
    "Function.prototype.toString = () => { throw 1 }",
    "Function.prototype[Symbol.hasInstance] = undefined",
    "Reflect.apply = Reflect.construct = Reflect.get = () => { throw 1 }",
    "globalThis.Reflect = null",
    "Object.keys = Object.getPrototypeOf = Object.defineProperty = () => { throw 1 }",
    "Object.setPrototypeOf(Object, null)",
    "Buffer.from = () => { throw 1 }",
    "globalThis.Buffer = null",
    "Uint8Array.prototype.fill = Uint8Array.prototype.set = () => { throw 1 }",
    "process.stdout.write = process.stderr.write = () => { throw 1 }",
    "Object.defineProperty(process, 'stdout', { value: null })",
    "globalThis.console = null",
    "process.emit = () => { throw 1 }",
    "process.on = process.removeListener = process.listenerCount = () => { throw 1 }",
    "process.removeAllListeners()",
    "process.reallyExit = () => {}",
    "process.nextTick = () => { throw 1 }",
    "process.exitCode = 9",
    "globalThis.process = null",
    "globalThis.globalThis = null",
    "Map = Set = WeakMap = WeakSet = Proxy = Symbol = null",
    "Map.prototype.get = Set.prototype.has = WeakSet.prototype.has = () => { throw 1 }",
    "setTimeout = setImmediate = queueMicrotask = () => { throw 1 }",
    "require('events').prototype.listenerCount = require('events').prototype.on = () => { throw 1 }",
    "require('events').prototype.emit = () => { throw 1 }",
    "require('stream').Writable.prototype.write = () => { throw 1 }",
    "require('util').inspect = require('util').types = null",
    "require('vm').compileFunction = require('module').createRequire = null",
    "for (const name of Object.getOwnPropertyNames(globalThis)) try { globalThis[name] = null } catch {}",
    "for (const name of Reflect.ownKeys(process)) try { delete process[name] } catch {}",
]
ANSWER = "{ a: [1, 'x', { b: null }] }"


@pytest.mark.parametrize("patch", HARMLESS)
@pytest.mark.parametrize(
    "code",
    [
        "{patch};\nfunction main() {{ return {answer} }}",
        "async function main() {{ {patch};\n return {answer} }}",
    ],
    ids=["before", "inside"],
)
def test_a_patch_does_not_even_change_the_answer(sandbox: Sandbox, code: str, patch: str) -> None:
    outcome = run(sandbox, code.format(patch=patch, answer=ANSWER), limits=Limits(wall_ms=2000))
    assert outcome.outputs == {"a": [1, "x", {"b": None}]}, outcome.fault


# With these a node may spoil its own answer, and does no more.
OWN = [
    *(
        f"Object.defineProperty(Object.prototype, '{name}', {{ {how}, configurable: true }})"
        for name in (
            "kind",
            "error",
            "outputs",
            "then",
            "value",
            "get",
            "set",
            "filename",
            "line",
            "type",
            "0",
        )
        for how in ("get() { return 'forged' }, set() {}", "get() { throw 1 }, set() { throw 2 }", "value: 1")
    ),
    "Object.prototype.toJSON = () => ({ forged: 1 })",
    "Promise.prototype.then = function () { throw 1 }",
    "Promise.prototype.then = function (resolve) { resolve({ forged: 1 }) }",
    "Promise.prototype.constructor = null",
    "Object.defineProperty(Promise.prototype, 'constructor', { get() { throw 1 } })",
    "Object.prototype.constructor = null",
    "Object.freeze(Object.prototype), Object.freeze(Promise.prototype), Object.freeze(process)",
    "Object.setPrototypeOf(process, null)",
    "process.reallyExit(0)",
    "process.listeners('beforeExit').forEach((f) => f())",
    "process.listeners('exit').forEach((f) => f(0))",
    "process.listeners('uncaughtException').forEach((f) => f(new Error('forged')))",
    "process.emit('uncaughtException', new Error('forged'))",
    "process.emit('beforeExit'); process.emit('exit', 0)",
    "require('fs').writeSync(3, Buffer.from('\\0\\0\\0\\x02{}'))",
    "require('fs').writeSync(3, Buffer.from('\\xff\\xff\\xff\\xff', 'latin1'))",
    "require('fs').closeSync(3)",
    "for (let i = 0; i < 64; i++) try { require('fs').closeSync(i) } catch {}",
    "for (let i = 4; i < 64; i++) try { require('fs').writeSync(i, '12345678') } catch {}",
]


@pytest.mark.parametrize("patch", OWN)
def test_a_node_that_spoils_its_own_answer_spoils_no_other(sandbox: Sandbox, patch: str) -> None:
    zygote = sandbox.zygote_pid
    for code in (
        f"{patch};\nfunction main() {{ return {ANSWER} }}",
        f"async function main() {{ {patch};\n await null; return {ANSWER} }}",
        f"async function main() {{ {patch};\n await null; throw new Error('x') }}",
    ):
        run(sandbox, code, limits=Limits(wall_ms=1000, cpu_ms=1000))
    for number in range(2):  # the standby stood already while the last one ran
        outcome = run(sandbox, "async function main(inputs) { await null; return { ...inputs } }", n=number)
        assert outcome.outputs == {"n": number}, outcome.fault
    assert sandbox.zygote_pid == zygote


def test_nothing_stays_from_job_to_job(sandbox: Sandbox) -> None:
    leave = """
    globalThis.left = 1; process.left = 1; process.env.LEFT = '1'; require('fs').left = 1;
    Array.prototype.left = 1; require.cache.left = {}; process.title = 'left'; require('v8').setFlagsFromString('--no-opt');
    process.umask(0); require('module')._cache.left = 1; Error.stackTraceLimit = 1;
    function main() { return {} }
    """
    look = """
    function main() {
      return {
        left: [globalThis.left, process.left, process.env.LEFT, require('fs').left, [].left].filter(Boolean),
        cache: Object.keys(require.cache), title: process.title === 'left', umask: process.umask(),
        limit: Error.stackTraceLimit,
      };
    }
    """
    before = run(sandbox, look).outputs
    run(sandbox, leave)
    for _ in range(2):
        assert run(sandbox, look).outputs == before
    assert before["left"] == before["cache"] == []


def test_the_addon_cannot_be_walked_to(sandbox: Sandbox) -> None:
    limits = Limits(wall_ms=20_000, cpu_ms=20_000, memory_mb=512)
    outcome = sandbox.run(Program(code=WALK), limits=limits)
    assert outcome.verdict is Verdict.SUCCEEDED, outcome.fault
    # One is left, which tells a cell its own number; that it is found shows that the others would be.
    assert outcome.outputs["hits"] == ["process.get pid: native pid"]
    assert isinstance(outcome.outputs["seen"], int)
    assert outcome.outputs["seen"] > 5_000


def test_the_wrapper_and_its_modules_cannot_be_loaded_with_its_hands(sandbox: Sandbox) -> None:
    code = """
    function main({ folder }) {
      const told = (f) => { try { return typeof f() } catch (e) { return e.message } };
      return {
        main: typeof require.main, parent: typeof module.parent, children: (module.children ?? []).length,
        cache: Object.keys(require.cache), own: Object.keys(require('module')._cache),
        addon: told(() => require(`${folder}/cell.node`)),
        dlopen: told(() => process.dlopen({ exports: {} }, `${folder}/cell.node`)),
      };
    }
    """
    outcome = run(sandbox, code, folder=str(Path(node.__file__).parent))
    refused = "this code node tried to load native code, which is not allowed"
    assert outcome.outputs == {
        "main": "undefined",
        "parent": "undefined",
        "children": 0,
        "cache": [],
        "own": [],
        "addon": refused,
        "dlopen": refused,
    }
