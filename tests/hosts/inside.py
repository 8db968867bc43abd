"""What is run on each host: `python -m tests.hosts.inside FORM FOLDER`; its last line says what came of it.

FORM is one of `tests.escape.host`, which takes something away first, or another word; FOLDER takes files.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass, field

import pytest
from cellblock_sandbox import Runtime, Sandbox, SandboxError, best_nodejs_runtime, python_runtime

from tests.escape.host import FORMS
from tests.hosts.hosts import ROOT

# Host forms are what we are in; the rest of the tests ask nothing of the host.
_TESTS = ("tests/escape", "tests/sandbox", "tests/hosts", "--ignore=tests/escape/test_host_forms.py")


@dataclass(eq=False)  # pytest wants to hash it
class Found:
    """What came of it; test names end in their parameters."""

    layers: dict[str, list[str]] = field(default_factory=dict)  # by runtime, or one line that says why none
    attacks: int = 0
    others: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    status: int = 0  # pytest's own

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
        elif report.skipped:
            self.skipped[report.nodeid] = str(
                report.longrepr[-1] if isinstance(report.longrepr, tuple) else ""
            )
        elif report.when == "call" and report.nodeid.startswith("tests/escape"):
            self.attacks += 1
        elif report.when == "call":
            self.others += 1


def layers(runtime: Runtime) -> list[str]:
    try:
        with Sandbox(runtime) as sandbox:
            return [layer.name for layer in sandbox.layers if layer.on] + [runtime.note] * bool(runtime.note)
    except SandboxError as error:
        return [f"not available: {error}"]


def main(form: str, folder: str) -> None:
    """Go there, look and try."""
    FORMS.get(form, lambda: None)()
    found = Found()
    for runtime in (python_runtime(), best_nodejs_runtime()):
        found.layers[runtime.name] = layers(runtime)
    os.chdir(ROOT)
    # Plugins by name: one that some package brings may not load here.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "pytest_timeout",
        f"--basetemp={folder}/tests",
        "--rootdir",
        str(ROOT),
    ]
    found.status = int(pytest.main([*options, *_TESTS], plugins=[found]))
    print(json.dumps(asdict(found)))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
