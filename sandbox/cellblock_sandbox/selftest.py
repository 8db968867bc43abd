"""Proves at each start of a zygote that its cells hold: a program of ours tries what must fail, and what not.

zygote ──> a cell ──> the runtime's probe: {"what was tried": it went as it must} ──> all of it, or no zygote
"""

from __future__ import annotations

from typing import Final

from cellblock_sandbox.errors import CellLost, SandboxUnavailable
from cellblock_sandbox.judge import judge
from cellblock_sandbox.model import Limits, Mode, Outcome, Program
from cellblock_sandbox.runtime import Runtime
from cellblock_sandbox.supervise import encode_job, supervise, wait_ready
from cellblock_sandbox.zygote import Zygote

_LIMITS: Final = Limits(wall_ms=20_000, cpu_ms=20_000)
_READABLE: Final = "/etc/passwd"  # by anybody but a cell
_LEAST: Final = 10  # probes; one that answers less has not tried


def prove(zygote: Zygote, runtime: Runtime) -> None:
    """Run the runtime's probe in a real cell of `zygote`.

    Raises SandboxUnavailable that names every probe that did not go as it must.
    """
    outcome = _run(zygote, Program(code=runtime.probe), {"secret": _READABLE})
    outputs = dict(outcome.outputs)
    if outcome.fault is not None or len(outputs) < _LEAST:
        ended = f"it ended as {outcome.verdict}: {outcome.fault}"
        raise SandboxUnavailable(f"self-test of runtime {runtime.name}: {ended}")
    wrong = [what for what, right in outputs.items() if right is not True]
    if wrong:
        failing = f"cells do not hold here: {', '.join(wrong)}"
        raise SandboxUnavailable(f"self-test of runtime {runtime.name}: {failing}")


def _run(zygote: Zygote, program: Program, inputs: dict[str, object]) -> Outcome:
    cell = zygote.fork()
    try:
        baseline = wait_ready(cell, zygote)
        job = encode_job(program, inputs)
        return judge(supervise(cell, zygote, baseline, job, Mode.MAIN, _LIMITS), _LIMITS)
    except CellLost as error:
        raise SandboxUnavailable(f"self-test: {error}") from error
    finally:
        cell.close()
