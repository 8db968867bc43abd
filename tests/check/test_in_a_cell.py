"""What is told as certain, against real cells: no false alarms, and none missed in the tables."""

import json
from collections.abc import Iterator

import pytest
from cellblock_producer.check import FindingKind, check, refuses
from cellblock_producer.check.python.calls import CALLS
from cellblock_producer.check.python.table import AWAITED, SURELY
from cellblock_producer.contract import Language
from cellblock_sandbox import Sandbox, Verdict, nodejs_runtime

from tests.check.cases import JAVASCRIPT, PYTHON, SURE, Case, as_main
from tests.sandbox.running import fault, run
from tests.sandbox.test_honest_programs import PROGRAMS

LANGUAGES = {"python3": PYTHON, "nodejs": JAVASCRIPT}
CERTAIN = [
    pytest.param(language, case, id=f"{language}: {name}")
    for language, cases in LANGUAGES.items()
    for name, case in cases.items()
    if case.surely_fails
]
CLEAN = [
    pytest.param(language, case, id=f"{language}: {name}")
    for language, cases in LANGUAGES.items()
    for name, case in cases.items()
    if not case.findings
]


@pytest.fixture(scope="module")
def sandboxes(sandbox: Sandbox) -> Iterator[dict[str, Sandbox]]:
    with Sandbox(nodejs_runtime()) as nodejs:
        yield {"python3": sandbox, "nodejs": nodejs}


@pytest.mark.parametrize(("language", "case"), CERTAIN)
def test_what_is_certain_fails(language: str, case: Case, sandboxes: dict[str, Sandbox]) -> None:
    outcome = run(sandboxes[language], case.code, **case.inputs)
    assert outcome.verdict is not Verdict.SUCCEEDED


@pytest.mark.parametrize(("language", "case"), CLEAN)
def test_what_is_clean_succeeds(language: str, case: Case, sandboxes: dict[str, Sandbox]) -> None:
    outcome = run(sandboxes[language], case.code, **case.inputs)
    assert outcome.verdict is Verdict.SUCCEEDED, outcome.fault


@pytest.mark.parametrize("body", SURE)
def test_each_call_that_is_told_to_fail_does(body: str, sandbox: Sandbox) -> None:
    code = as_main(body)
    (finding,) = (one for one in check(code, Language.PYTHON3) if one.kind is not FindingKind.ADVICE)
    assert (finding.kind, finding.certain, finding.line) == (FindingKind.REFUSED, True, 2)
    outcome = run(sandbox, code)
    assert outcome.verdict is not Verdict.SUCCEEDED
    assert fault(outcome).type not in {"NameError", "AttributeError", "TypeError", "ModuleNotFoundError"}


def test_every_such_name_was_tried() -> None:
    tried = {one.what for body in SURE for one in check(as_main(body), Language.PYTHON3) if one.certain}
    never_sure = {"logging.basicConfig", "xml.etree.ElementTree.parse", "xml.dom.minidom.parse"}
    named = {name.removeprefix("builtins.") for name in (*SURELY, *AWAITED, *CALLS)}
    assert named - never_sure - tried == set()


@pytest.mark.parametrize("name", PROGRAMS)
def test_honest_programs_are_not_refused(name: str) -> None:
    inputs, _, code = PROGRAMS[name]
    findings = check(code, Language.PYTHON3, inputs=list(json.loads(inputs)))
    assert not refuses(findings), findings
