"""What a check finds, and where."""

import pytest
from cellblock_producer.check import check
from cellblock_producer.contract import Language

from tests.check.cases import JAVASCRIPT, PYTHON, Case


def found(case: Case, language: Language) -> list[list[object]]:
    findings = check(case.code, language, inputs=list(case.inputs))
    return [[one.line, one.column, str(one.kind), one.what, one.certain] for one in findings]


@pytest.mark.parametrize("case", PYTHON.values(), ids=PYTHON.keys())
def test_python(case: Case) -> None:
    assert found(case, Language.PYTHON3) == case.findings


@pytest.mark.parametrize("case", JAVASCRIPT.values(), ids=JAVASCRIPT.keys())
def test_javascript(case: Case) -> None:
    assert found(case, Language.NODEJS) == case.findings
