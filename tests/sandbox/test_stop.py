"""A run that its caller has stopped: the cell is gone, what it had printed is there, and all else goes on."""

import threading

import pytest
from cellblock_sandbox import Limits, Outcome, Program, Sandbox, Verdict

from tests.sandbox.running import await_end, run, standby_of, watched

ENDLESS = {
    "computing": "def main():\n    print('so far', flush=True)\n    while True: pass",
    "sleeping": "import time\ndef main():\n    print('so far', flush=True)\n    time.sleep(3600)",
    "printing": "def main():\n    print('so far', flush=True)\n    while True: print('x' * 4096)",
}
LONG = Limits(wall_ms=600_000, cpu_ms=600_000)


def run_until_told(sandbox: Sandbox, code: str, looks: int = 3) -> Outcome:
    """Run code that never ends; have it stopped so many looks later."""
    answers = iter([False] * looks)
    return sandbox.run(Program(code=code), {}, LONG, stop=lambda: next(answers, True))


@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS.keys())
def test_it_ends_at_once_and_the_next_runs(sandbox: Sandbox, code: str) -> None:
    zygote = sandbox.zygote_pid
    with watched(standby_of(sandbox)) as cell:
        outcome = run_until_told(sandbox, code)
        assert await_end(cell)
    assert outcome.verdict is Verdict.CANCELLED
    assert outcome.fault is not None
    assert run(sandbox, "def main(): return {'a': 1}").outputs == {"a": 1}
    assert sandbox.zygote_pid == zygote


def test_what_it_had_printed_is_there(sandbox: Sandbox) -> None:
    looks, outcome = 3, run_until_told(sandbox, ENDLESS["sleeping"])
    while not outcome.stdout:  # it had not come that far
        looks *= 2
        outcome = run_until_told(sandbox, ENDLESS["sleeping"], looks)
    assert (outcome.verdict, outcome.stdout) == (Verdict.CANCELLED, "so far\n")


def test_a_thread_has_it_stopped(sandbox: Sandbox) -> None:
    stop = threading.Event()
    with watched(standby_of(sandbox)) as cell:
        timer = threading.Timer(0.1, stop.set)
        timer.start()
        outcome = sandbox.run(Program(code=ENDLESS["sleeping"]), {}, LONG, stop=stop.is_set)
        timer.join()
        assert await_end(cell)
    assert outcome.verdict is Verdict.CANCELLED


def test_what_has_answered_is_not_stopped(sandbox: Sandbox) -> None:
    code = "import time\ndef main():\n    time.sleep(0.1)\n    return {'a': 1}"
    assert sandbox.run(Program(code=code), {}, stop=lambda: False).outputs == {"a": 1}


def test_who_raises_in_place_of_an_answer_leaves_no_cell(sandbox: Sandbox) -> None:
    with watched(standby_of(sandbox)) as cell:
        with pytest.raises(ZeroDivisionError):
            sandbox.run(Program(code=ENDLESS["sleeping"]), {}, LONG, stop=lambda: bool(1 // 0))
        assert await_end(cell)
    assert run(sandbox, "def main(): return {'a': 1}").outputs == {"a": 1}
