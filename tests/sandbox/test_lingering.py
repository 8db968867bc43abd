"""A cell that has answered, when the caller has something more urgent to do than to see to its end."""

from collections.abc import Callable

import pytest
from cellblock_sandbox import Program, Sandbox
from cellblock_sandbox.node.runtime import nodejs_runtime

from tests.sandbox.running import await_end, children, watched
from tests.sandbox.test_lifecycle import is_stopped, until

# A thread that goes on after the answer, as long as it is let.
SPINS = Program(
    code="""
import threading
def spin():
    while True: pass
def main():
    threading.Thread(target=spin).start()
    return {}
"""
)
NOTHING = Program(code="def main(): return {}")


def lingering(sandbox: Sandbox) -> int:
    cell = sandbox._lingering
    assert cell is not None
    return cell.pid


@pytest.fixture
def leisure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job finds that the one before was long ago."""
    monkeypatch.setattr("cellblock_sandbox.sandbox._LEISURE_S", 0.0)


@pytest.mark.usefixtures("leisure")
@pytest.mark.parametrize("then", [Sandbox.prepare, lambda sandbox: sandbox.run(NOTHING), Sandbox.close])
def test_it_can_do_nothing_more_and_ends_with_the_next_call(then: Callable[[Sandbox], object]) -> None:
    with Sandbox() as sandbox:
        sandbox.run(SPINS, prepare=False)
        with watched(lingering(sandbox)) as pidfd:
            until(lambda: is_stopped(lingering(sandbox)))
            then(sandbox)
            assert await_end(pidfd)


@pytest.mark.usefixtures("leisure")
def test_nothing_is_left_of_many() -> None:
    with Sandbox(nodejs_runtime()) as sandbox:
        for number in range(50):
            assert sandbox.run(Program(code="function main() { return {} }"), prepare=False).fault is None
            if number % 3:
                sandbox.prepare(after_ms=number % 2)
        sandbox.prepare()
        until(lambda: len(children(sandbox.zygote_pid or 0)) == 1)  # the standby


def test_a_busy_caller_has_it_killed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellblock_sandbox.sandbox._LEISURE_S", float("inf"))
    with Sandbox() as sandbox:  # of its own: the next test finds no standby here
        sandbox.run(NOTHING, prepare=False)
        assert sandbox._lingering is None
