"""`cellblock run`: exit codes, output for people and for programs, and messages that say what to correct."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import cellblock

NODE = "def main(a, b):\n    print('dividing')\n    return {'result': a / b}\n"


@pytest.fixture
def node(tmp_path: Path) -> str:
    file = tmp_path / "node.py"
    file.write_text(NODE)
    return str(file)


def test_the_version_is_told() -> None:
    done = cellblock("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "cellblock")


def test_success_exits_0_and_shows_prints_and_outputs(node: str) -> None:
    done = cellblock("run", node, "--inputs", '{"a": 3, "b": 2}')
    assert done.returncode == 0
    assert done.stdout == 'dividing\n{\n  "result": 1.5\n}\n'


def test_failing_code_exits_1_and_shows_the_line(node: str) -> None:
    done = cellblock("run", node, "--inputs", '{"a": 3, "b": 0}')
    assert done.returncode == 1
    assert "code_error: division by zero (line 3)" in done.stderr


def test_json_prints_the_result_and_nothing_else(node: str) -> None:
    done = cellblock("run", node, "--inputs", '{"a": 3, "b": 0}', "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert result["error"]["kind"] == "code_error"
    assert result["error"]["line"] == 3
    assert result["stdout"] == "dividing\n"


def test_code_from_standard_input_and_inputs_from_a_file(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.json"
    inputs.write_text('{"a": 1, "b": 4}')
    done = cellblock("run", "-", "--language", "python", "--inputs", f"@{inputs}", "--json", stdin=NODE)
    assert json.loads(done.stdout)["outputs"] == {"result": 0.25}


def test_limits_outputs_and_mode_are_passed_on(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text("while True: pass")
    done = cellblock("run", str(file), "--mode", "script", "--limits", '{"wall_ms": 200}', "--json")
    assert json.loads(done.stdout)["error"]["kind"] == "timeout"
    file.write_text("def main(): return {'n': 'x'}")
    done = cellblock("run", str(file), "--outputs", '{"n": {"type": "number"}}', "--json")
    assert json.loads(done.stdout)["error"]["kind"] == "invalid_output"


def test_outputs_follow_the_rules_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "node.py"
    file.write_text("def main(items): return {'n': True, 'a': ['x'] * items}")
    declared = ("--outputs", '{"n": {"type": "number"}, "a": {"type": "array[string]"}}', "--json")
    dify = {"CELLBLOCK_OUTPUT_RULES": "dify"}
    done = cellblock("run", str(file), *declared, "--inputs", '{"items": 1}', environ=dify)
    assert str(json.loads(done.stdout)["outputs"]["n"]) == "1"
    done = cellblock("run", str(file), *declared, "--inputs", '{"items": 31}', environ=dify)
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["message"]) == (
        "invalid_output",
        "output 'a' has 31 elements, but at most 30 are allowed",
    )
    dify["CELLBLOCK_OUTPUT_STRING_ARRAY_LENGTH"] = "31"
    done = cellblock("run", str(file), *declared, "--inputs", '{"items": 31}', environ=dify)
    assert json.loads(done.stdout)["status"] == "succeeded"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nowhere.py"], "nowhere.py"),
        (["NODE", "--inputs", "{"], "--inputs"),
        (["NODE", "--inputs", "[1]"], "--inputs"),
        (["NODE", "--inputs", "@/nowhere.json"], "--inputs"),
        (["NODE", "--limits", '{"wall_s": 1}'], "wall_s"),
        (["NODE", "--outputs", '{"x": {"type": "float"}}'], "outputs"),
        (["NODE", "--language", "cobol"], "language"),
        (["-"], "--language"),
        (["NODE", "--nonsense"], "--nonsense"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage_exits_2_and_names_what_is_wrong(arguments: list[str], word: str, node: str) -> None:
    done = cellblock("run", *(node if argument == "NODE" else argument for argument in arguments))
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_setting_exits_2_and_names_the_nearest(node: str) -> None:
    done = cellblock("run", node, environ={"CELLBLOCK_WAL_MS": "5"})
    assert done.returncode == 2
    assert "CELLBLOCK_WALL_MS" in done.stderr


def test_operators_limits_are_the_ceiling(tmp_path: Path) -> None:
    file = tmp_path / "loop.py"
    file.write_text("def main():\n    while True: pass\n")
    environ = {"CELLBLOCK_WALL_MS": "300"}
    done = cellblock("run", str(file), "--limits", '{"wall_ms": 60000}', "--json", environ=environ)
    assert "300 ms" in json.loads(done.stdout)["error"]["message"]


def test_a_host_without_the_required_layers_exits_3(node: str) -> None:
    # A filter that answers ENOSYS to Landlock's calls and EPERM to mount stands for such a host.
    done = cellblock_on_bare_host("run", node, "--inputs", '{"a": 1, "b": 1}')
    assert done.returncode == 3, done.stderr
    assert "Landlock" in done.stderr


def cellblock_on_bare_host(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(__file__).with_name("bare_host.py")
    return subprocess.run(
        [sys.executable, str(program), *arguments], capture_output=True, text=True, check=False
    )
