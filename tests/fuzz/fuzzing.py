"""Cells that do random things, one after the other, and whether all stays sound around them."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cellblock_sandbox import Limits, Program, Runtime, Sandbox, SandboxError, nodejs_runtime, python_runtime
from cellblock_sandbox.node.runtime import oneshot_runtime

from tests.escape.world import World
from tests.fuzz import calls, modules
from tests.fuzz.soundness import Watch

RUNTIMES: dict[str, Callable[[], Runtime]] = {
    "python3": python_runtime,
    "nodejs": nodejs_runtime,
    "nodejs-oneshot": oneshot_runtime,
}
_LIMITS = Limits(wall_ms=700, cpu_ms=500, memory_mb=64, output_bytes=64 << 10)
_FOR_EVER = 1_000_000_000


@dataclass(kw_only=True)
class Found:
    """What came of a run: verdicts by number, and what was wrong by the number of the cell."""

    cells: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    wrong: dict[int, list[str]] = field(default_factory=dict)


def fuzz(runtime: str, seed: int, seconds: float, first: int = 0, most: int = _FOR_EVER) -> Found:
    """Run cells number `first` and so on, at most so many, until the time is over."""
    found = Found()
    end = time.monotonic() + seconds
    with World() as world:
        for number in _in_sandboxes(runtime, world, seed, first, found):
            found.cells += 1
            if time.monotonic() > end or number + 1 == first + most:
                break
    return found


def _in_sandboxes(runtime: str, world: World, seed: int, first: int, found: Found) -> Iterator[int]:
    """Yields the number of each cell that is done; a sandbox with which something was wrong is made anew."""
    number = first
    while True:
        with Sandbox(
            RUNTIMES[runtime](), cells_per_zygote=_FOR_EVER, seconds_per_zygote=_FOR_EVER
        ) as sandbox:
            watch = Watch(sandbox, world)
            while number not in found.wrong:
                try:
                    wrong = _one(sandbox, watch, world, seed, number, found)
                except SandboxError as error:
                    wrong = [f"{type(error).__name__}: {error}"]
                if wrong:
                    found.wrong[number] = wrong
                else:
                    number += 1
                    yield number - 1
        number += 1
        yield number - 1


def _one(sandbox: Sandbox, watch: Watch, world: World, seed: int, number: int, found: Found) -> list[str]:
    """Run one cell, which its numbers determine but for time, and look around."""
    language = sandbox.runtime.language
    rng = random.Random(f"{language} {seed} {number}")
    code, told = (calls.CODE, _calls(rng)) if language == "python3" else (modules.CODE, _modules(rng))
    outcome = sandbox.run(Program(code=code), {**world.inputs(sandbox.zygote_pid), **told}, _LIMITS)
    found.verdicts[str(outcome.verdict)] += 1
    return watch.wrong(outcome)


def _calls(rng: random.Random) -> dict[str, Any]:
    return {
        "seed": rng.getrandbits(32),
        "numbers": rng.choices(calls.choices(), weights=[5, 7, 7, 1])[0],
        "swarm": rng.choice([0, 3, 10, 40]),
        "calls": rng.choice([100, 1000, 3000]),
        "threads": rng.choice([0, 0, 2]),
    }


def _modules(rng: random.Random) -> dict[str, Any]:
    return {
        "seed": rng.getrandbits(32),
        "besides": [],
        "harmless": rng.choice([(), modules.HARMLESS, modules.HARMLESS]),
        "swarm": rng.choice([0, 1, 3, 8]),
        "calls": rng.choice([50, 300, 1000]),
    }
