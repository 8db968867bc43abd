"""Any text is answered: large, deep, broken or hostile."""

import subprocess
import sys
import warnings

import pytest
from cellblock_producer.check import MAX_FINDINGS, Finding, FindingKind, check
from cellblock_producer.contract import MAX_CODE_BYTES, Language, Mode
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.check.cases import JAVASCRIPT, PYTHON

BOTH = list(Language)
DEEP = {
    "parentheses": "(" * 10_000,
    "closed parentheses": "(" * 10_000 + ")" * 10_000,
    "brackets": "[" * 10_000,
    "braces": "{" * 10_000,
    "negations": "-" * 10_000 + "1",
    "attributes": "a" + ".b" * 10_000,
    "a few attributes": "a" + ".b" * 900,
    "calls": "f" + "()" * 10_000,
    "a few calls": "import os\nos" + ".remove()" * 400,
    "sums": "1" + "+1" * 10_000,
    "lambdas": "lambda:" * 10_000 + "1",
    "arrows": "x=>" * 10_000 + "1",
    "functions": "function f(){" * 5_000 + "}" * 5_000,
    "blocks": "{let a;" * 5_000 + "}" * 5_000,
    "ifs": "if(a)" * 10_000 + ";",
    "elifs": "if a:pass\n" + "elif a:pass\n" * 5_000,
    "templates": "`${" * 10_000,
    "names of names": "".join(f"a{i} = a{i + 1}\na{i} = a{i + 2}\n" for i in range(3_000)) + "a0()",
    "itself": "a = a\nb = c\nc = b\na()\nb()\na.x()",
    "digits": "1" * 10_000,
    "null": "\0",
    "line ends": "a\r\nb\rc\u2028d\x0ce",
}
WORDS = [word for case in (*PYTHON.values(), *JAVASCRIPT.values()) for word in case.code.split(" ")]
PARTS = st.lists(st.sampled_from([*WORDS, "\n", "\n    "]), max_size=60).map(" ".join)


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize("code", DEEP.values(), ids=DEEP.keys())
def test_what_is_deep_is_answered(code: str, language: Language) -> None:
    assert len(check(code, language)) <= MAX_FINDINGS


@pytest.mark.parametrize("code", ["-" * 5_000 + "1", "a" + ".b" * 5_000])
def test_python_too_deep_to_parse_is_one_finding(code: str) -> None:
    (finding,) = check(code, Language.PYTHON3)
    assert (finding.kind, finding.message) == (FindingKind.SYNTAX_ERROR, "the code is nested too deep")


@pytest.mark.parametrize("language", BOTH)
def test_what_is_too_large_for_a_job_is_one_finding(language: Language) -> None:
    (finding,) = check("#" * (MAX_CODE_BYTES + 1), language)
    assert (finding.kind, finding.what, finding.certain) == (FindingKind.REFUSED, "size", True)


@pytest.mark.parametrize("language", BOTH)
def test_a_lone_surrogate_is_one_finding(language: Language) -> None:
    (finding,) = check("a = '\ud800'", language)
    assert finding.kind is FindingKind.SYNTAX_ERROR


def test_the_first_of_many_findings_stand() -> None:
    findings = check("import os\nos.fork()\n" * 1_000, Language.PYTHON3, Mode.SCRIPT)
    assert len(findings) == MAX_FINDINGS
    assert findings[0].line == 2
    assert [one.line for one in findings] == sorted(one.line for one in findings)


def test_odd_escapes_warn_nobody() -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert check(r"def main(): return {'a': '\d'}", Language.PYTHON3) == ()
    assert warned == []


@settings(max_examples=300, deadline=None)
@given(code=st.text() | PARTS, language=st.sampled_from(BOTH), mode=st.sampled_from(list(Mode)))
def test_any_text_is_answered(code: str, language: Language, mode: Mode) -> None:
    findings = check(code, language, mode, inputs=["a"])
    lines = code.count("\n") + code.count("\r") + code.count("\x0c") + 1
    assert all(isinstance(one, Finding) and one.line <= lines + 1 for one in findings)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), language=st.sampled_from(BOTH))
def test_code_that_is_cut_or_stirred_is_answered(data: st.DataObject, language: Language) -> None:
    cases = PYTHON if language is Language.PYTHON3 else JAVASCRIPT
    code = data.draw(st.sampled_from(sorted(case.code for case in cases.values())))
    start, end = (data.draw(st.integers(0, len(code))) for _ in range(2))
    check(code[:start] + code[end:], language)


def test_nothing_of_the_code_happens() -> None:
    look = (
        "import sys\n"
        "from cellblock_producer.check import check\n"
        "from cellblock_producer.contract import Language\n"
        "events = []\n"
        "check('', Language.PYTHON3), check('', Language.NODEJS)\n"
        "sys.addaudithook(lambda event, given: events.append(event))\n"
        "check('import this, socket\\nsocket.socket()\\nprint(1)', Language.PYTHON3)\n"
        'check(\'require("fs").rmSync("x"); console.log(1)\', Language.NODEJS)\n'
        "seen = set(events) - {'object.__getattr__'}\n"
        "sys.exit(f'{seen}' if seen - {'compile'} or 'this' in sys.modules else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
