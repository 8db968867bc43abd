"""The library's one function and its parameters."""

import subprocess
import sys

import pytest
from cellblock_producer.check import Finding, FindingKind, check, refuses
from cellblock_producer.contract import Language, Mode
from pydantic import ValidationError

NUMPY = "import numpy\ndef main(): return {}"
LODASH = "const _ = require('lodash/fp'), z = require('@scope/zod/v4');\nfunction main() { return {}; }"


def test_a_finding_speaks_as_a_result_does() -> None:
    (finding,) = check("import os\ndef main():\n    os.fork()", Language.PYTHON3)
    assert finding == Finding(
        kind=FindingKind.REFUSED,
        what="os.fork",
        line=3,
        column=5,
        message="starts another process (os.fork), which a code node may not do",
        certain=True,
    )


def test_a_finding_is_frozen_and_goes_into_json() -> None:
    (finding,) = check("", Language.PYTHON3)
    assert finding.model_dump(mode="json")["kind"] == "no_main"
    with pytest.raises(ValidationError):
        finding.line = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("code", "language", "packages"),
    [(NUMPY, Language.PYTHON3, {"numpy"}), (LODASH, Language.NODEJS, {"lodash", "@scope/zod"})],
)
def test_a_named_runtime_may_have_more_packages(code: str, language: Language, packages: set[str]) -> None:
    missing = check(code, language)
    assert {one.what for one in missing} == packages
    assert all(one.kind is FindingKind.REFUSED and not one.certain for one in missing)
    assert check(code, language, packages=packages) == ()


@pytest.mark.parametrize("language", list(Language))
def test_a_script_needs_no_main(language: Language) -> None:
    assert [one.kind for one in check("1", language)] == [FindingKind.NO_MAIN]
    assert check("1", language, Mode.SCRIPT) == ()


def test_a_script_is_run_behind_its_guard() -> None:
    (finding,) = check("if __name__ == '__main__':\n    input()", Language.PYTHON3, Mode.SCRIPT)
    assert finding.certain


def test_in_a_script_that_may_leave_nothing_is_certain() -> None:
    code = "import sys, os\ndef done(): sys.exit(0)\ndone()\nos.fork()"
    assert not any(one.certain for one in check(code, Language.PYTHON3, Mode.SCRIPT))


def test_unknown_inputs_are_not_judged() -> None:
    assert check("def main(a, /): return {}", Language.PYTHON3) == ()


def test_advice_refuses_nothing() -> None:
    advice = check("import socket\ndef main(): return {}", Language.PYTHON3)
    assert [one.kind for one in advice] == [FindingKind.ADVICE]
    assert not refuses(advice)
    assert refuses(check("", Language.PYTHON3))


def test_without_the_extra_python_works_and_javascript_says_what_to_install() -> None:
    look = (
        "import sys\n"
        "sys.modules['tree_sitter'] = sys.modules['tree_sitter_javascript'] = None\n"
        "from cellblock_producer.check import CheckUnavailable, check\n"
        "from cellblock_producer.contract import Language\n"
        "assert check('def main(): return {}', Language.PYTHON3) == ()\n"
        "try: check('', Language.NODEJS)\n"
        "except CheckUnavailable as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "the parser of JavaScript is not installed; install cellblock-producer[check]\n"


def test_an_engine_that_only_submits_does_not_load_it() -> None:
    look = "import cellblock_producer, sys; print([n for n in sys.modules if 'check' in n or 'tree_s' in n])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert "cellblock_producer.check" not in done.stdout
    assert "tree_sitter" not in done.stdout
