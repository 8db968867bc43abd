"""Who supervises a cell is stopped for longer than the cell may take: the pause is nobody's time."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.sandbox.running import children

_OWNER = """
import sys
from cellblock_sandbox import Limits, Program, Sandbox
code, wall_ms = sys.argv[1], int(sys.argv[2])
with Sandbox() as sandbox:
    print("open", flush=True)
    outcome = sandbox.run(Program(code=code), {}, Limits(wall_ms=wall_ms))
print(outcome.verdict, flush=True)
"""
_WALL_MS = 600
_PAUSE_S = 1.5


def _verdict_after_a_pause(code: str, *, all_of_it: bool) -> str:
    """Run `code`, stop its owner (and the cell, if `all_of_it`) for longer than its limit, and go on."""
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, code, str(_WALL_MS)], stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        time.sleep(0.2)  # the job is under way
        stopped = [owner.pid, *(children(owner.pid) if all_of_it else [])]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(_PAUSE_S)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        return owner.stdout.readline().strip()


_NAP = "import time\ndef main():\n    time.sleep({})\n    return {{}}\n"


@pytest.mark.parametrize("all_of_it", [False, True])
@pytest.mark.parametrize("seconds", [0.3, 0.5])
def test_a_job_within_its_limit_succeeds(seconds: float, all_of_it: bool) -> None:
    assert _verdict_after_a_pause(_NAP.format(seconds), all_of_it=all_of_it) == "succeeded"


def test_a_large_answer_that_lies_there_is_taken() -> None:
    code = "import time\ndef main():\n    time.sleep(0.4)\n    return {'a': 'x' * 700_000}\n"
    assert _verdict_after_a_pause(code, all_of_it=False) == "succeeded"


@pytest.mark.parametrize("all_of_it", [False, True])
def test_a_job_that_never_ends_is_stopped_all_the_same(all_of_it: bool) -> None:
    assert _verdict_after_a_pause(_NAP.format(60), all_of_it=all_of_it) == "timeout"
