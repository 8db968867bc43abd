"""Where Node.js cannot be forked, a process of its own is booted ahead of each job, confined alike."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cellblock_sandbox import Limits, Sandbox, SandboxUnavailable, Verdict, best_nodejs_runtime
from cellblock_sandbox.node import runtime, trial
from cellblock_sandbox.node.runtime import oneshot_runtime

from tests.sandbox.running import fault, run, standby_of


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(oneshot_runtime()) as sandbox:
        yield sandbox


def test_each_job_has_a_process_of_its_own(sandbox: Sandbox) -> None:
    code = "async function main({n}) { console.log('hi'); return {n, pid: process.pid, r: Math.random()} }"
    first, second = (run(sandbox, code, n=n) for n in (1, 2))
    assert (first.outputs["n"], second.outputs["n"]) == (1, 2)
    assert first.stdout == "hi\n"
    for what in ("pid", "r"):
        assert first.outputs[what] != second.outputs[what]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("require('fs').readFileSync('/etc/passwd')", "open the file"),
        ("require('fs').writeFileSync('/tmp/new', '')", "open the file"),
        ("require('child_process').execSync('id')", "start another process"),
        ("process.kill(process.ppid, 9)", "signal another process"),
        ("await fetch('http://127.0.0.1:8080')", "network"),
        ("process.execve('/bin/sh', ['sh'])", "start another process"),
    ],
)
def test_refusals_are_those_of_forked_cells(sandbox: Sandbox, body: str, what: str) -> None:
    outcome = run(sandbox, f"async function main() {{ {body}; return {{}} }}")
    if what != "execve":
        assert (outcome.verdict, what in fault(outcome).message) == (Verdict.BLOCKED, True)
    assert outcome.verdict is not Verdict.SUCCEEDED


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("for (;;);", Verdict.TIMEOUT),
        ("const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1))", Verdict.MEMORY_LIMIT),
        ("process.exit(3)", Verdict.CODE_ERROR),
        ("throw new Error('x')", Verdict.CODE_ERROR),
        ("process.reallyExit = 1; process.abort()", Verdict.CRASHED),
    ],
)
def test_ends(sandbox: Sandbox, body: str, verdict: Verdict) -> None:
    limits = Limits(wall_ms=1_500, memory_mb=64)
    assert run(sandbox, f"function main() {{ {body} }}", limits=limits).verdict is verdict


def test_every_thread_of_a_cell_is_confined(sandbox: Sandbox) -> None:
    assert run(sandbox, "function main() { return {} }").verdict is Verdict.SUCCEEDED
    states = [(task / "status").read_text() for task in Path(f"/proc/{standby_of(sandbox)}/task").iterdir()]
    assert len(states) > 1
    assert all("Seccomp:\t2" in state and "NoNewPrivs:\t1" in state for state in states)


def test_forked_cells_are_taken_where_they_work() -> None:
    assert best_nodejs_runtime().note == ""


def test_without_the_addon_a_note_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runtime, "_ADDON", tmp_path / "cell.node")
    fallback = best_nodejs_runtime()
    assert "C compiler" in fallback.note
    with Sandbox(fallback) as sandbox:
        assert run(sandbox, "function main() { return {a: 1} }").outputs == {"a": 1}


def test_where_the_trial_fails_the_note_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_EXPECTED", {"zipped": "nonsense"})
    trial._trial.cache_clear()
    try:
        assert "a trial ended as succeeded" in best_nodejs_runtime().note
    finally:
        trial._trial.cache_clear()


@pytest.mark.parametrize(
    ("interpreter", "told"),
    [
        ("/nowhere", r"no Node\.js at /nowhere"),
        ("/usr/bin", r"no Node\.js at /usr/bin"),
        ("/etc/passwd", r"no Node\.js at /etc/passwd"),
        (sys.executable, r"is no Node\.js: asked for its version, it says 'Python "),
    ],
)
def test_what_is_no_node_is_said_so(interpreter: str, told: str) -> None:
    with pytest.raises(SandboxUnavailable, match=told):
        best_nodejs_runtime(interpreter=Path(interpreter))


@pytest.mark.skipif(not Path("/usr/bin/node").exists(), reason="the system has no Node.js")
def test_a_node_of_the_systems_own() -> None:
    with Sandbox(best_nodejs_runtime(interpreter=Path("/usr/bin/node"))) as sandbox:
        assert run(sandbox, "async function main() { return {v: process.version} }").outputs["v"]
        # Some wait, when nothing is left to do, for what was given to threads: here the collector's work.
        body = "for await (const _ of require('v8').getHeapSnapshot()); await new Promise(() => {})"
        told = fault(run(sandbox, f"async function main() {{ {body} }}", limits=Limits(memory_mb=256)))
        assert "a promise that never settles" in told.message
