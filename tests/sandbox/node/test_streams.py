"""What JavaScript prints: captured as it comes, kept over a kill, cut at its limit; and scripts."""

import pytest
from cellblock_sandbox import Limits, Mode, Sandbox, Verdict

from tests.sandbox.node.running import run_main
from tests.sandbox.running import SHORT, fault, run


def test_prints_are_no_part_of_the_answer(sandbox: Sandbox) -> None:
    body = """
    console.log('out', 1, { a: [1, 'x'] });
    console.error('err %d', 5);
    console.warn('w'); console.info('i'); console.debug('d');
    console.table([{ a: 1 }]);
    process.stdout.write('raw\\n');
    console.log(JSON.stringify({ outputs: { b: 2 } }));
    return { a: 1 };
    """
    outcome = run_main(sandbox, body)
    assert outcome.outputs == {"a": 1}
    table = ["┌─────────┬───┐", "│ (index) │ a │", "├─────────┼───┤", "│ 0       │ 1 │", "└─────────┴───┘"]
    out = ["out 1 { a: [ 1, 'x' ] }", "i", "d", *table, "raw", '{"outputs":{"b":2}}']
    assert outcome.stdout.splitlines() == out
    assert outcome.stderr.splitlines() == ["err 5", "w"]
    assert not outcome.stdout_truncated
    assert not outcome.stderr_truncated


@pytest.mark.parametrize(
    "end",
    [
        "for (;;);",
        "await new Promise((r) => setTimeout(r, 60000))",
        "process.kill(process.pid, 'SIGKILL')",
        "process.abort()",
        "process.exit()",
        "await new Promise(() => {})",
        "null.x",
    ],
)
def test_prints_before_the_end_survive(sandbox: Sandbox, end: str) -> None:
    outcome = run_main(sandbox, f"console.log('one');\nprocess.stdout.write('two');\n{end}", SHORT)
    assert outcome.verdict is not Verdict.SUCCEEDED
    assert outcome.stdout == "one\ntwo"


def test_prints_are_cut_and_flagged(sandbox: Sandbox) -> None:
    body = "console.log('x'.repeat(5000)); console.error('y'.repeat(10)); return { a: 1 }"
    outcome = run_main(sandbox, body, Limits(output_bytes=1000))
    assert outcome.outputs == {"a": 1}
    assert (outcome.stdout, outcome.stdout_truncated) == ("x" * 1000, True)
    assert (outcome.stderr, outcome.stderr_truncated) == ("y" * 10 + "\n", False)


def test_three_megabytes_do_not_hang(sandbox: Sandbox) -> None:
    outcome = run_main(sandbox, "console.log('x'.repeat(3e6)); return { a: 1 }")
    assert (outcome.outputs, outcome.stdout_truncated, len(outcome.stdout)) == ({"a": 1}, True, 1 << 20)


def test_many_prints_arrive_whole(sandbox: Sandbox) -> None:
    outcome = run_main(sandbox, "for (let i = 0; i < 20000; i++) console.log(i); return {}")
    assert outcome.stdout.split() == [str(i) for i in range(20_000)]


def test_a_large_print_arrives_whole(sandbox: Sandbox) -> None:
    assert run_main(sandbox, "console.log('é'.repeat(300000)); return {}").stdout == "é" * 300_000 + "\n"


def test_a_descriptor_that_does_not_wait_loses_nothing(sandbox: Sandbox) -> None:
    body = """
    new (require('net').Socket)({ fd: 1, readable: false }).unref();
    for (let i = 0; i < 9; i++) process.stdout.write('x'.repeat(100000));
    return { a: 1 };
    """
    outcome = run_main(sandbox, body)
    assert (outcome.outputs, len(outcome.stdout)) == ({"a": 1}, 900_000), outcome.fault


def test_bytes_and_encodings(sandbox: Sandbox) -> None:
    body = """
    process.stdout.write('61ff', 'hex');
    process.stdout.write('Yg==', 'base64');
    process.stdout.write(Buffer.from('é'));
    process.stdout.write(new Uint8Array([65]));
    console.log('\\ud800');
    return {};
    """
    assert run_main(sandbox, body).stdout == "a\ufffdbéA\ufffd\n"


def test_the_streams_are_streams(sandbox: Sandbox) -> None:
    body = """
    const { stdout, stderr } = process;
    const called = await new Promise((resolve) => stdout.write('a', resolve));
    const full = !stderr.write('x'.repeat(1e6));
    const { Readable, promises } = require('stream');
    await promises.pipeline(Readable.from(['b', 'c']), stdout, { end: false });
    new console.Console(stdout, stderr).log('d');
    stdout.cork(); stdout.write('e'); stdout.uncork();
    await new Promise((resolve) => stdout.end('f', resolve));
    console.log('after the end');
    const [fds, tty] = [[stdout.fd, stderr.fd], stdout.isTTY ?? false];
    return { called: called ?? null, full, fds, tty };
    """
    outcome = run_main(sandbox, body)
    assert outcome.outputs == {"called": None, "full": False, "fds": [1, 2], "tty": False}, outcome.fault
    assert (outcome.stdout, len(outcome.stderr)) == ("abcd\nef", 1_000_000)


def test_what_throws_in_a_hook_is_told(sandbox: Sandbox) -> None:
    body = """
    const { createHook } = require('async_hooks');
    createHook({ init() { throw new Error('of a hook') } }).enable();
    await new Promise((resolve) => setTimeout(resolve, 1));
    """
    outcome = run_main(sandbox, body)
    assert outcome.verdict is Verdict.CODE_ERROR
    assert outcome.stderr.startswith("Error: of a hook\n    at AsyncHook.init (node.js:3:")


def test_files_by_their_descriptor_are_the_streams(sandbox: Sandbox) -> None:
    body = "const fs = require('fs'); fs.writeSync(1, 'out'); fs.writeFileSync(2, 'err'); return {}"
    outcome = run_main(sandbox, body)
    assert (outcome.stdout, outcome.stderr) == ("out", "err")


@pytest.mark.parametrize(
    "read",
    [
        "for await (const part of process.stdin) t += part",
        "t = require('fs').readFileSync(0, 'utf8')",
        "await new Promise((resolve) => process.stdin.on('data', (d) => { t += d }).on('end', resolve))",
        "for await (const line of require('readline').createInterface({ input: process.stdin })) t += line",
    ],
)
def test_there_is_nothing_to_read(sandbox: Sandbox, read: str) -> None:
    assert run_main(sandbox, f"let t = '';\n{read};\nreturn {{ t }}").outputs == {"t": ""}


def test_prints_of_the_top_level_of_timers_and_of_exit_handlers_are_captured(sandbox: Sandbox) -> None:
    code = """\
    console.log('top');
    process.on('exit', () => console.log('exit'));
    setTimeout(() => console.log('timer'), 1);
    function main() { return new Promise(() => {}); }
    """
    assert run(sandbox, code).stdout == "top\ntimer\nexit\n"


# script -> exit code, verdict, what it printed
SCRIPTS = {
    "console.log('hi')": (0, Verdict.SUCCEEDED, "hi\n"),
    "console.log(1); return; console.log(2)": (0, Verdict.SUCCEEDED, "1\n"),
    "setTimeout(() => console.log('t'), 5); Promise.resolve().then(() => console.log('p'));": (
        0,
        Verdict.SUCCEEDED,
        "p\nt\n",
    ),
    "(async () => { for await (const x of [1, 2]) console.log(x) })()": (0, Verdict.SUCCEEDED, "1\n2\n"),
    "import('node:path').then((path) => console.log(path.sep))": (0, Verdict.SUCCEEDED, "/\n"),
    "new Promise(() => {})": (0, Verdict.SUCCEEDED, ""),
    "function main() { console.log('never called') }": (0, Verdict.SUCCEEDED, ""),
    "process.on('exit', (code) => console.log('exit', code))": (0, Verdict.SUCCEEDED, "exit 0\n"),
    "process.once('beforeExit', () => setTimeout(() => console.log('more')))": (
        0,
        Verdict.SUCCEEDED,
        "more\n",
    ),
    "Promise.reject(new Error('r')).catch(() => {})": (0, Verdict.SUCCEEDED, ""),
    "process.on('unhandledRejection', (e) => console.log(e)); Promise.reject(5)": (
        0,
        Verdict.SUCCEEDED,
        "5\n",
    ),
    "process.on('uncaughtException', (e) => console.log(e)); throw 5": (0, Verdict.SUCCEEDED, "5\n"),
    "process.on('uncaughtException', (e) => console.log(e)); setTimeout(() => { throw 5 })": (
        0,
        Verdict.SUCCEEDED,
        "5\n",
    ),
    "process.exit(0)": (0, Verdict.SUCCEEDED, ""),
    "console.log('a'); process.exit(3); console.log('b')": (3, Verdict.CODE_ERROR, "a\n"),
    "process.exitCode = 3": (3, Verdict.CODE_ERROR, ""),
    "process.exitCode = 3; process.exit()": (3, Verdict.CODE_ERROR, ""),
    "process.on('exit', () => { process.exitCode = 9 })": (9, Verdict.CODE_ERROR, ""),
    "setTimeout(() => process.exit(4))": (4, Verdict.CODE_ERROR, ""),
    "process.exit(-1)": (255, Verdict.CODE_ERROR, ""),
    "process.exit(256)": (0, Verdict.SUCCEEDED, ""),
    "process.exit('5')": (5, Verdict.CODE_ERROR, ""),
    "console.log('a'); throw new Error('e')": (1, Verdict.CODE_ERROR, "a\n"),
    "setTimeout(() => { throw new Error('e') })": (1, Verdict.CODE_ERROR, ""),
    "Promise.reject(new Error('r'))": (1, Verdict.CODE_ERROR, ""),
    "(async () => { await null; throw new Error('r') })()": (1, Verdict.CODE_ERROR, ""),
    "process.on('exit', () => { throw new Error('e') })": (1, Verdict.CODE_ERROR, ""),
    "let x = ;": (1, Verdict.SYNTAX_ERROR, ""),
    "await 1": (1, Verdict.SYNTAX_ERROR, ""),
    "require('fs').readFileSync('/x')": (1, Verdict.BLOCKED, ""),
    "process.kill(process.pid, 'SIGKILL')": (-9, Verdict.CRASHED, ""),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_an_exit_code(sandbox: Sandbox, script: str) -> None:
    outcome = run(sandbox, script, mode=Mode.SCRIPT)
    assert (outcome.exit_code, outcome.verdict, outcome.stdout) == SCRIPTS[script], outcome.fault
    assert outcome.outputs == {}


def test_a_script_tells_how_it_exited(sandbox: Sandbox) -> None:
    told = fault(run(sandbox, "\nprocess.exit(3)", mode=Mode.SCRIPT))
    assert (told.message, told.type, told.line) == ("the code exited: 3", "process.exit", 2)
    told = fault(run(sandbox, "\nPromise.reject(new RangeError('r'))", mode=Mode.SCRIPT))
    assert (told.message, told.type, told.line) == ("r", "RangeError", 2)


def test_a_script_that_goes_on_for_ever(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "setInterval(() => {}, 10)", mode=Mode.SCRIPT, limits=SHORT)
    assert outcome.verdict is Verdict.TIMEOUT


def test_a_script_that_prints_too_much_has_no_answer(sandbox: Sandbox) -> None:
    limits = Limits(output_bytes=1000)
    outcome = run(sandbox, "console.log('x'.repeat(2000))", mode=Mode.SCRIPT, limits=limits)
    assert outcome.verdict is Verdict.OUTPUT_LIMIT
    assert fault(outcome).message == "the script printed more than its limit of 1000 bytes"
    assert outcome.stdout == "x" * 1000
