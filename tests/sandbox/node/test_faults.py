"""What the author of a JavaScript node sees when it fails: the node's own lines, and nothing of ours."""

from pathlib import Path

import cellblock_sandbox
import pytest
from cellblock_sandbox import Limits, Mode, Program, Sandbox, Verdict

from tests.sandbox.node.running import run_main
from tests.sandbox.running import fault, run

OURS = (str(Path(cellblock_sandbox.__file__).parent), "zygote.js", "harness.js", "cell.js")


@pytest.mark.parametrize(
    "body",
    [
        "throw new Error('x')",
        "null.x",
        "console.log(new Error('x')); console.trace('t'); throw new Error(new Error('y').stack)",
        "require('lodash')",
        "await import('lodash')",
        "require('fs').readFileSync('/etc/passwd')",
        "await new Promise((_, reject) => setTimeout(() => reject(new Error('x')), 1))",
        "await Promise.all([1].map(async () => { throw new Error('x') }))",
        "process.exit()",
        "await new Promise(() => {})",
        "return { toJSON() { throw new Error('x') } }",
        "setTimeout(() => { throw new Error('x') }); await new Promise(() => {})",
        "Promise.reject(new Error('x')); await new Promise((r) => setTimeout(r, 5)); throw new Error('y')",
        "Error.prepareStackTrace = (e, sites) => sites.map(String).join(); throw new Error('x')",
        "Error.stackTraceLimit = Infinity; throw new Error('x')",
        "const o = {}; Error.captureStackTrace(o); throw o",
    ],
)
def test_no_path_of_ours_is_shown(sandbox: Sandbox, body: str) -> None:
    outcome = run_main(sandbox, body)
    told = fault(outcome)
    text = told.message + told.traceback + outcome.stdout + outcome.stderr
    assert not [path for path in OURS if path in text], text


def test_the_traceback_has_the_nodes_lines(sandbox: Sandbox) -> None:
    code = """\
    function half(x) {
      return x.y.z; // here
    }

    async function main({ a }) {
      await null;
      const all = [a].map((x) => half(x));
      return { all };
    }
    """
    told = fault(run(sandbox, code, a=1))
    lines = [line.strip() for line in told.traceback.splitlines()]
    assert lines[0] == "TypeError: Cannot read properties of undefined (reading 'z')"
    assert [line.split(" (")[0] for line in lines[1:]] == ["at half", "at node.js:7:30", "at main"]
    assert lines[1] == "at half (node.js:2:14)"
    assert told.line == 2


def test_the_traceback_has_the_causes(sandbox: Sandbox) -> None:
    body = "throw new Error('outer', {\n cause: new AggregateError([new TypeError('inner')], 'both') })"
    told = fault(run_main(sandbox, body))
    titles = [line for line in told.traceback.splitlines() if not line.startswith("    at ")]
    assert titles == ["Error: outer", "caused by: AggregateError: both", "caused by: TypeError: inner"]
    assert told.line == 2


def test_an_error_without_frames_has_the_line_of_its_cause(sandbox: Sandbox) -> None:
    told = fault(run_main(sandbox, "await null;\nawait Promise.any([Promise.reject(new Error('a'))])"))
    assert (told.type, told.line) == ("AggregateError", 3)


def test_a_stack_of_any_length_is_cut(sandbox: Sandbox) -> None:
    body = "const e = new Error('first'); e.stack = 'x\\n'.repeat(5e6); throw e"
    told = fault(run_main(sandbox, body, Limits(memory_mb=64)))
    assert (told.message, told.line) == ("first", None)
    assert len(told.traceback) == 16_000


def test_causes_in_a_circle_end(sandbox: Sandbox) -> None:
    told = fault(run_main(sandbox, "const e = new Error('x'); e.cause = e; throw e"))
    assert told.traceback.count("Error: x") == 5


def test_a_message_that_reads_as_a_frame_gives_no_line(sandbox: Sandbox) -> None:
    told = fault(run_main(sandbox, "\n\n\nthrow new Error('a\\n    at evil (node.js:77:1)')"))
    assert (told.line, told.message) == (2, "a\n    at evil (node.js:77:1)")


@pytest.mark.parametrize(
    ("code", "message", "line"),
    [
        ("function main() {\n  return {a: };\n}", "Unexpected token '}'", 2),
        ("let x = 1;\nlet x = 2;", "Identifier 'x' has already been declared", 2),
        ("function main() {\n  return {a: 1};\n", "Unexpected end of input", 3),
        ("function main() {\n  return `x;\n}", "Unexpected end of input", 3),
        ("function main() {\n  return 'x;\n}", "Invalid or unexpected token", 2),
        ("function main() {}\n/* x", "Invalid or unexpected token", 2),
        ("function main() { return {} } } function x() {", "Unexpected token '}'", 1),
        ("function main() {\n  await f();\n}", "await is only valid in async functions", 2),
        ("\nawait 1;", "await is only valid in async functions and the top level bodies of modules", 2),
        ("\nimport fs from 'fs';", "Cannot use import statement outside a module", 2),
        ("\n\nexport function main() {}", "Unexpected token 'export'", 3),
        ("\nexport default { main() {} }", "Unexpected token 'export'", 2),
        ("const a = import.meta.url;", "Cannot use 'import.meta' outside a module", 1),
        ("'use strict';\nwith ({}) {}", "Strict mode code may not include a with statement", 2),
        ("function main(a: string) {}", "Unexpected token ':'", 1),
        ("def main(a):\n    return {}", "Unexpected identifier 'main'", 1),
        ("return 1 +", "Unexpected end of input", 1),
    ],
)
def test_a_syntax_error_names_its_line(sandbox: Sandbox, code: str, message: str, line: int) -> None:
    outcome = run(sandbox, code)
    told = fault(outcome)
    assert outcome.verdict is Verdict.SYNTAX_ERROR
    assert told.message.startswith(message)
    assert (told.line, told.type) == (line, "SyntaxError")
    assert f"node.js:{line}" in told.traceback
    assert "typeof main" not in told.traceback
    assert "sourceURL" not in told.traceback
    script = fault(run(sandbox, code, mode=Mode.SCRIPT))
    assert (script.message, script.line, script.traceback) == (told.message, line, told.traceback)


def test_code_that_is_nested_too_deep_does_not_compile(sandbox: Sandbox) -> None:
    outcome = sandbox.run(Program(code="[" * 50_000 + "]" * 50_000))
    assert outcome.verdict is Verdict.SYNTAX_ERROR
    assert fault(outcome).message == "Maximum call stack size exceeded"


@pytest.mark.parametrize(
    "code",
    [
        "function main() {\n\n  throw new Error('x');\n}",
        "function main() {\r\n\r\n  throw new Error('x');\r\n}",
        "function main() {\r\r  throw new Error('x');\r}",
        "\ufefffunction main() {\n\n  throw new Error('x');\n}",
        "function main() {\n\n  throw new Error('x');\n}\n//# sourceURL=another.js",
        "#!/usr/bin/env node\nfunction main() {\n  throw new Error('x');\n}",
        "function main() { /* \u2028 */\n  throw new Error('x');\n}",
        "'use strict';\nasync function main() {\n  throw new Error('x');\n}",
        "const main = async () => {\n  await null;\n  throw new Error('x');\n};",
        "const f = async () => {\n  await null;\n  throw new Error('x') };\nconst main = () => f();",
        "const main = () => new Promise((_, reject) => setTimeout(() =>\n\n  reject(new Error('x')), 1));",
        "\n\nthrow new Error('x');",
    ],
)
def test_the_line_is_the_codes_own(sandbox: Sandbox, code: str) -> None:
    told = fault(sandbox.run(Program(code=code)))
    assert (told.message, told.line) == ("x", 3)


@pytest.mark.parametrize("code", ["", "const main = 3", "let main", "function Main() {}", "// main"])
def test_a_missing_main_is_said_so(sandbox: Sandbox, code: str) -> None:
    outcome = run(sandbox, code)
    assert outcome.verdict is Verdict.CODE_ERROR
    assert fault(outcome).message == "the code defines no function main"


@pytest.mark.parametrize(
    "code",
    [
        "function main() { return { a: 1 } }",
        "async function main() { return { a: 1 } }",
        "const main = () => ({ a: 1 });",
        "let main = async () => ({ a: 1 })",
        "var main = (function () { return this }).bind({ a: 1 })",
        "const main = new Proxy(() => ({ a: 1 }), {});",
        "const { main } = { main() { return { a: 1 } } };",
        "const main = (() => ({ a: 1 })) // the end",
        "{ function main() { return { a: 1 } } }",
        "globalThis.main = () => ({ a: 1 });",
        "'use strict'; const main = () => ({ a: 1 });",
    ],
)
def test_main_may_be_written_in_many_ways(sandbox: Sandbox, code: str) -> None:
    assert run(sandbox, code).outputs == {"a": 1}


def test_a_class_is_no_main(sandbox: Sandbox) -> None:
    told = fault(run(sandbox, "class main {}"))
    assert (told.type, told.message) == (
        "TypeError",
        "Class constructor main cannot be invoked without 'new'",
    )


def test_inputs_are_the_codes_own_whatever_their_names(sandbox: Sandbox) -> None:
    inputs = {"__proto__": {"x": 1}, "constructor": 2, "toString": 3, "then": 4, "": 5, "é\u2028": 6}
    code = (
        "function main(inputs) { return { own: Object.getPrototypeOf(inputs) === Object.prototype, inputs } }"
    )
    outcome = sandbox.run(Program(code=code), inputs)
    assert outcome.outputs == {"own": True, "inputs": inputs}, outcome.fault
