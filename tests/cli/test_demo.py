"""`cellblock demo`: the main job as a new user meets it."""

import os
import re
import signal
import subprocess
from pathlib import Path

from tests.support.stack import COMMAND, cellblock


def test_demo_exits_0_and_shows_how_each_node_ended(tmp_path: Path) -> None:
    done = cellblock("demo", environ={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    for kind in (
        "code_error",
        "syntax_error",
        "invalid_output",
        "blocked",
        "timeout",
        "memory_limit",
        "crashed",
    ):
        assert kind in done.stdout
    assert "Ada Lovelace" in done.stdout
    assert re.search(r"All \d+ nodes ended as they must", done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([*COMMAND, "demo"], stdout=subprocess.PIPE, env=environ, text=True)
    assert process.stdout is not None
    with process.stdout as lines:
        next(line for line in lines if "Submitting" in line)
        process.send_signal(signal.SIGINT)
        lines.read()
    assert process.wait(30) != 0
    assert list(tmp_path.iterdir()) == []
    assert _processes_with(f"TMPDIR={tmp_path}") == set()


def _processes_with(variable: str) -> set[str]:
    """Processes that have that variable in their environment."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.add(folder.name)
        except OSError:
            continue  # it ended while we looked, or is not ours
    return found
