"""From open to close: zygotes that die or grow old, owners that die or fork, and nothing left behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from cellblock_sandbox import (
    CellLost,
    Limits,
    Program,
    Sandbox,
    SandboxClosed,
    SandboxUnavailable,
    Verdict,
    python_runtime,
)

from tests.sandbox.running import await_end, children, has_private_root, run, standby_of, watched

ECHO = "def main(a=1): return {'a': a}"
STOP = "import os, signal\ndef main(): os.kill(os.getpid(), signal.SIGSTOP)"


def until(true: Callable[[], bool]) -> None:
    """Look again and again until something is so; the time-out of the test bounds it."""
    pause = threading.Event()
    while not true():
        pause.wait(0.005)


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def zygote_of(sandbox: Sandbox) -> int:
    assert sandbox.zygote_pid is not None
    return sandbox.zygote_pid


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_a_zygote_that_dies_idle_is_replaced() -> None:
    with Sandbox() as sandbox:
        first = zygote_of(sandbox)
        with watched(first) as pidfd:
            os.kill(first, signal.SIGKILL)
            assert await_end(pidfd)
        assert run(sandbox, ECHO, a=2).outputs == {"a": 2}
        assert zygote_of(sandbox) != first


def test_a_standby_that_dies_is_replaced() -> None:
    with Sandbox() as sandbox:
        standby = standby_of(sandbox)
        with watched(standby) as pidfd:
            os.kill(standby, signal.SIGKILL)
            assert await_end(pidfd)
        assert run(sandbox, ECHO, a=2).outputs == {"a": 2}


def test_a_standby_that_is_stopped_runs_into_its_time_limit() -> None:
    with Sandbox() as sandbox:
        run(sandbox, ECHO)
        standby = standby_of(sandbox)
        os.kill(standby, signal.SIGSTOP)
        outcome = run(sandbox, ECHO, limits=Limits(wall_ms=300))
        assert outcome.verdict in (Verdict.TIMEOUT, Verdict.SUCCEEDED)  # it may not have been ready yet
        os.kill(zygote_of(sandbox), 0)
        assert run(sandbox, ECHO, a=2).outputs == {"a": 2}


def test_a_zygote_that_dies_busy_loses_the_cell_and_is_replaced() -> None:
    with Sandbox() as sandbox, ThreadPoolExecutor(1) as threads:
        cell = standby_of(sandbox)
        running = threads.submit(run, sandbox, STOP)
        until(lambda: is_stopped(cell))
        os.kill(zygote_of(sandbox), signal.SIGKILL)
        with pytest.raises(CellLost):
            running.result()
        assert run(sandbox, ECHO, a=2).outputs == {"a": 2}


OWNER = """
import os, sys
from cellblock_sandbox import Program, Sandbox
sandbox = Sandbox(without_layers=tuple(sys.argv[1:]), self_test=False)
sandbox.open()
print(sandbox.zygote_pid, flush=True)
sandbox.run(Program(code="import os, signal\\ndef main(): os.kill(os.getpid(), signal.SIGSTOP)"))
"""


@pytest.mark.parametrize(
    "without", [(), ("pid",), ("pid", "landlock"), ("pid", "user", "uid", "private root")]
)
def test_nothing_is_left_when_the_owner_is_killed(sandbox: Sandbox, without: tuple[str, ...]) -> None:
    if "landlock" in without and not has_private_root(sandbox):
        pytest.skip("nothing but Landlock closes files here")
    command = [sys.executable, "-c", OWNER, *without]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        zygote = int(owner.stdout.readline())
        until(lambda: any(is_stopped(pid) for pid in children(zygote)))
        pidfds = [os.pidfd_open(pid) for pid in (zygote, *children(zygote))]
        owner.kill()
        assert all(await_end(pidfd) for pidfd in pidfds)
        for pidfd in pidfds:
            os.close(pidfd)


def test_a_thousand_jobs_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = (descriptors(), children(os.getpid()))
    with Sandbox(cells_per_zygote=300) as sandbox:
        run(sandbox, ECHO)
        open_meanwhile = descriptors()
        programs = [Program(code=ECHO), Program(code="1 / 0"), Program(code="import os; os._exit(1)")]
        for number in range(1000):
            outcome = sandbox.run(programs[number % len(programs)])
            assert outcome.verdict is not Verdict.BLOCKED
        assert descriptors() <= open_meanwhile + 8  # a zygote under way has some of its own
        until(lambda: len(children(zygote_of(sandbox))) <= 1)
    assert (descriptors(), children(os.getpid())) == before
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("age", [(3, 600.0), (1_000_000, 0.0)], ids=["cells", "seconds"])
def test_an_old_zygote_is_replaced(age: tuple[int, float]) -> None:
    with Sandbox(cells_per_zygote=age[0], seconds_per_zygote=age[1]) as sandbox:
        first = zygote_of(sandbox)
        with watched(first) as pidfd:
            until(lambda: run(sandbox, ECHO, a=3).outputs == {"a": 3} and zygote_of(sandbox) != first)
            assert await_end(pidfd)
        assert run(sandbox, ECHO, a=4).outputs == {"a": 4}


def test_an_old_zygote_has_to_do_where_there_can_be_no_new_one(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    with Sandbox(python_runtime(packages=packages), cells_per_zygote=1) as sandbox:
        first = zygote_of(sandbox)
        shutil.rmtree(packages)
        for number in range(100):
            assert run(sandbox, ECHO, a=number).outputs == {"a": number}
        assert zygote_of(sandbox) == first


THREADS = """
import time, _thread
def main(a):
    _thread.stack_size(32768)
    for _ in range(50):
        _thread.start_new_thread(time.sleep, (60,))
    return {"a": a}
"""


def test_jobs_that_leave_many_threads_cost_the_next_ones_nothing() -> None:
    with Sandbox() as sandbox:
        zygote = zygote_of(sandbox)
        for number in range(60):
            assert run(sandbox, THREADS, a=number).outputs == {"a": number}
        assert zygote_of(sandbox) == zygote


class Interrupted(Exception):
    """The caller's own; no OSError, as a TimeoutError would be: it might be taken for the kernel's."""


def test_an_exception_out_of_a_signal_handler_leaves_it_usable() -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    with Sandbox() as sandbox:
        cell = standby_of(sandbox)
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            with watched(cell) as pidfd:
                signal.setitimer(signal.ITIMER_REAL, 0.2)
                with pytest.raises(Interrupted):
                    run(sandbox, STOP)
                assert await_end(pidfd)
        finally:
            signal.signal(signal.SIGALRM, before)
        for number in range(3):
            assert run(sandbox, ECHO, a=number).outputs == {"a": number}


def test_many_threads_may_share_one() -> None:
    with Sandbox() as sandbox, ThreadPoolExecutor(8) as threads:
        outcomes = [*threads.map(lambda number: run(sandbox, ECHO, a=number).outputs["a"], range(80))]
    assert outcomes == [*range(80)]


def test_a_fork_of_the_owner_cannot_use_it(sandbox: Sandbox) -> None:
    zygote = zygote_of(sandbox)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on: we have threads
        pid = os.fork()
    if pid == 0:
        refused = 0
        for use in (lambda: run(sandbox, ECHO), sandbox.open):
            try:
                use()
            except SandboxClosed:
                refused += 1
        sandbox.close()  # which is none of its business either
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    assert run(sandbox, ECHO, a=2).outputs == {"a": 2}
    assert zygote_of(sandbox) == zygote


def test_it_must_be_open() -> None:
    sandbox = Sandbox()
    assert (sandbox.layers, sandbox.zygote_pid) == ((), None)
    sandbox.close()
    with pytest.raises(SandboxClosed):
        run(sandbox, ECHO)
    sandbox.open()
    sandbox.open()
    assert run(sandbox, ECHO, a=2).outputs == {"a": 2}
    with watched(zygote_of(sandbox)) as pidfd:
        sandbox.close()
        assert await_end(pidfd)
    sandbox.close()
    with pytest.raises(SandboxClosed):
        run(sandbox, ECHO)
    assert (sandbox.layers, sandbox.zygote_pid) == ((), None)
    with sandbox:
        assert run(sandbox, ECHO, a=3).outputs == {"a": 3}


def test_the_required_core_is_on(sandbox: Sandbox) -> None:
    on = {layer.name for layer in sandbox.layers if layer.on}
    assert on >= {"seccomp", "no_new_privs", "rlimits", "capabilities dropped"}
    assert on & {"landlock", "private root"}


def test_the_zygote_is_clean(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_SECRET", "hidden")
    with Sandbox() as fresh:
        folder = Path(f"/proc/{zygote_of(fresh)}")
        status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines())
        capabilities = [status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")]
        assert set(capabilities) == {"0" * 16}
        assert status["NoNewPrivs"].strip() == "1"
        assert (folder / "environ").stat().st_uid == 0  # not dumpable: what it has in /proc is root's
        if os.geteuid() == 0:
            assert status["Uid"].split() == ["65534"] * 4
            with suppress(PermissionError):  # of a root without CAP_SYS_PTRACE
                assert b"SECRET" not in (folder / "environ").read_bytes()
                until(lambda: len([*(folder / "fd").iterdir()]) <= 8)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: python_runtime(distributions=("nothing-of-that-name",)),
            "nothing-of-that-name is not installed",
        ),
        (lambda: python_runtime(packages=Path("/nowhere")), "no packages folder /nowhere"),
        (lambda: Sandbox(python_runtime(preload=("nothing_of_that_name",))).open(), "nothing_of_that_name"),
    ],
)
def test_a_runtime_that_cannot_start_says_why(build: Callable[[], object], message: str) -> None:
    before = (descriptors(), children(os.getpid()))
    with pytest.raises(SandboxUnavailable, match=message):
        build()
    assert (descriptors(), children(os.getpid())) == before


def test_a_packages_folder_is_importable(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("value = 7")
    tmp_path.chmod(0o755)
    with Sandbox(python_runtime(packages=tmp_path)) as sandbox:
        outcome = run(sandbox, "import mine\ndef main(): return {'a': mine.value}")
    assert outcome.outputs == {"a": 7}, outcome.fault


def test_a_thread_of_a_preloaded_package_stays_in_the_zygote(tmp_path: Path) -> None:
    start = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    (tmp_path / "threaded.py").write_text(start)
    tmp_path.chmod(0o755)
    runtime = python_runtime(packages=tmp_path, preload=("threaded",))
    code = """
    import threading
    def main():
        return {"running": [thread.name for thread in threading.enumerate()]}
    """
    with Sandbox(runtime) as sandbox:
        assert run(sandbox, code).outputs == {"running": ["MainThread"]}


def test_a_packages_folder_that_the_cells_user_cannot_read_is_told_of(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    if os.geteuid() or not has_private_root(sandbox):
        pytest.skip("here the cells' user is the owner, or root where it must be")
    tmp_path.chmod(0o700)
    with pytest.raises(SandboxUnavailable, match=f"cannot be read by the user of the cells: '{tmp_path}'"):
        Sandbox(python_runtime(packages=tmp_path)).open()


# What a cell could leave for the next one, were anything shared.
PERSISTENCE = [
    ("import builtins\nbuiltins.left = 1", "import builtins\nreturn {'a': hasattr(builtins, 'left')}"),
    ("import json\njson.left = 1", "import json\nreturn {'a': hasattr(json, 'left')}"),
    ("import os\nos.environ['LEFT'] = '1'", "import os\nreturn {'a': 'LEFT' in os.environ}"),
    ("import os\nos.umask(0)", "import os\nreturn {'a': os.umask(0) == 0}"),
    (
        "import fcntl\nfor fd in range(4): fcntl.fcntl(fd, 4, fcntl.fcntl(fd, 3) | 0o6000)",
        "import fcntl\nreturn {'a': any(fcntl.fcntl(fd, 3) & 0o6000 for fd in range(4))}",
    ),
    ("import sys\nsys.setrecursionlimit(77)", "import sys\nreturn {'a': sys.getrecursionlimit() == 77}"),
    (
        "import signal\nsignal.signal(10, signal.SIG_IGN)",
        "import signal\nreturn {'a': signal.getsignal(10) == 1}",
    ),
    (
        "import os\nos.write(3, b'left')",
        "import os, select\nreturn {'a': bool(select.select([0], [], [], 0)[0] and os.read(0, 9))}",
    ),
]


@pytest.mark.parametrize(("leave", "look"), PERSISTENCE)
def test_nothing_stays_from_job_to_job(sandbox: Sandbox, leave: str, look: str) -> None:
    zygote = zygote_of(sandbox)
    run(sandbox, "def main():\n    " + leave.replace("\n", "\n    ") + "\n    return {}")
    for _ in range(2):  # the standby stood already while the first one ran
        outcome = run(sandbox, "def main():\n    " + look.replace("\n", "\n    "))
        assert outcome.outputs == {"a": False}, outcome.fault
    assert zygote_of(sandbox) == zygote


def test_a_cell_that_closes_its_channel_costs_the_owner_nothing(sandbox: Sandbox) -> None:
    used = os.times()
    run(
        sandbox,
        "import os, time\ndef main():\n    os.close(3)\n    time.sleep(60)",
        limits=Limits(wall_ms=1000),
    )
    now = os.times()
    assert now.user + now.system - used.user - used.system < 0.5


# As the first process of a container that has no pid namespace to give: orphans become its children.
FIRST = """
import os, sys
from cellblock_sandbox import Program, Sandbox, nodejs_runtime, python_runtime
from cellblock_sandbox.launch import kernel
from tests.sandbox.running import children
kernel.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
CODE = {python_runtime: "def main(): return {}", nodejs_runtime: "function main() { return {} }"}
for runtime, code in CODE.items():
    with Sandbox(runtime(), cells_per_zygote=3, without_layers=("pid",), self_test=False) as sandbox:
        for number in range(40):
            sandbox.run(Program(code=code), prepare=number % 2 == 0)
            sandbox.prepare(after_ms=60_000)
    print(len(children(os.getpid())), flush=True)
"""


def test_an_owner_that_is_the_first_process_has_nobody_to_bury() -> None:
    command = [sys.executable, "-c", FIRST]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    assert done.stdout.split() == ["0", "0"]


def test_a_layer_that_is_required_and_off_stops_it() -> None:
    required = ("private root", "seccomp")
    with pytest.raises(SandboxUnavailable, match="'private root' is required and cannot be had: left out"):
        Sandbox(required_layers=required, without_layers=("private root",)).open()


def test_a_layer_that_does_not_exist_is_said() -> None:
    with pytest.raises(SandboxUnavailable, match=r"no layer 'moat'; there are: .*landlock"):
        Sandbox(required_layers=("moat",)).open()
