"""A short run of each fuzzer finds nothing; and what it looks for, it would find."""

import os
import signal
import socket
from collections.abc import Callable, Iterator

import pytest
from cellblock_sandbox import Outcome, Program, Sandbox, Verdict

from tests.escape.world import World
from tests.fuzz.fuzzing import RUNTIMES, fuzz
from tests.fuzz.soundness import Watch
from tests.sandbox.running import await_end, watched

NOTHING = Program(code="def main(): return {}")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_random_calls_leave_all_as_it_was(runtime: str) -> None:
    found = fuzz(runtime, seed=20261124, seconds=4)
    assert found.wrong == {}
    assert found.verdicts[Verdict.SUCCEEDED] > 0  # some lived to make all of their calls


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_cell_can_be_run_again_by_its_number(runtime: str) -> None:
    found = fuzz(runtime, seed=1, seconds=60, first=7, most=2)
    assert (found.cells, found.wrong) == (2, {})


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def make_a_file(world: World, sandbox: Sandbox) -> Outcome:
    (world.folder / "left").touch()
    return sandbox.run(NOTHING)


def change_the_file(world: World, sandbox: Sandbox) -> Outcome:
    world.file.chmod(0o600)
    return sandbox.run(NOTHING)


def reach_a_socket(world: World, sandbox: Sandbox) -> Outcome:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", world.inputs(None)["datagram_path"])
    return sandbox.run(NOTHING)


def kill_the_zygote(_: World, sandbox: Sandbox) -> Outcome:
    outcome = sandbox.run(NOTHING)
    assert sandbox.zygote_pid is not None
    with watched(sandbox.zygote_pid) as pidfd:
        os.kill(sandbox.zygote_pid, signal.SIGKILL)
        assert await_end(pidfd)
    return outcome


def leave_descriptors(world: World, sandbox: Sandbox) -> Outcome:
    for _ in range(20):
        world.keep(world.file.open())
    return sandbox.run(NOTHING)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (make_a_file, "left"),
        (change_the_file, "files changed"),
        (reach_a_socket, "datagram"),
        (kill_the_zygote, "zygote was replaced"),
        (leave_descriptors, "descriptors grew"),
    ],
)
def test_harm_is_seen(world: World, harm: Callable[[World, Sandbox], Outcome], told: str) -> None:
    with Sandbox() as sandbox:
        watch = Watch(sandbox, world)
        assert watch.wrong(sandbox.run(NOTHING)) == []
        assert told in "; ".join(watch.wrong(harm(world, sandbox)))


FORKS = """
import os, time
def main():
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    return {"pid": pid}
"""


def test_a_process_that_outlives_its_cell_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.soundness._LOOKS", 20)
    with Sandbox(without_layers=("seccomp", "pid"), self_test=False) as sandbox:
        watch = Watch(sandbox, world)
        outcome = sandbox.run(Program(code=FORKS))
        try:
            assert "processes are left" in "; ".join(watch.wrong(outcome))
        finally:
            os.kill(int(str(outcome.outputs["pid"])), signal.SIGKILL)
