"""A process is woken on the core of who wakes it, and is free again at once."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from cellblock_sandbox import Program, Sandbox, Verdict
from cellblock_sandbox.nearby import wake_here

from tests.sandbox.running import children


@contextmanager
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def test_it_wakes_on_one_core_of_ours() -> None:
    with sleeper() as pid:
        before = os.sched_getaffinity(pid)
        meanwhile: list[set[int]] = []
        wake_here(pid, lambda: meanwhile.append(os.sched_getaffinity(pid)))
        assert os.sched_getaffinity(pid) == before
    ((core,),) = meanwhile
    assert core in os.sched_getaffinity(0)


def test_it_is_free_again_where_waking_fails() -> None:
    def fail() -> None:
        raise RuntimeError

    with sleeper() as pid:
        before = os.sched_getaffinity(pid)
        with pytest.raises(RuntimeError):
            wake_here(pid, fail)
        assert os.sched_getaffinity(pid) == before


def test_who_is_gone_is_woken_all_the_same() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    woken: list[int] = []
    wake_here(process.pid, lambda: woken.append(1))
    assert woken == [1]


def test_who_goes_when_woken_is_no_trouble() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:

        def end() -> None:
            process.kill()
            process.wait()

        wake_here(process.pid, end)


def test_a_job_that_comes_alone_goes_on_wherever_there_is_room() -> None:
    seen: list[set[int]] = []

    def stop() -> bool:
        for pid in children(sandbox.zygote_pid or 0):
            with suppress(ProcessLookupError):  # a cell of the self-test that is ending
                seen.append(os.sched_getaffinity(pid))
        return True

    with Sandbox() as sandbox:
        outcome = sandbox.run(Program(code="def main():\n    while True: pass"), stop=stop)
    assert outcome.verdict is Verdict.CANCELLED
    assert seen == [os.sched_getaffinity(0)] * len(seen) != []
