"""Every way in which a Node.js program can end, and what its author is told."""

from dataclasses import dataclass

import pytest
from cellblock_sandbox import Limits, Sandbox, Verdict

from tests.sandbox.node.running import run_main
from tests.sandbox.running import SHORT, fault

NO_OBJECT = "main must return an object with its outputs, but it returned "
UNSETTLED = "main returned a promise that never settles: nothing is left to do that could settle it"
EXIT = "the code called process.exit before main returned"
FOREVER = "await new Promise(() => {})"


@dataclass(frozen=True, kw_only=True)
class Case:
    body: str  # of main; it stands from line 2 on
    verdict: Verdict = Verdict.CODE_ERROR
    message: str
    type: str = ""
    line: int | None = None
    limits: Limits | None = None


def unfit(value: str, told: str, type: str) -> Case:  # noqa: A002
    return Case(body=f"return {value}", verdict=Verdict.INVALID_OUTPUT, message=NO_OBJECT + told, type=type)


def no_json(value: str, message: str, type: str = "TypeError") -> Case:  # noqa: A002
    return Case(body=f"return {value}", verdict=Verdict.INVALID_OUTPUT, message=message, type=type)


def thrown(value: str, message: str, type: str, line: int | None = None) -> Case:  # noqa: A002
    return Case(body=f"throw {value}", message=message, type=type, line=line)


CASES = {
    # ---- throws
    "throws": thrown("new RangeError('so')", "so", "RangeError", 2),
    "throws its own class": thrown("new (class Mine extends Error {})('so')", "so", "Mine", 2),
    "throws a named error": thrown("Object.assign(new Error('so'), { name: 'Named' })", "so", "Named", 2),
    "throws an error without a message": thrown(
        "new Error()", "the code threw Error without a message", "Error", 2
    ),
    "throws a string": thrown("'boom'", "the code threw a string: boom", "string"),
    "throws null": thrown("null", "the code threw null", "null"),
    "throws undefined": thrown("undefined", "the code threw undefined", "undefined"),
    "throws a number": thrown("42", "the code threw a number: 42", "number"),
    "throws a bigint": thrown("5n", "the code threw a bigint: 5", "bigint"),
    "throws a symbol": thrown("Symbol('s')", "the code threw a symbol: Symbol(s)", "symbol"),
    "throws an object": thrown("{ code: 5 }", "the code threw an object: { code: 5 }", "Object"),
    "throws an object with a message": thrown("{ message: 'hi', name: 'N' }", "hi", "N"),
    "throws an object of no prototype": thrown("Object.create(null)", "the code threw an object: ", "Object"),
    "throws an array": thrown("[1, 2]", "the code threw an array: [ 1, 2 ]", "Array"),
    "throws a function": thrown("() => 1", "the code threw a function", "function"),
    "throws a frozen error": thrown("Object.freeze(new Error('so'))", "so", "Error", 2),
    "throws a proxy": thrown("new Proxy(new Error('so'), {})", "so", "Error"),
    "throws a hostile proxy": thrown(
        "new Proxy({}, { get() { throw 1 }, has() { throw 2 }, getPrototypeOf() { throw 3 } })",
        "the code threw an object",
        "Object",
    ),
    "throws a proxy that was revoked": thrown(
        "(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })()",
        "the code threw an object",
        "Object",
    ),
    "throws a function's proxy that was revoked": thrown(
        "(() => { const { proxy, revoke } = Proxy.revocable(() => 1, {}); revoke(); return proxy })()",
        "the code threw a function",
        "function",
    ),
    "throws an error with hostile getters": thrown(
        "Object.defineProperties(new Error('x'), { message: { get() { throw 1 } },"
        " stack: { get() { throw 2 } },"
        " name: { get() { throw 3 } }, cause: { get() { throw 4 } }, code: { get() { throw 5 } } })",
        "the code threw Error without a message",
        "Error",
    ),
    "throws an error whose message is none": thrown(
        "Object.assign(new Error('x'), { message: { a: 1 }, name: 5 })",
        "the code threw Error without a message",
        "Error",
        2,
    ),
    "throws many": thrown("new AggregateError([new TypeError('a')], 'many')", "many", "AggregateError", 2),
    "throws a very long message": thrown("new Error('x'.repeat(10000))", "x" * 4000, "Error", 2),
    "throws a huge message": thrown("new Error('x'.repeat(1 << 22))", "x" * 4000, "Error", 2),
    "throws half a character": thrown("new Error('\\ud83d')", "\ufffd", "Error", 2),
    "fails an assertion": Case(
        body="require('assert').equal(1, 2)", message="1 == 2", type="AssertionError", line=2
    ),
    "recurses for ever": Case(
        body="const f = () => f() + 1;\nf()",
        message="Maximum call stack size exceeded",
        type="RangeError",
        line=2,
    ),
    "rejects": Case(body="await null;\nthrow new Error('later')", message="later", type="Error", line=3),
    "rejects with nothing": Case(
        body="await Promise.reject()", message="the code threw undefined", type="undefined"
    ),
    "throws from a timer": Case(
        body=f"setTimeout(() => {{ throw new Error('late') }}, 1);\n{FOREVER}",
        message="late",
        type="Error",
        line=2,
    ),
    "emits an error that nobody hears": Case(
        body="setImmediate(() => new (require('events'))().emit('error', new Error('unheard')));\n" + FOREVER,
        message="unheard",
        type="Error",
        line=2,
    ),
    "reads a property of undefined": Case(
        body="const a = {};\nreturn { r: a.b.c }",
        message="Cannot read properties of undefined (reading 'c')",
        type="TypeError",
        line=3,
    ),
    "evaluates what does not parse": Case(
        body="eval('{')", message="Unexpected end of input", type="SyntaxError", line=2
    ),
    # ---- leaves
    "exits": Case(body="process.exit()", message=EXIT, type="process.exit", line=2),
    "exits with a number": Case(body="process.exit(7)", message=EXIT, type="process.exit", line=2),
    "exits later": Case(
        body=f"setTimeout(() => process.exit(3));\n{FOREVER}", message=EXIT, type="process.exit", line=2
    ),
    "exits while it exits": Case(
        body="process.on('exit', () => process.exit(4));\nprocess.exit(2)",
        message=EXIT,
        type="process.exit",
        line=2,
    ),
    "throws while it exits": Case(
        body="process.on('exit', () => { throw new Error('at exit') });\nprocess.exit()",
        message="at exit",
        type="Error",
        line=2,
    ),
    "waits for what never settles": Case(body=FOREVER, message=UNSETTLED, type="Promise"),
    "returns a thenable that never settles": Case(
        body="return { then() {} }", message=UNSETTLED, type="Promise"
    ),
    "waits beside a timer that holds nothing": Case(
        body=f"setInterval(() => {{}}, 1).unref();\n{FOREVER}", message=UNSETTLED, type="Promise"
    ),
    "waits with a timer that goes on": Case(
        body=f"setInterval(() => {{}}, 10);\n{FOREVER}",
        verdict=Verdict.TIMEOUT,
        message="longer than its limit of 400 ms",
        limits=SHORT,
    ),
    "aborts": Case(
        body="process.abort()",
        verdict=Verdict.CRASHED,
        message="the code crashed (SIGABRT)",
        type="SIGABRT",
    ),
    "kills itself": Case(
        body="process.kill(process.pid, 'SIGKILL')",
        verdict=Verdict.CRASHED,
        message="the code crashed (SIGKILL)",
        type="SIGKILL",
    ),
    "stops itself": Case(
        body="process.kill(process.pid, 'SIGSTOP')",
        verdict=Verdict.TIMEOUT,
        message="longer than its limit",
        limits=SHORT,
    ),
    # ---- returns what is no record
    "returns nothing": unfit("", "undefined", "undefined"),
    "returns null": unfit("null", "null", "null"),
    "returns an array": unfit("[1]", "an array", "Array"),
    "returns a string": unfit("'x'", "a string", "string"),
    "returns a number": unfit("5", "a number", "number"),
    "returns a boolean": unfit("false", "a boolean", "boolean"),
    "returns a bigint": unfit("5n", "a bigint", "bigint"),
    "returns a symbol": unfit("Symbol('x')", "a symbol", "symbol"),
    "returns a function": unfit("() => 1", "a function", "function"),
    "returns a class": unfit("class A {}", "a function", "function"),
    "returns a Map": unfit("new Map([['a', 1]])", "a Map", "Map"),
    "returns a Set": unfit("new Set([1])", "a Set", "Set"),
    "returns a Date": unfit("new Date(0)", "a Date", "Date"),
    "returns a RegExp": unfit("/x/", "a RegExp", "RegExp"),
    "returns an Error": unfit("new Error('x')", "an Error", "Error"),
    "returns a generator": unfit("(function* () { yield 1 })()", "a generator", "generator"),
    "returns what says that it is a string": unfit("{ toJSON: () => 's' }", "a string", "string"),
    "returns what says that it is an array": unfit("{ toJSON: () => [1] }", "an array", "Array"),
    "returns what says that it is nothing": unfit("{ toJSON() {} }", "undefined", "undefined"),
    # ---- returns what is no JSON
    "returns a bigint within": no_json(
        "{ a: 1, b: { c: [1n] } }", 'output "b" is not JSON: Do not know how to serialize a BigInt'
    ),
    "returns a circle": no_json(
        "(() => { const a = []; a.push(a); return { x: 1, a } })()",
        'output "a" is not JSON: Converting circular structure to JSON',
    ),
    "returns a circle of itself": no_json(
        "(() => { const a = {}; a.self = a; return a })()", 'output "self" is not JSON: Converting circular'
    ),
    "returns a toJSON that throws": no_json(
        "{ a: { toJSON() { throw new RangeError('tj') } } }", 'output "a" is not JSON: tj', "RangeError"
    ),
    "is a toJSON that throws": no_json(
        "{ toJSON() { throw new TypeError('tj') } }", "the answer is not JSON: tj"
    ),
    "returns a getter that throws": no_json(
        "{ get a() { throw 'ga' } }", 'output "a" is not JSON: the code threw a string: ga', "string"
    ),
    "returns half a character": no_json(
        "{ a: '\\ud800' }", "text that is not valid Unicode (a lone surrogate)", ""
    ),
    "returns half a character as a name": no_json(
        "{ '\\ud800': 1 }", "text that is not valid Unicode (a lone surrogate)", ""
    ),
    "returns a number that is too large": no_json(
        "{ a: JSON.rawJSON('1e999') }", "a number that is too large", ""
    ),
    "returns 65 levels": no_json(
        "(() => { let a = 1; for (let i = 0; i < 64; i++) a = [a]; return { a } })()",
        "nested more than 64 levels deep",
        "",
    ),
    "returns very many levels": no_json(
        "(() => { let a = 1; for (let i = 0; i < 1e5; i++) a = [a]; return { a } })()",
        'output "a" is not JSON: Maximum call stack size exceeded',
        "RangeError",
    ),
    "returns too much": Case(
        body="return { a: 'x'.repeat(1000) }",
        verdict=Verdict.OUTPUT_LIMIT,
        message="the answer has 1020 bytes; 1000 are allowed",
        limits=Limits(output_bytes=1000),
    ),
    "returns too much text that is not ASCII": Case(
        body="return { a: 'é'.repeat(500) }",
        verdict=Verdict.OUTPUT_LIMIT,
        message="the answer has 1020 bytes; 1000 are allowed",
        limits=Limits(output_bytes=1000),
    ),
    # ---- takes too long
    "loops": Case(
        body="for (;;);",
        verdict=Verdict.CPU_LIMIT,
        message="more CPU time than its limit of 300 ms",
        limits=Limits(cpu_ms=300),
    ),
    "goes back and forth in a regular expression": Case(
        body="/^(a+)+$/.test('a'.repeat(40) + '!')",
        verdict=Verdict.CPU_LIMIT,
        message="more CPU time than its limit of 300 ms",
        limits=Limits(cpu_ms=300),
    ),
    "parses for ever": Case(
        body="const t = '[' + '1,'.repeat(1e6) + '1]';\nfor (;;) JSON.parse(t)",
        verdict=Verdict.CPU_LIMIT,
        message="more CPU time than its limit of 300 ms",
        limits=Limits(cpu_ms=300, memory_mb=256),
    ),
    "waits for promises for ever": Case(
        body="for (;;) await null",
        verdict=Verdict.CPU_LIMIT,
        message="more CPU time than its limit of 300 ms",
        limits=Limits(cpu_ms=300),
    ),
    "ticks for ever": Case(
        body=f"(function tick() {{ process.nextTick(tick) }})();\n{FOREVER}",
        verdict=Verdict.CPU_LIMIT,
        message="more CPU time than its limit of 300 ms",
        limits=Limits(cpu_ms=300),
    ),
    "computes keys for ever in another thread": Case(
        body="await new Promise((r) => require('crypto').pbkdf2('a', 'b', 2 ** 31 - 1, 64, 'sha512', r))",
        verdict=Verdict.CPU_LIMIT,
        message="more CPU time than its limit of 300 ms",
        limits=Limits(cpu_ms=300),
    ),
    "runs an endless WebAssembly": Case(
        body="""
        const bytes = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0,
          10, 9, 1, 7, 0, 3, 64, 12, 0, 11, 11];
        new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes))).exports.f();
        """,
        verdict=Verdict.CPU_LIMIT,
        message="more CPU time than its limit of 300 ms",
        limits=Limits(cpu_ms=300),
    ),
    "waits for shared memory": Case(
        body="Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
        verdict=Verdict.TIMEOUT,
        message="the code ran longer than its limit of 400 ms",
        limits=SHORT,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_code_that(case: Case, sandbox: Sandbox) -> None:
    outcome = run_main(sandbox, case.body, case.limits)
    told = fault(outcome)
    assert outcome.verdict is case.verdict, told
    assert case.message in told.message
    assert len(told.message) <= 4000
    assert (told.type, told.line) == (case.type, case.line)
    assert outcome.outputs == {}


# value -> what arrives; as JSON.stringify has it
FIT = {
    "{}": {},
    "{ a: NaN, b: -Infinity, z: -0 }": {"a": None, "b": None, "z": 0},
    "{ u: undefined, f() {}, s: Symbol('x'), [Symbol('k')]: 1 }": {},
    "{ a: [undefined, () => 1, , 2] }": {"a": [None, None, None, 2]},
    "{ m: new Map([[1, 2]]), s: new Set([1]), d: new Date(0), r: /x/ }": {
        "m": {},
        "s": {},
        "d": "1970-01-01T00:00:00.000Z",
        "r": {},
    },
    "{ b: Buffer.from('a'), u: new Uint8Array(2) }": {
        "b": {"type": "Buffer", "data": [97]},
        "u": {"0": 0, "1": 0},
    },
    "{ s: new String('x'), n: new Number(1), b: new Boolean(false) }": {"s": "x", "n": 1, "b": False},
    "new (class { x = 1; #y = 2; get z() { return 3 } })()": {"x": 1},
    "Object.assign(Object.create(null), { a: 1 })": {"a": 1},
    "Object.freeze({ a: 1 })": {"a": 1},
    "new Proxy({ a: 1 }, {})": {"a": 1},
    "{ toJSON: () => ({ b: 1 }) }": {"b": 1},
    """JSON.parse('{"__proto__": {"x": 1}, "constructor": 2, "toString": 3}')""": {
        "__proto__": {"x": 1},
        "constructor": 2,
        "toString": 3,
    },
    "{ then: (resolve) => { resolve({ a: 1 }); resolve({ a: 2 }) } }": {"a": 1},
    "Promise.resolve({ a: Promise.resolve(1) })": {"a": {}},
    "{ a: 2 ** 53 + 2, b: 5e-324, c: 1e21 }": {"a": 2**53 + 2, "b": 5e-324, "c": 1e21},
    "{ a: '\\u2028\\u0000\\ud83d\\ude00' }": {"a": "\u2028\0😀"},
}


@pytest.mark.parametrize("value", FIT)
def test_an_answer_is_what_json_makes_of_it(sandbox: Sandbox, value: str) -> None:
    outcome = run_main(sandbox, f"return {value}")
    assert outcome.verdict is Verdict.SUCCEEDED, outcome.fault
    assert outcome.outputs == FIT[value]


def test_an_answer_of_64_levels_and_of_the_largest_size(sandbox: Sandbox) -> None:
    body = "let a = 1; for (let i = 0; i < 63; i++) a = [a]; return { a }"
    assert run_main(sandbox, body).verdict is Verdict.SUCCEEDED
    body = 'return { a: \'x\'.repeat(1000 - \'{"outputs":{"a":""}}\'.length) }'
    assert run_main(sandbox, body, Limits(output_bytes=1000)).verdict is Verdict.SUCCEEDED
    assert run_main(sandbox, body, Limits(output_bytes=999)).verdict is Verdict.OUTPUT_LIMIT


# What is left behind when main has returned, and what the code handles itself: neither delays nor spoils.
LEFT = {
    "Promise.reject(new Error('floating'))": "",
    "setTimeout(() => { throw new Error('late') }, 60000)": "",
    "setInterval(() => {}, 1)": "",
    "process.on('exit', () => { throw new Error('at exit') })": "",
    "process.exitCode = 3": "",
    "require('net').createServer()": "",
    "queueMicrotask(() => new Promise(() => {}))": "",
    "Promise.reject(new Error('fl')); await sleep(5)": "Unhandled rejection: Error: fl (line 3)\n",
    "Promise.reject(null); await sleep(5)": "Unhandled rejection: null: the code threw null\n",
    "process.on('unhandledRejection', () => {}); Promise.reject(1); await sleep(5)": "",
    "process.on('uncaughtException', () => {}); setTimeout(() => { throw 1 }); await sleep(5)": "",
    "process.setUncaughtExceptionCaptureCallback(() => {}); setTimeout(() => throws()); await sleep(5)": "",
    "const p = Promise.reject(1); p.catch(() => {}); await sleep(5)": "",
}


@pytest.mark.parametrize("body", LEFT)
def test_what_is_left_behind_spoils_nothing(sandbox: Sandbox, body: str) -> None:
    sleep = "const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));\n"
    outcome = run_main(sandbox, f"{sleep}{body};\nreturn {{ a: 1 }}", Limits(wall_ms=2000))
    assert outcome.verdict is Verdict.SUCCEEDED, outcome.fault
    assert (outcome.outputs, outcome.stdout, outcome.stderr) == ({"a": 1}, "", LEFT[body])


def test_a_node_may_settle_what_it_waits_for_when_nothing_else_is_left(sandbox: Sandbox) -> None:
    body = "return new Promise((r) => process.once('beforeExit', () => setTimeout(() => r({ a: 1 }))))"
    assert run_main(sandbox, body).outputs == {"a": 1}
