"""`cellblock check`: exit codes, output for people and for programs, messages that say what to correct."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import cellblock

CLEAN = "def main(a):\n    return {'r': a}\n"
REFUSED = "import os\ndef main(a):\n    os.fork()\n    return {}\n"
FORK = "starts another process (os.fork), which a code node may not do"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    file = tmp_path / "node.py"
    file.write_text(CLEAN)
    return file


def test_nothing_found_exits_0_and_prints_nothing(node: Path) -> None:
    done = cellblock("check", str(node))
    assert (done.returncode, done.stdout) == (0, "")
    assert "the sandbox decides" in done.stderr


def test_a_refusal_exits_1_and_shows_the_place(node: Path) -> None:
    node.write_text(REFUSED)
    done = cellblock("check", str(node))
    assert (done.returncode, done.stdout) == (1, f"{node}:3:5: {FORK}\n")


def test_advice_alone_exits_0(node: Path) -> None:
    node.write_text("import socket\n" + CLEAN)
    done = cellblock("check", str(node))
    assert done.returncode == 0
    assert done.stdout.startswith(f"{node}:1:8: imports socket and does not use it")


def test_json_prints_a_list_and_nothing_else(node: Path) -> None:
    done = cellblock("check", str(node), "--json")
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, [], "")
    node.write_text(REFUSED)
    done = cellblock("check", str(node), "--json")
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout) == [
        {"kind": "refused", "what": "os.fork", "line": 3, "column": 5, "message": FORK, "certain": True}
    ]


def test_code_from_standard_input() -> None:
    done = cellblock("check", "-", "--language", "javascript", stdin="function main() { fetch('x'); }")
    assert done.returncode == 1
    assert done.stdout.startswith("<stdin>:1:19: opens a network connection (fetch)")


def test_the_name_says_the_language(tmp_path: Path) -> None:
    file = tmp_path / "node.js"
    file.write_text("const main = async ({ a }) => ({ r: a });\n")
    assert cellblock("check", str(file)).returncode == 0


def test_mode_inputs_and_packages_are_passed_on(node: Path) -> None:
    node.write_text("import numpy\ndef main(a): return {}\n")
    assert "no module numpy" in cellblock("check", str(node)).stdout
    assert cellblock("check", str(node), "--package", "numpy", "--inputs", '{"a": 1}').returncode == 0
    done = cellblock("check", str(node), "-p", "numpy", "--inputs", '{"b": 1}')
    assert "main takes no input named 'b'" in done.stdout
    node.write_text("print(1)")
    assert cellblock("check", str(node)).returncode == 1
    assert cellblock("check", str(node), "--mode", "script").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nowhere.py"], "nowhere.py"),
        (["NODE", "--inputs", "{"], "--inputs"),
        (["NODE", "--language", "cobol"], "language"),
        (["-"], "--language"),
        (["NODE", "--nonsense"], "--nonsense"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage_exits_2_and_names_what_is_wrong(arguments: list[str], word: str, node: Path) -> None:
    done = cellblock("check", *(str(node) if argument == "NODE" else argument for argument in arguments))
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_on_a_terminal_it_is_coloured_and_the_code_cannot_write_to_it(tmp_path: Path) -> None:
    file = tmp_path / "node.js"
    file.write_text(
        "function main() { require('child_process').execSync('ls'); require('\x1b]0;owned\x07'); }"
    )
    shown = on_terminal("check", str(file))
    assert b"\x1b[31m" in shown
    assert b"\x1b]0" not in shown
    assert b"\\x1b]0;owned" in shown


def on_terminal(*arguments: str) -> bytes:
    reading, writing = pty.openpty()
    command = [str(Path(sys.executable).with_name("cellblock")), *arguments]
    environ = {**os.environ, "TERM": "xterm"}
    environ.pop("NO_COLOR", None)
    with subprocess.Popen(command, stdout=writing, stderr=writing, env=environ) as process:
        os.close(writing)
        shown = b""
        try:
            while part := os.read(reading, 4096):
                shown += part
        except OSError:  # all ends of the other side are closed
            pass
        finally:
            os.close(reading)
    assert process.returncode == 1
    return shown
