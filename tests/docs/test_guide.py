"""The operator's guide: each command in it is run, here, by the smoke of compose, or by a test named here."""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from cellblock_worker.attached import start_attached
from cellblock_worker.embedded import EmbeddedServer

from tests.watch.dashboard import rules
from tests.watch.prometheus import free_port
from tests.worker.harness import wait_for

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operating.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
_LINES = [shlex.join(shlex.split(line, comments=True)) for block in BLOCKS for line in block.splitlines()]
LINES = [line for line in _LINES if line]
COMPOSE = "docker compose --env-file deploy/local/.env "
SMOKE = list((ROOT / "tests" / "compose").glob("*.py"))
ELSEWHERE = {
    "cellblock up": "tests/cli/test_up.py",
    "cellblock bench": "tests/cli/test_bench.py",
    "cellblock doctor": "tests/cli/test_doctor.py",
    "cellblock health live": "tests/watch/test_health.py",
    "cellblock health ready": "tests/watch/test_health.py",
    "cellblock health startup": "tests/watch/test_health.py",
    "cellblock jobs --dead": "tests/cli/test_jobs.py",
    "cellblock jobs retry ID": "tests/cli/test_jobs.py",
    "cellblock jobs drop ID": "tests/cli/test_jobs.py",
}
"""What is run with other options than the guide's, or named in its text, by the file that runs it."""
HERE = [line for line in LINES if re.match("export |cellblock (?!up)", line)]


def test_each_command_is_known() -> None:
    assert len(HERE) > 6
    for line in LINES:
        assert line in HERE or line in ELSEWHERE or line.startswith(COMPOSE) or line == "deploy/env.sh", line
    for command in re.findall(r"`(cellblock [^`]+)`", GUIDE):
        assert command in ELSEWHERE, command


@pytest.mark.parametrize("command", ELSEWHERE)
def test_a_command_is_run_where_it_is_said_to_be(command: str) -> None:
    text = (ROOT / ELSEWHERE[command]).read_text()
    for word in command.split()[1:]:
        assert word == "ID" or f'"{word}"' in text, command


def smoke_commands() -> set[tuple[str, ...]]:
    """The arguments of each call of `compose` in the smoke."""
    calls = [
        node for file in SMOKE for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)
    ]
    return {
        tuple(str(argument.value) for argument in call.args if isinstance(argument, ast.Constant))
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "compose"
    }


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith(COMPOSE)])
def test_commands_of_compose_are_run_by_the_smoke(line: str) -> None:
    assert tuple(shlex.split(line.removeprefix(COMPOSE))) in smoke_commands()


def test_the_smoke_makes_its_secrets_as_the_guide_does() -> None:
    assert '"deploy" / "env.sh"' in "".join(file.read_text() for file in SMOKE)


class Shell:
    """Runs the guide's lines, with this server in place of its own and a free port."""

    def __init__(self, stack: ExitStack, redis_url: str) -> None:
        self._stack = stack
        address = f"127.0.0.1:{free_port()}"
        self._instead = {
            "redis://cellblock:PASSWORD@redis.example:6379/0": redis_url,
            "0.0.0.0:9808": address,
            "127.0.0.1:9808": address,
        }
        self._said = ""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environ = {**os.environ, "PATH": path}

    def run(self, line: str) -> None:
        """Run a line to its end, which must be good; or, if it never ends, until it is ready."""
        for said, meant in self._instead.items():
            line = line.replace(said, meant)
        if line.startswith("export "):
            self._said += f"{line}\n"
        elif line.startswith("cellblock worker"):
            self._stack.enter_context(self._started(line))
            wait_for(lambda: self._done("cellblock health ready").returncode == 0)
        else:
            done = self._done(line)
            assert done.returncode == 0, done.stdout + done.stderr

    def _done(self, line: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", self._said + line]
        return subprocess.run(command, env=self._environ, capture_output=True, text=True, check=False)

    @contextmanager
    def _started(self, line: str) -> Iterator[None]:
        worker = start_attached(["/bin/sh", "-c", f"{self._said}exec {line}"], environ=self._environ)
        try:
            yield
        finally:
            worker.terminate()
            assert worker.wait(60) == 0


def test_a_worker_is_started_and_looked_at_without_docker() -> None:
    with EmbeddedServer(tcp=True) as server, ExitStack() as stack:
        shell = Shell(stack, server.url)
        for line in HERE:
            shell.run(line)


def test_each_alert_is_in_the_guide() -> None:
    assert [rule["alert"] for rule in rules() if rule["alert"] not in GUIDE] == []
