"""A control group bounds each zygote with its cells, where one can be had; elsewhere it is told why not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from cellblock_sandbox import Limits, Sandbox, SandboxUnavailable, Verdict
from cellblock_sandbox.cgroup import Cgroup, NoCgroup, find_base, sweep

from tests.sandbox.running import await_end, run, watched

ROOT = Path("/sys/fs/cgroup")
ECHO = "def main(a): return {'a': a}"


@pytest.fixture
def base() -> Iterator[Path]:
    """A group of our own that may be divided."""
    there = Path(os.environ.get("CELLBLOCK_TEST_CGROUP", ROOT))
    divided = there / "cgroup.subtree_control"
    if (
        os.geteuid() != 0
        or not divided.is_file()
        or not {"memory", "pids"} <= set(divided.read_text().split())
    ):
        pytest.skip("no cgroup v2 with memory and pids that we may divide")
    base = there / f"test-{os.getpid()}"
    base.mkdir()
    yield base
    base.rmdir()


@pytest.fixture
def group(base: Path) -> Iterator[Cgroup]:
    group = Cgroup(base)
    yield group
    group.end()


def layer(sandbox: Sandbox) -> tuple[bool, str]:
    return next((one.on, one.detail) for one in sandbox.layers if one.name == "cgroup")


def groups(base: Path) -> list[Path]:
    return [*base.glob("cellblock-*")]


def number(group: Path, name: str) -> int:
    return int((group / name).read_text())


def start(group: Cgroup, code: str) -> subprocess.Popen[bytes]:
    """A process that runs `code` once it is in the group."""
    started = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "input()\n" + dedent(code)], stdin=subprocess.PIPE
    )
    group.take(started.pid)
    return started


def test_zygote_and_cells_are_in_a_group_of_their_own_and_nothing_is_left(base: Path) -> None:
    with Sandbox(cgroup=base) as sandbox:
        assert layer(sandbox)[0]
        (group,) = groups(base)
        assert str(sandbox.zygote_pid) in (group / "cgroup.procs").read_text().split()
        assert run(sandbox, ECHO, a=1).outputs == {"a": 1}
        small = number(group, "memory.max")
        assert run(sandbox, ECHO, limits=Limits(memory_mb=256), a=2).outputs == {"a": 2}
        assert number(group, "memory.max") == small + 2 * (128 << 20)
        assert number(group, "pids.max") < 300
    assert groups(base) == []


def test_a_group_for_each_zygote(base: Path) -> None:
    with Sandbox(cgroup=base, cells_per_zygote=1) as sandbox:
        first = sandbox.zygote_pid
        while sandbox.zygote_pid == first:  # another one is on its way
            assert run(sandbox, ECHO, a=1).verdict is Verdict.SUCCEEDED
    assert groups(base) == []


def test_a_job_that_takes_too_much_ends_as_ever(base: Path) -> None:
    with Sandbox(cgroup=base) as sandbox:
        zygote = sandbox.zygote_pid
        outcome = run(sandbox, "def main(): return {'a': len(bytes(1 << 30))}", limits=Limits(memory_mb=32))
        assert outcome.verdict is Verdict.MEMORY_LIMIT
        assert sandbox.zygote_pid == zygote


def test_the_kernel_ends_who_takes_more_than_the_group_may_hold(group: Cgroup) -> None:
    group.warm()
    group.allow(1, 64)
    assert not group.killed_one()
    with start(group, "bytes(b'x') * (1 << 30)") as started:
        started.communicate(b"\n")
    assert started.returncode == -signal.SIGKILL
    assert group.killed_one()
    assert not group.killed_one()


def test_the_kernel_starts_no_more_threads_than_the_group_may_hold(group: Cgroup) -> None:
    group.allow(256, 64)
    code = """
        import _thread, sys, time
        for count in range(10_000):
            try:
                _thread.start_new_thread(time.sleep, (60,))
            except RuntimeError:
                sys.exit(0 if count < 200 else 1)
    """
    with start(group, code) as started:
        started.communicate(b"\n")
    assert started.returncode == 0


def test_who_is_still_in_it_is_killed_at_its_end(base: Path) -> None:
    group = Cgroup(base)
    with start(group, "import time; time.sleep(600)") as started:
        assert started.poll() is None
        group.end()
    assert started.returncode == -signal.SIGKILL
    assert groups(base) == []


def test_what_a_killed_owner_left_is_swept(base: Path) -> None:
    code = f"""
        from pathlib import Path
        from cellblock_sandbox import Sandbox
        with Sandbox(cgroup=Path({str(base)!r})):
            print(flush=True)
            input()
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        (left,) = groups(base)
        sweep(base)
        assert left.exists()  # its owner lives
        with watched(owner.pid) as pidfd:
            owner.kill()
            assert await_end(pidfd)
    sweep(base)
    assert groups(base) == []


def test_groups_that_only_sound_like_ours_are_left_alone(tmp_path: Path) -> None:
    """A service's, say, beside ours: to sweep is to kill."""
    names = ("cellblock-12-0123abcd", "cellblock-gateway.service", "cellblock-1-worker")
    left, *others = (tmp_path / name for name in names)
    for each in (left, *others):
        each.mkdir()
    sweep(tmp_path)
    assert (left / "cgroup.kill").read_text() == "1"
    assert [list(each.iterdir()) for each in others] == [[], []]


def test_a_group_that_holds_processes_is_refused(base: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        inner = base / "inner"
        inner.mkdir()
        (base / "cgroup.subtree_control").write_text("+memory +pids")
        (inner / "cgroup.procs").write_text(str(other.pid))
        with pytest.raises(NoCgroup, match="holds processes itself"):
            Cgroup(inner)
        other.communicate(b"\n")
    inner.rmdir()


def test_what_systemd_has_delegated_is_used(base: Path) -> None:
    """As by Delegate=yes and DelegateSubgroup=worker: the unit's group is marked, its processes are below."""
    (base / "cgroup.subtree_control").write_text("+memory +pids")
    unit, worker = base / "unit", base / "unit" / "worker"
    worker.mkdir(parents=True)
    os.setxattr(unit, "user.delegate", b"1")
    code = """
        from cellblock_sandbox import Sandbox
        input()
        with Sandbox() as sandbox:
            print([layer.on for layer in sandbox.layers if layer.name == "cgroup"])
    """
    started = subprocess.Popen(
        [sys.executable, "-c", dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with started:
        (worker / "cgroup.procs").write_text(str(started.pid))
        assert started.communicate(b"\n")[0] == b"[True]\n"
    assert groups(unit) == []
    worker.rmdir()
    unit.rmdir()


def test_where_none_can_be_had_it_is_told_why() -> None:
    with Sandbox(cgroup=Path("/nowhere")) as sandbox:
        assert layer(sandbox) == (False, "/nowhere is no cgroup v2")
        assert run(sandbox, ECHO, a=1).outputs == {"a": 1}


def test_it_may_be_demanded() -> None:
    with pytest.raises(SandboxUnavailable, match="'cgroup' is required and cannot be had: /nowhere"):
        Sandbox(cgroup=Path("/nowhere"), required_layers=("cgroup",)).open()


def test_it_is_not_guessed_where_nobody_delegated_one() -> None:
    try:
        found = find_base()
    except NoCgroup as why:
        assert "delegated" in str(why) or "no cgroup v2" in str(why)
    else:
        assert os.getxattr(found, "user.delegate") == b"1"
