"""Many trivial jobs in two sandboxes at once, each answer looked at."""

import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from cellblock_sandbox import Limits, Program, Runtime, Sandbox, SandboxError, nodejs_runtime, python_runtime

from tests.sandbox.running import children

RUNTIMES: dict[str, Callable[[], Runtime]] = {"python3": python_runtime, "nodejs": nodejs_runtime}
_CODE = {
    "python3": "def main(a, b):\n    print(a)\n    return {'sum': a + b, 'text': f'{a}-{b}'}",
    "nodejs": "async function main({a, b}) { console.log(a); return {sum: a + b, text: `${a}-${b}`} }",
}
_LIMITS = Limits(wall_ms=20_000, cpu_ms=10_000)  # no trivial job comes near to them, whatever the load
_SAMPLES = 200


@dataclass(kw_only=True)
class Soaked:
    """What came of one language's jobs."""

    jobs: int = 0
    wrong: list[str] = field(default_factory=list)
    zygotes: int = 1
    memory_kb: list[tuple[int, int]] = field(default_factory=list)  # of the owner, after so many jobs

    def slope(self) -> float:
        """KB that the owner grew in a thousand jobs, once it had run a quarter of them."""
        late = self.memory_kb[len(self.memory_kb) // 4 :]
        if len(late) < 2:
            return 0.0
        return 1000 * statistics.linear_regression(*zip(*late, strict=True)).slope


@dataclass(kw_only=True)
class Left:
    """What the owner had more than before when all was closed."""

    descriptors: int = 0
    processes: int = 0


def soak(jobs: int, load: int, cells_per_zygote: int) -> tuple[dict[str, Soaked], Left]:
    """Run so many jobs of each language, beside so many processes that keep the cores busy."""
    before = _held()
    found = {language: Soaked() for language in RUNTIMES}
    with ExitStack() as stack:
        for _ in range(load):
            stack.enter_context(_burner())
        threads = [
            threading.Thread(target=_run, args=(language, soaked, jobs, cells_per_zygote))
            for language, soaked in found.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    descriptors, processes = (now - then for now, then in zip(_held(), before, strict=True))
    return found, Left(descriptors=descriptors, processes=processes)


def _run(language: str, soaked: Soaked, jobs: int, cells_per_zygote: int) -> None:
    program = Program(code=_CODE[language])
    with Sandbox(RUNTIMES[language](), cells_per_zygote=cells_per_zygote) as sandbox:
        zygote = sandbox.zygote_pid
        for number in range(jobs):
            soaked.wrong += _job(sandbox, program, number)
            soaked.jobs += 1
            if sandbox.zygote_pid != zygote:
                zygote = sandbox.zygote_pid
                soaked.zygotes += 1
            if number % max(1, jobs // _SAMPLES) == 0:
                soaked.memory_kb.append((number, _resident_kb()))


def _job(sandbox: Sandbox, program: Program, number: int) -> list[str]:
    try:
        outcome = sandbox.run(program, {"a": number, "b": 7}, _LIMITS)
    except SandboxError as error:
        return [f"job {number}: {type(error).__name__}: {error}"]
    expected = {"sum": number + 7, "text": f"{number}-7"}
    if (dict(outcome.outputs), outcome.stdout, outcome.stderr) == (expected, f"{number}\n", ""):
        return []
    return [f"job {number}: {outcome.verdict}: {outcome.fault} {outcome.outputs} {outcome.stdout!r}"]


@contextmanager
def _burner() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def _held() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), len(children(os.getpid()))  # noqa: PTH208 - no object for each


def _resident_kb() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - as above
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
