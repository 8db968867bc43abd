"""What the author of a node sees when it fails: the node's own lines, and nothing of ours."""

import os
import sys
from pathlib import Path

import cellblock_sandbox
import pytest
from cellblock_sandbox import Mode, Program, Sandbox, Verdict

from tests.sandbox.running import fault, run

OURS = (str(Path(cellblock_sandbox.__file__).parent), str(Path(os.__file__).parent), sys.prefix)


@pytest.mark.parametrize(
    "code",
    [
        "def main(): return helper()\ndef helper(): raise ValueError('so')",
        "def main():\n    import json\n    json.loads('{')",
        "import jinja2\ndef main(): return {'a': jinja2.Template('{{ x.y.z }}').render()}",
        "def main():\n    from json import nothing",
        "def main():\n    import asyncio\n    async def f(): raise ValueError\n    asyncio.run(f())",
        "def main():\n    try: 1 / 0\n    except Exception as e: raise KeyError('x') from e",
        "def main():\n    raise ExceptionGroup('g', [ValueError(1), TypeError(2)])",
        "from concurrent.futures import ThreadPoolExecutor as Pool\ndef main():\n"
        "    with Pool() as p: p.submit(lambda: 1 / 0).result()",
        "def main(): open('/etc/passwd')",
        "def main(a): pass",
        "x = 1 / 0",
        "def main(:",
    ],
)
def test_no_path_of_ours_is_shown(sandbox: Sandbox, code: str) -> None:
    outcome = run(sandbox, code)
    told = fault(outcome)
    text = told.message + told.traceback + outcome.stdout + outcome.stderr
    assert not [path for path in OURS if path in text], text


def test_the_traceback_has_the_nodes_lines(sandbox: Sandbox) -> None:
    code = """\
    def half(x):
        return x / 0  # here

    def main(a):
        return {"r": half(a)}
    """
    told = fault(run(sandbox, code, a=1))
    lines = told.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == '  File "node.py", line 5, in main'
    assert lines[2] == '    return {"r": half(a)}'
    assert '  File "node.py", line 2, in half' in lines
    assert "    return x / 0  # here" in lines
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert told.line == 2


def test_a_syntax_error_names_its_line(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "x = 1\ndef main(:\n    pass")
    assert outcome.verdict is Verdict.SYNTAX_ERROR
    assert (fault(outcome).line, fault(outcome).type) == (2, "SyntaxError")
    assert "def main(:" in fault(outcome).traceback


@pytest.mark.parametrize("code", ["x = '\0'", "(" * 500, "-" * 100_000 + "1", "def main():\nreturn 1"])
def test_code_that_does_not_compile(sandbox: Sandbox, code: str) -> None:
    outcome = run(sandbox, code)
    assert outcome.verdict in (Verdict.SYNTAX_ERROR, Verdict.MEMORY_LIMIT)


@pytest.mark.parametrize("code", ["", "main = 3", "def Main(): return {}"])
def test_a_missing_main_is_said_so(sandbox: Sandbox, code: str) -> None:
    outcome = run(sandbox, code)
    assert outcome.verdict is Verdict.CODE_ERROR
    assert fault(outcome).message == "the code defines no function main"


def test_wrong_arguments_are_told_with_the_inputs(sandbox: Sandbox) -> None:
    told = fault(run(sandbox, "\ndef main(a, b): return {}", a=1, c=2))
    assert told.message == "main() got an unexpected keyword argument 'c' (the inputs are: a, c)"
    assert (told.type, told.line) == ("TypeError", 2)


def test_a_type_error_within_main_is_its_own(sandbox: Sandbox) -> None:
    told = fault(run(sandbox, "def main(a):\n    return a()", a=1))
    assert (told.message, told.line) == ("'int' object is not callable", 2)


def test_a_caught_refusal_is_no_fault(sandbox: Sandbox) -> None:
    code = """\
    def main():
        try:
            open("/etc/passwd")
        except OSError:
            return {"r": "no"}
    """
    assert run(sandbox, code).outputs == {"r": "no"}


def test_an_error_after_a_caught_refusal_is_not_called_blocked(sandbox: Sandbox) -> None:
    code = """\
    def main():
        try:
            open("/etc/passwd")
        except OSError:
            return {"r": {}["x"]}
    """
    assert run(sandbox, code).verdict is Verdict.CODE_ERROR


def test_code_does_not_appear_in_the_repr_of_what_holds_it(sandbox: Sandbox) -> None:
    program = Program(code="def main(): return {'a': 'hidden'}", mode=Mode.MAIN)
    outcome = sandbox.run(program)
    assert outcome.outputs == {"a": "hidden"}
    assert "hidden" not in repr(program) + repr(outcome)
