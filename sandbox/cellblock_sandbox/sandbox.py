"""The library's one class: runs untrusted code, a fresh confined cell for each piece.

Sandbox ──owns──> zygote ──fork──> standby, made while nothing else is to do; the next job takes it
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from cellblock_sandbox.cell import Cell
from cellblock_sandbox.errors import CellLost, SandboxClosed, SandboxUnavailable
from cellblock_sandbox.judge import Ending, judge
from cellblock_sandbox.launch.plan import Layer
from cellblock_sandbox.model import Limits, Mode, Outcome, Program
from cellblock_sandbox.python.runtime import python_runtime
from cellblock_sandbox.runtime import Runtime
from cellblock_sandbox.selftest import prove
from cellblock_sandbox.supervise import Baseline, encode_job, supervise, wait_ready
from cellblock_sandbox.tally import Tally
from cellblock_sandbox.zygote import Zygote, launch

_CALM_S = 0.003  # who comes so long after the job before it did not wait for that
_LEISURE_S = 0.01  # and here there is a core for whoever is not in a hurry


class Sandbox:
    """Runs one piece of code at a time, each in a cell of its own; further callers wait their turn.

    Use it as a context manager. It must be opened in the process that uses it: not before a fork.
    """

    def __init__(
        self,
        runtime: Runtime | None = None,
        *,
        cells_per_zygote: int = 2_000,
        seconds_per_zygote: float = 600.0,
        required_layers: tuple[str, ...] = (),
        cgroup: Path | None = None,
        without_layers: tuple[str, ...] = (),
        self_test: bool = True,
    ) -> None:
        """`runtime` is the default Python runtime where none is given.

        Cells of one zygote share its address layout and hash seed; it is replaced after `cells_per_zygote`
        or `seconds_per_zygote`, whichever comes first. `required_layers` names layers that are wanted beside
        the core, as `layers` names them. `cgroup` is a control group (v2) that holds no processes itself,
        below which each zygote and its cells get one of their own; by default one that systemd has delegated
        to us, or none. `without_layers` names layers to leave out: it exists so that tests can show that each
        one counts, and nothing else may use it; so it is with `self_test`, without which nobody tries whether
        a new zygote's cells hold.
        """
        self._runtime = runtime or python_runtime()
        self._cells_per_zygote = cells_per_zygote
        self._seconds_per_zygote = seconds_per_zygote
        self._required_layers = required_layers
        self._cgroup = cgroup
        self._without_layers = without_layers
        self._self_test = self_test
        self.tally = Tally()
        self._trouble = ""
        self._turn = threading.Lock()
        self._owner = 0
        self._zygote: Zygote | None = None
        self._standby: Cell | None = None
        self._lingering: Cell | None = None  # it has answered and was stopped; who waits for that comes first
        self._next: Future[Zygote] | None = None
        self._ended = 0.0  # when the last job did

    def __enter__(self) -> Sandbox:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def runtime(self) -> Runtime:
        """The runtime whose code it runs."""
        return self._runtime

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What confines the code here; empty while closed."""
        return self._zygote.layers if self._zygote else ()

    @property
    def trouble(self) -> str:
        """Why no fresh zygote could be had when last wanted, such as a failing probe; "" if all is well.

        An older one, which has passed its self-test, goes on meanwhile.
        """
        return self._trouble

    @property
    def zygote_pid(self) -> int | None:
        """The process that cells are forked from, None while closed."""
        return self._zygote.pid if self._zygote else None

    def open(self) -> None:
        """Launch the zygote and the first standby.

        Raises SandboxUnavailable where a required layer is missing, the runtime does not start, or its cells
        do not hold when the self-test tries them;
        SandboxClosed in the child of a fork.
        """
        with self._turn:
            if self._owner == os.getpid():
                return
            if self._owner:
                raise SandboxClosed("this sandbox was opened before a fork; make another one here")
            self._owner = os.getpid()
            # A parent-death signal is bound to a thread: this one lives as long as the sandbox.
            self._launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cellblock-launch")
            try:
                self._replace()
                self._prepare()
            except BaseException:
                self._owner = 0
                self._drop()
                self._retire()
                self._launcher.shutdown()
                raise

    def close(self) -> None:
        """End the zygote and whatever runs; returns when nothing is left."""
        with self._turn:
            if self._owner != os.getpid():
                return
            self._owner = 0
            self._drop()
            self._retire()
            self._launcher.shutdown()

    def run(
        self,
        program: Program,
        inputs: Mapping[str, object] | None = None,
        limits: Limits | None = None,
        *,
        prepare: bool = True,
        stop: Callable[[], bool] | None = None,
    ) -> Outcome:
        """Run `program` in a fresh cell and return how it ended; whatever the code does is an Outcome.

        The next standby is asked for at the end, unless `prepare` is false: then call `prepare()` as soon
        as what is more urgent is done. Until then the cell that has answered may be there still, stopped.

        `stop` is asked every 20 ms while the code runs, and ends it when it says true: with the verdict
        `cancelled`, unless its answer was there already. It must be quick, since the clocks wait for it;
        `threading.Event().is_set` will do.

        Raises CellLost when the zygote was killed from outside while the code ran, SandboxUnavailable when
        it cannot be started again, SandboxClosed after close(), ValueError when the inputs are no JSON.
        """
        limits = limits or Limits()
        job = encode_job(program, inputs or {})
        self._check_open()  # before the turn, which a fork may have copied in somebody else's hands
        with self._turn:
            self._check_open()
            if self._zygote is None:
                self._replace()
            gap = time.monotonic() - self._ended
            linger = gap > _LEISURE_S and not prepare
            ending = self._supervised(job, program.mode, limits, stop, linger=linger, near=gap > _CALM_S)
            self._ended = time.monotonic()
            if prepare:
                self._prepare(rehearse=gap > _CALM_S)
        return judge(ending, limits)

    def prepare(self, after_ms: int = 0) -> None:
        """Ask for the next standby, if there is none, to be made in `after_ms` or when it is wanted.

        One that is wanted at once does not rehearse: its job waits already, and it is cheaper so in all.
        Never fails: the next `run` sees to what is missing.
        """
        if self._owner == os.getpid():
            with self._turn:
                self._prepare(after_ms, rehearse=after_ms > 0)

    def _check_open(self) -> None:
        if self._owner != os.getpid():
            raise SandboxClosed("open the sandbox in the process that uses it (it is closed, or you forked)")

    def _supervised(
        self,
        job: bytes,
        mode: Mode,
        limits: Limits,
        stop: Callable[[], bool] | None,
        *,
        linger: bool,
        near: bool,
    ) -> Ending:
        """How a job ended in the cell that stands ready, which may linger or is closed."""
        cell, zygote, baseline = self._take()
        try:
            ending = supervise(cell, zygote, baseline, job, mode, limits, stop, linger=linger, near=near)
        except BaseException as error:
            cell.close()
            if isinstance(error, CellLost):
                self._retire()
            raise
        if linger:
            self._lingering = cell
        else:
            cell.close()
        return ending

    def _bury(self) -> None:
        """End the cell that has answered, if there is one."""
        if self._lingering is not None:
            self._lingering.close()
            self._lingering = None

    def _take(self) -> tuple[Cell, Zygote, Baseline]:
        """A ready cell. A zygote that died idle is replaced once: no job was in its hands."""
        self._bury()
        try:
            return self._ready()
        except CellLost:
            self._replace()
        try:
            return self._ready()
        except CellLost as error:
            self._retire()
            raise SandboxUnavailable(f"cells do not come up: {error}") from error

    def _ready(self) -> tuple[Cell, Zygote, Baseline]:
        assert self._zygote is not None
        asked, stood = time.monotonic_ns(), self._standby is not None
        cell = self._standby or self._zygote.fork(rehearse=False)
        self._standby = None
        try:
            baseline = wait_ready(cell, self._zygote)
        except BaseException:  # a time-out of the caller's may come out of a signal handler
            cell.close()
            raise
        self.tally.taken(stood, time.monotonic_ns() - asked)
        return cell, self._zygote, baseline

    def _prepare(self, after_ms: int = 0, *, rehearse: bool = True) -> None:
        """Ask for the next standby, of a fresh zygote where the time has come and one is there."""
        zygote = self._zygote
        if zygote is None or self._standby is not None:
            self._bury()
            return
        if self._next is None:
            old = time.monotonic() - zygote.born > self._seconds_per_zygote
            if old or zygote.forks >= self._cells_per_zygote:
                self._next = self._launch()
        elif self._next.done():
            with suppress(SandboxUnavailable, OSError):  # then the old one has to do, until another try
                self._replace()
        with suppress(CellLost, OSError):  # the next job finds out, and has it replaced
            self._standby = (self._zygote or zygote).fork(after_ms, rehearse=rehearse, done=self._lingering)
        if self._lingering is not None and self._standby is not None:
            self._lingering.leave()
            self._lingering = None

    def _replace(self) -> None:
        """Put a fresh zygote in the place of ours, if there is one; raises SandboxUnavailable."""
        self._next = self._next or self._launch()
        try:
            replacement = self._next.result()
        except BaseException as error:
            if self._next.done():
                self._next, self._trouble = None, str(error)
            raise
        self._retire()
        self._trouble = ""
        self._zygote, self._next = replacement, None

    def _launch(self) -> Future[Zygote]:
        return self._launcher.submit(self._launch_proven)

    def _launch_proven(self) -> Zygote:
        zygote = launch(self._runtime, self._without_layers, self._cgroup)
        try:
            self._require(zygote.layers)
            if self._self_test:
                prove(zygote, self._runtime)
        except BaseException:
            zygote.close()
            raise
        self.tally.zygotes += 1
        return zygote

    def _require(self, layers: tuple[Layer, ...]) -> None:
        told = {layer.name: layer for layer in layers}
        for name in self._required_layers:
            if name not in told:
                raise SandboxUnavailable(f"there is no layer {name!r}; there are: {', '.join(told)}")
            if not told[name].on:
                raise SandboxUnavailable(
                    f"the layer {name!r} is required and cannot be had: {told[name].detail}"
                )

    def _retire(self) -> None:
        self._bury()
        if self._zygote is not None:
            self._zygote.close()
        self._zygote = self._standby = None

    def _drop(self) -> None:
        if self._next is not None:
            with suppress(SandboxUnavailable, OSError):
                self._next.result().close()
            self._next = None
