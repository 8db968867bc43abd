"""What is told as certain, against real cells and programs that nobody wrote."""

from textwrap import indent

from cellblock_producer.check import check
from cellblock_producer.contract import Language, Mode
from cellblock_sandbox import Mode as CellMode
from cellblock_sandbox import Sandbox, Verdict
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.sandbox.running import run

HEAD = "import os, sys, subprocess, asyncio\nfrom contextlib import suppress\nfrom pathlib import Path\n"
REFUSED = (
    *("os.remove('/x')", "open('/x', 'w')", "os.fork()", "subprocess.run(['ls'])", "Path('/x').touch()"),
    *("x = os.mkdir('/x')", "getattr(os, 'fork')()", "y = [open('/x', 'a')]", "helper()", "other()"),
    *("print(os.fork() if a else 1)", "a and os.fork()", "[os.fork() for _ in range(a)]"),
    *("f = lambda: os.fork()", "f()", "(lambda: os.fork())", "def inner(): os.fork()", "inner()"),
    *("a < 0 < os.fork()", "assert not a, os.fork()", "with open('/x', 'w') as x: pass"),
    *("asyncio.run(reach())", "reach()", "x = input()", "class K: y = os.fork()", "g = gen()"),
)
HARMLESS = (
    *("pass", "a = 0", "a = 1", "return {}", "b = a", "global a", "os = None", "open = print", "del a"),
    *("os.remove = print", "def open(*x): pass", "import json as os", "sys.exit(0)", "def helper(): pass"),
    *("raise OSError", "for os in (): pass", "from json import load as open", "break_ = 1", "x = eval('1')"),
)
TAIL = """
def other():
    if not globals_: return
    os.fork()
globals_ = 0
async def reach():
    await asyncio.create_subprocess_exec('ls')
def gen():
    yield os.fork()
"""

line = st.sampled_from(REFUSED) | st.sampled_from(HARMLESS)


def nested(blocks: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def block(head: str) -> st.SearchStrategy[str]:
        return blocks.map(lambda body: f"{head}\n{indent(body, '    ')}")

    heads = (
        *("if a:", "if not a:", "for i in range(a):", "while a:\n    a = 0", "with suppress(OSError):"),
        *("def helper():", "class A:", "if __name__ == '__main__':", "for i in []:", "while False:"),
    )
    tries = blocks.flatmap(
        lambda body: st.sampled_from(
            (
                "except OSError:\n    pass",
                "finally:\n    return {}",
                "except ValueError:\n    pass",
                "except* OSError:\n    pass",
                "except OSError:\n    return {}",
            )
        ).map(lambda end: f"try:\n{indent(body, '    ')}\n{end}")
    )
    parts = st.one_of(line, tries, *map(block, heads))
    return st.lists(parts, min_size=1, max_size=4).map("\n".join)


blocks = st.recursive(line, nested, max_leaves=8)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(top=blocks, helper=blocks, main=blocks, mode=st.sampled_from(list(Mode)))
def test_a_program_with_a_certain_finding_never_succeeds(
    sandbox: Sandbox, top: str, helper: str, main: str, mode: Mode
) -> None:
    called = "\nmain(0)" if mode is Mode.SCRIPT else ""
    code = (
        f"{HEAD}{TAIL}\ndef helper(a=0):\n{indent(helper, '    ')}\ndef main(a=0):\n{indent(main, '    ')}\n"
    )
    code += top + called
    certain = [one for one in check(code, Language.PYTHON3, mode) if one.certain]
    event("certain" if certain else "not certain")
    if certain:
        outcome = run(sandbox, code, mode=CellMode(mode.value))
        assert outcome.verdict is not Verdict.SUCCEEDED, (code, certain)
