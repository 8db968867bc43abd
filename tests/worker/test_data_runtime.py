"""The runtime with numpy and pandas: off by default, on by one setting, and honest programs run in it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cellblock_sandbox import Limits, Program, Sandbox, Verdict
from cellblock_worker.runtimes import build
from cellblock_worker.settings import Settings, SettingsError

NAME = "python3-data"
TEXT = (Path(__file__).parents[1] / "sandbox" / "honest_data.txt").read_text()
# name -> inputs, outputs, code
PROGRAMS = {name: rest for name, *rest in (part.split("\n", 3) for part in TEXT.split("\n=== ")[1:])}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    settings = Settings.from_env({"CELLBLOCK_DATA_RUNTIME": "true"})
    with Sandbox(build(NAME, settings.runtimes[NAME])) as sandbox:
        yield sandbox


def test_it_is_off_by_default_and_joins_those_that_are_named() -> None:
    assert NAME not in Settings.from_env({}).runtimes
    given = {"CELLBLOCK_DATA_RUNTIME": "1", "CELLBLOCK_RUNTIMES": '{"python3": {}}'}
    assert set(Settings.from_env(given).runtimes) == {"python3", NAME}


def test_an_operator_may_make_it_otherwise() -> None:
    own = {NAME: {"language": "python3", "packages": "/opt/data"}}
    given = {"CELLBLOCK_DATA_RUNTIME": "1", "CELLBLOCK_RUNTIMES": json.dumps(own)}
    assert str(Settings.from_env(given).runtimes[NAME].packages) == "/opt/data"


def test_packages_are_lent_to_python_alone() -> None:
    with pytest.raises(SettingsError, match="packages"):
        Settings.from_env({"CELLBLOCK_RUNTIMES": '{"nodejs": {"distributions": ["numpy"]}}'})


@pytest.mark.parametrize("name", PROGRAMS)
def test_gives_its_answer(sandbox: Sandbox, name: str) -> None:
    inputs, outputs, code = PROGRAMS[name]
    outcome = sandbox.run(Program(code=code), json.loads(inputs), Limits(wall_ms=20_000))
    assert outcome.verdict is Verdict.SUCCEEDED, outcome.fault
    assert outcome.outputs == json.loads(outputs)


def test_nothing_else_of_the_workers_is_seen(sandbox: Sandbox) -> None:
    code = "def main(name):\n    import importlib\n    importlib.import_module(name)"
    for name in ("cellblock_worker", "celery", "redis", "pydantic", "pytest"):
        outcome = sandbox.run(Program(code=code), {"name": name})
        assert outcome.verdict is Verdict.CODE_ERROR
        assert outcome.fault is not None
        assert outcome.fault.type == "ModuleNotFoundError"


def test_what_numpy_would_do_to_files_is_refused(sandbox: Sandbox) -> None:
    for attempt in ("numpy.save('/x', [1])", "numpy.memmap('/x', mode='w+', shape=3)",
                    "pandas.DataFrame().to_csv('/x')", "pandas.read_csv('/etc/passwd')",
                    "pandas.read_csv('http://127.0.0.1:1/x')"):  # fmt: skip
        outcome = sandbox.run(Program(code=f"import numpy, pandas\ndef main():\n    {attempt}"))
        assert outcome.verdict is Verdict.BLOCKED, (attempt, outcome.fault)
