"""At each start of a zygote a program tries what cells must refuse; one that does not hold is not used."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cellblock_sandbox import Program, Runtime, Sandbox, SandboxUnavailable, nodejs_runtime, python_runtime

RUNTIMES: dict[str, Callable[[], Runtime]] = {"python3": python_runtime, "nodejs": nodejs_runtime}


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize(
    ("without", "told"),
    [
        (("seccomp",), "(fork|start a program)"),
        (("landlock", "private root"), "read a file of the host"),
    ],
)
def test_a_missing_layer_is_found_and_named(name: str, without: tuple[str, ...], told: str) -> None:
    with pytest.raises(SandboxUnavailable, match=f"self-test of runtime {name}.*{told}"):
        Sandbox(RUNTIMES[name](), without_layers=without).open()


def breaking(runtime: Runtime, probe: str) -> Sandbox:
    return Sandbox(replace(runtime, probe=probe))


@pytest.mark.parametrize(
    ("probe", "told"),
    [
        ("def main(secret): return {}", "it ended as succeeded"),
        ("def main(secret): raise ValueError('odd')", "odd"),
        ("def main(secret): return dict.fromkeys(range(20), True) | {'fly': False}", "fly"),
        ("def main(secret): return dict.fromkeys(range(20), True) | {'lie': 1}", "lie"),
    ],
)
def test_only_plain_truth_passes(probe: str, told: str) -> None:
    with pytest.raises(SandboxUnavailable, match=told):
        breaking(python_runtime(), probe).open()


def test_it_is_done_again_for_each_new_zygote() -> None:
    """A probe that holds once and then no more: the old zygote goes on, for want of one that holds."""
    with Sandbox(cells_per_zygote=1) as sandbox:
        first = sandbox.zygote_pid
        sandbox._runtime = replace(sandbox.runtime, probe="def main(secret): return {}")
        for _ in range(3):
            sandbox.prepare()
            if sandbox._next is not None:
                with pytest.raises(SandboxUnavailable, match="self-test"):
                    sandbox._next.result()
                break
        sandbox.run(Program(code="def main(): return {}"))
        assert "self-test" in sandbox.trouble
        assert sandbox.zygote_pid == first
