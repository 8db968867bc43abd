"""Whether owner, zygote and host are as they were, looked at after each cell."""

import os
from contextlib import suppress
from pathlib import Path
from threading import Event

from cellblock_sandbox import Outcome, Program, Sandbox, Verdict

from tests.escape.world import World
from tests.sandbox.running import standby_of

_CALM = {
    "python3": Program(code="def main(a): return {'a': a}"),
    "nodejs": Program(code="function main({a}) { return {a} }"),
}
_DESCRIPTORS = 16  # more than a standby and a zygote under way have
_LOOKS, _LOOK_S = 600, 0.05
_IPC = [Path("/proc/sysvipc") / name for name in ("shm", "sem", "msg")]


class Watch:
    """Made around a sandbox before its first cell."""

    def __init__(self, sandbox: Sandbox, world: World) -> None:
        self._sandbox, self._world = sandbox, world
        self._answers = 0
        for _ in range(3):
            assert self._next_answers()
        self._zygote = sandbox.zygote_pid
        self._descriptors = _descriptors()
        self._places = self._around()

    def wrong(self, outcome: Outcome) -> list[str]:
        """All that is not as it must be after a cell that ended so; empty when all is well."""
        found = [*self._world.damage(), *_unsound(outcome)]
        if not self._next_answers():
            found.append("the next job did not get its answer")
        if self._sandbox.zygote_pid != self._zygote:
            found.append("the zygote was replaced")
            self._zygote = self._sandbox.zygote_pid
        if _descriptors() > self._descriptors + _DESCRIPTORS:
            found.append(f"descriptors grew from {self._descriptors} to {_descriptors()}")
        if not self._alone():
            found.append(f"processes are left: {_session_of(self._zygote)} beside {self._zygote}")
        if self._around() != self._places:
            found.append(f"from {self._places} to {self._around()}")
            self._places = self._around()
        return found

    def _next_answers(self) -> bool:
        self._answers += 1
        outcome = self._sandbox.run(_CALM[self._sandbox.runtime.language], {"a": self._answers})
        return (outcome.verdict, outcome.outputs) == (Verdict.SUCCEEDED, {"a": self._answers})

    def _alone(self) -> bool:
        """None but zygote and standby are left; who was killed may take a moment to go."""
        # The standby by name: while it is under way, somebody else would be counted in its place.
        expected = {self._zygote, standby_of(self._sandbox)}
        pause = Event()
        for _ in range(_LOOKS):
            if expected.issuperset(_session_of(self._zygote)):
                return True
            pause.wait(_LOOK_S)
        return False

    def _around(self) -> list[object]:
        """What a cell might leave outside."""
        names = sorted(path.name for path in self._world.folder.iterdir())
        return [
            names,
            os.umask(os.umask(0o022)),
            Path.cwd(),
            *(path.read_text().count("\n") for path in _IPC),
        ]


def _session_of(pid: int | None) -> list[int]:
    """All processes of its session: a zygote has one of its own, which no cell can leave, orphaned or not."""
    sessions: dict[int, bytes] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may be gone meanwhile
            sessions[int(folder.name)] = (folder / "stat").read_bytes().rpartition(b")")[2].split()[3]
    return [one for one, session in sessions.items() if session == sessions.get(pid or 0)]


def _descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def _unsound(outcome: Outcome) -> list[str]:
    """What no outcome may be."""
    found = []
    if (outcome.fault is None) != (outcome.verdict is Verdict.SUCCEEDED):
        found.append(f"{outcome.verdict} with {outcome.fault}")
    if min(outcome.usage.wall_ns, outcome.usage.cpu_ns, outcome.usage.peak_memory_kb) < 0:
        found.append(f"less than nothing was used: {outcome.usage}")
    return found
