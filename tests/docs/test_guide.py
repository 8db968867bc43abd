"""The operator's guide: each command in it is run, here, by the smoke of compose, or by a test named here."""

import ast
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from cellblock_worker.attached import start_attached
from cellblock_worker.embedded import EmbeddedServer

from tests.gateway.calling import write_keys
from tests.support.ports import free_port
from tests.watch.dashboard import dashboard, rules
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
HERE = [line for line in LINES if re.match("export |celery |cellblock (?!up)", line)]


def test_each_command_is_known() -> None:
    assert len(HERE) > 6
    for line in LINES:
        assert line in HERE or line in ELSEWHERE or line.startswith(COMPOSE) or line == "deploy/env.sh", line
    for command in re.findall(r"`(cellblock [^`]+)`", GUIDE):
        assert command in ELSEWHERE or command in HERE, command


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
    """Runs the guide's lines one after the other, with this server in place of its own, and free ports."""

    def __init__(self, stack: ExitStack, redis_url: str, folder: Path) -> None:
        self._stack, self._folder, self._said = stack, folder, ""
        worker, gateway, flower = free_port(), free_port(), free_port()
        self._instead = {
            "redis://cellblock:PASSWORD@redis.example:6379/0": redis_url,
            "0.0.0.0:9808": f"127.0.0.1:{worker}",
            "127.0.0.1:9808": f"127.0.0.1:{worker}",
        }
        self._answers = {
            "cellblock worker ": f"http://127.0.0.1:{worker}/ready",
            "cellblock gateway ": f"http://127.0.0.1:{gateway}/ready",
            "celery flower ": f"http://127.0.0.1:{flower}/healthcheck",
        }
        ports = {"CELLBLOCK_GATEWAY_PORT": str(gateway), "FLOWER_PORT": str(flower)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environ = {**os.environ, **ports, "PATH": path}

    def run(self, line: str) -> None:
        """Run a line to its end, which must be good; or, if it has none, until what it starts answers."""
        for said, meant in self._instead.items():
            line = line.replace(said, meant)
        url = next((url for begin, url in self._answers.items() if line.startswith(begin)), None)
        if line.startswith("export "):
            self._said += f"{line}\n"
        elif url:
            wait_for(partial(_answers, self._start(f"{self._said}exec {line}"), url))
        else:
            command = ["sh", "-c", self._said + line]
            done = subprocess.run(command, env=self._environ, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr

    def _start(self, line: str) -> "subprocess.Popen[bytes]":
        moved = f"cd {self._folder}\n{line}"
        process = start_attached(["/bin/sh", "-c", moved], environ=self._environ)
        self._stack.callback(process.wait, 60)
        self._stack.callback(process.terminate)
        return process


def _answers(process: "subprocess.Popen[bytes]", url: str) -> bool:
    assert process.poll() is None, url
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_worker_a_gateway_and_flower_are_started_and_looked_at_without_docker(tmp_path: Path) -> None:
    write_keys(tmp_path / "keys.json")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    with EmbeddedServer(tcp=True) as server, ExitStack() as stack:
        shell = Shell(stack, server.url, tmp_path)
        for line in HERE:
            shell.run(line)


def test_each_alert_is_in_the_guide() -> None:
    assert [rule["alert"] for rule in rules() if rule["alert"] not in GUIDE] == []


def test_panels_are_named_as_on_the_dashboard() -> None:
    named = [
        name
        for line in GUIDE.splitlines()
        if line.startswith("| ")
        for name in re.findall(r"\*([^*]+)\*", line)
    ]
    assert len(named) > 3
    assert [name for name in named if name not in {panel["title"] for panel in dashboard()["panels"]}] == []
