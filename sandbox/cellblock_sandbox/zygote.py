"""The owner's end of a zygote: launched once, asked for cells, heard about their ends.

Zygote.launch ──plan──> launch ──report──> (exec) ──config──> warm
Zygote.fork   ──order, descriptors──>      "forked" + pidfd, later "exited"   ──> Zygote.hear
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from cellblock_sandbox import cgroup as cgroups
from cellblock_sandbox.cell import Cell, Exit
from cellblock_sandbox.cgroup import Cgroup, NoCgroup
from cellblock_sandbox.errors import CellLost, SandboxUnavailable
from cellblock_sandbox.launch.plan import Layer, Plan, Report, read_report
from cellblock_sandbox.model import Limits
from cellblock_sandbox.policy import SELF, compile_early_filter, compile_in_two
from cellblock_sandbox.runtime import Runtime

_LAUNCH: Final = (
    "import runpy, sys; sys.path.insert(0, sys.argv[1]); "
    "runpy.run_module('launch', run_name='__main__', alter_sys=True)"
)
_MESSAGE_BYTES: Final = 1 << 17
_REPORT_BYTES: Final = 4 << 10  # of a cell; with much more, libc would map memory for each
_GIVEN: Final = struct.Struct("3i")  # what a cell gets
_PASSED: Final = struct.Struct("i")  # a pidfd
_PASSED_BYTES: Final = socket.CMSG_LEN(_PASSED.size)
_LAUNCH_SECONDS: Final = 30.0
_BURIAL_SECONDS: Final = 5.0
_UNPRIVILEGED: Final = 65534  # nobody
_FILES_CLOSED: Final = {"landlock", "private root"}  # one of them is in the required core
_RLIMITS: Final = {
    "RLIMIT_CORE": 0,
    "RLIMIT_FSIZE": 0,
    "RLIMIT_MEMLOCK": 0,
    "RLIMIT_MSGQUEUE": 0,
    "RLIMIT_NPROC": 1024,  # threads of a zygote and its cells; only where no others are counted with them
    "RLIMIT_NOFILE": 64,  # what waits in pipes and sockets is the kernel's memory, and nobody's limit
    "RLIMIT_SIGPENDING": 256,
    "RLIMIT_STACK": 8 << 20,
}


class Zygote:
    """A warm interpreter of one runtime; belongs to the thread of execution that launched it."""

    def __init__(
        self, control: socket.socket, process: _Process, layers: tuple[Layer, ...], cgroup: Cgroup | None
    ) -> None:
        self.control = control
        self.layers = layers
        self.born = time.monotonic()
        self.forks = 0
        self._process = process
        self._cgroup = cgroup
        self._cells: dict[int, Cell] = {}

    @property
    def pid(self) -> int:
        """Its process, by our own pid namespace."""
        return self._process.pid

    def fork(self, after_ms: int = 0, *, rehearse: bool = True, done: Cell | None = None) -> Cell:
        """Ask for a cell, which comes while we do something else, not before `after_ms` unless we hurry.

        One that has rehearsed answers sooner and has cost more: it is for a job that is still to come. The
        zygote ends the cell `done`, which has answered, just before. Raises CellLost when the zygote is dead.
        """
        self.forks += 1
        cell = Cell(self.forks, put_off=after_ms > 0)
        self._cells[cell.seq] = cell
        order = b"%d %d %d %d" % (cell.seq, after_ms, rehearse, done.seq if done else 0)
        passed = (socket.SOL_SOCKET, socket.SCM_RIGHTS, _GIVEN.pack(*cell.inner_descriptors()))
        try:
            self.control.sendmsg((order,), (passed,))
        except OSError as error:
            self._cells.pop(cell.seq).close()
            raise CellLost("the zygote died") from error
        finally:
            cell.let_go_of_inner()
        return cell

    def hurry(self) -> None:
        """Have a cell that was asked for made now; raises CellLost when the zygote is dead."""
        try:
            self.control.send(b"now")
        except OSError as error:
            raise CellLost("the zygote died") from error

    def make_room(self, limits: Limits) -> None:
        """Let its control group, if any, hold a job of such limits; raises CellLost where it is gone."""
        if self._cgroup is not None:
            try:
                self._cgroup.allow(limits.memory_mb, limits.threads)
            except OSError as error:
                raise CellLost("the zygote's control group is gone") from error

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed one of its cells for its control group's sake since we last asked."""
        return self._cgroup is not None and self._cgroup.killed_one()

    def hear(self) -> None:
        """Take one message that is there; raises CellLost when the zygote is dead."""
        try:
            message, ancillary, _, _ = self.control.recvmsg(_REPORT_BYTES, _PASSED_BYTES)
        except OSError as error:
            raise CellLost("the zygote died") from error
        if not message:
            raise CellLost("the zygote died")
        told, *numbers = message.split()
        if told == b"forked":
            ((_, _, passed),) = ancillary
            self._cells[int(numbers[0])].forked(*_PASSED.unpack(passed))
            return
        seq, status, cpu_ns, peak_kb = map(int, numbers)
        self._cells.pop(seq).exit = Exit(status=status, cpu_ns=cpu_ns, peak_kb=peak_kb)

    def close(self) -> None:
        """End it and all its cells, and wait for that."""
        for cell in self._cells.values():
            cell.close()
        with suppress(CellLost):
            self._await_burials()
        self._cells.clear()
        self.control.close()
        self._process.end()
        if self._cgroup is not None:
            self._cgroup.end()

    def _await_burials(self) -> None:
        """Let it reap its cells: once it is gone they are the first process's, which may reap nobody."""
        if self._cells:
            self.hurry()  # what it was asked for later comes now, and goes when it sees nobody there
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        deadline = time.monotonic() + _BURIAL_SECONDS
        while self._cells and poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            self.hear()


class _Process:
    """A zygote's process: our child, and maybe the first of a pid namespace."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)

    def end(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        with suppress(ChildProcessError):  # somebody else in this process reaps every child
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        os.close(self._pidfd)


def launch(runtime: Runtime, without_layers: tuple[str, ...] = (), cgroup_base: Path | None = None) -> Zygote:
    """A warm zygote; raises SandboxUnavailable with the reason where there can be none.

    Its control group is made below `cgroup_base`, or where systemd has delegated some.

    Its parent-death signal is bound to the calling thread, which must live as long as the zygote is wanted.
    """
    filters = (b"", b"") if "seccomp" in without_layers else compile_in_two(runtime.policy)
    with _Launch() as launching:
        bounded = launching.join_cgroup(cgroup_base, without_layers)
        launching.send(_plan(runtime, without_layers).to_json())
        report = read_report(launching.receive())
        launching.follow(report)
        _require_core(report, without_layers)
        launching.send(_config(runtime, filters, report))
        warm = json.loads(launching.receive())
        if "error" in warm:
            raise SandboxUnavailable(f"runtime {runtime.name} does not start: {warm['error']}")
        layers = (*report.layers, bounded, Layer(name="seccomp", on=any(filters)))
        control, process, cgroup = launching.succeeded()
        return Zygote(control, process, layers, cgroup)


class _Launch:
    """A launch under way; whatever it started is ended unless it succeeds."""

    def __init__(self) -> None:
        self._control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_LAUNCH_SECONDS)
        self._errors, inner_errors = os.pipe()
        with inner:
            self._launched = _start(inner, inner_errors)
        os.close(inner_errors)
        self._process: _Process | None = None
        self._cgroup: Cgroup | None = None
        self._success = False

    def __enter__(self) -> _Launch:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._errors)
        if self._success:
            return
        self._control.close()
        if self._process is not None:
            self._process.end()
        else:
            self._launched.kill()
            self._launched.wait()
        if self._cgroup is not None:
            self._cgroup.end()

    def join_cgroup(self, base: Path | None, without_layers: tuple[str, ...]) -> Layer:
        """Bound what is launched, before it has done anything, by a control group where one can be had."""
        if cgroups.NAME in without_layers:
            return cgroups.layer(None, "left out on purpose")
        try:
            self._cgroup = Cgroup(cgroups.find_base(base))
            self._cgroup.take(self._launched.pid)
        except NoCgroup as error:
            if self._cgroup is not None:
                self._cgroup.end()
                self._cgroup = None
            return cgroups.layer(None, str(error))
        return cgroups.layer(self._cgroup, "")

    def send(self, message: bytes) -> None:
        """Tell the other side, which may be dead: then `receive` says why."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._control.send(message)

    def receive(self) -> bytes:
        """One message; raises SandboxUnavailable with what the other side wrote when it died."""
        try:
            message = self._control.recv(_MESSAGE_BYTES)
        except TimeoutError as error:
            raise SandboxUnavailable(f"the runtime did not start within {_LAUNCH_SECONDS:.0f} s") from error
        except ConnectionResetError:
            message = b""
        if not message:
            written = os.read(self._errors, 4000).decode(errors="replace").strip()
            raise SandboxUnavailable(f"the runtime died while it started: {written or 'it left no word'}")
        return message

    def follow(self, report: Report) -> None:
        """Take hold of the zygote's process: the launched one, or the one that it forked beside itself."""
        if report.pid:
            self._process = _Process(report.pid)
            self._launched.wait()
        elif not report.error:
            self._process = _Process(self._launched.pid)
            self._launched.returncode = 0  # from here on it is ours to reap, not subprocess's

    def succeeded(self) -> tuple[socket.socket, _Process, Cgroup | None]:
        """Hand over what was made; raises SandboxUnavailable where it is gone again."""
        assert self._process is not None
        if self._cgroup is not None:
            try:
                self._cgroup.warm()
            except OSError as error:
                raise SandboxUnavailable(f"the control group went away: {error}") from error
        self._success = True
        self._control.settimeout(None)
        return self._control, self._process, self._cgroup


def _start(control: socket.socket, errors: int) -> subprocess.Popen[bytes]:
    """Start the launch with the control socket as descriptor 3."""
    folder = str(Path(__file__).parent)
    number = control.fileno()
    move = f"import os; os.dup2({number}, 3) if {number} != 3 else None; "
    interpreter = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]
    return subprocess.Popen(
        [interpreter, "-I", "-S", "-B", "-c", move + _LAUNCH, folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        pass_fds=(number,),
        env={},
        start_new_session=True,
        cwd="/",
    )


def _plan(runtime: Runtime, without_layers: tuple[str, ...]) -> Plan:
    return Plan(
        argv=runtime.argv,
        environ=dict(runtime.environ),
        trees=runtime.trees,
        uid=_UNPRIVILEGED if os.geteuid() == 0 else None,
        rlimits=_RLIMITS,
        filter=base64.b64encode(compile_early_filter(runtime.policy)).decode(),
        without_layers=without_layers,
    )


def _config(runtime: Runtime, filters: tuple[bytes, bytes], report: Report) -> bytes:
    landlock = next(layer for layer in report.layers if layer.name == "landlock")
    scopes = landlock.on and int(landlock.detail.removeprefix("ABI ")) >= 6
    config: dict[str, Any] = {
        **runtime.config,
        "inherited_filter": base64.b64encode(filters[0]).decode(),
        "filter": base64.b64encode(filters[1]).decode(),
        "self_marker": SELF,
        "nested_landlock": scopes,
    }
    return json.dumps(config).encode()


def _require_core(report: Report, without_layers: tuple[str, ...]) -> None:
    """Raises SandboxUnavailable where the required core is not whole."""
    if report.error:
        raise SandboxUnavailable(f"the sandbox cannot be set up here: {report.error}")
    on = {layer.name for layer in report.layers if layer.on}
    if not on & _FILES_CLOSED and not set(without_layers) >= _FILES_CLOSED:
        reasons = "; ".join(f"{layer.name}: {layer.detail}" for layer in report.layers if not layer.on)
        raise SandboxUnavailable(
            "files would be open to the code: neither Landlock (Linux 5.13, CONFIG_SECURITY_LANDLOCK) "
            f"nor a private root (user namespaces, or root with CAP_SYS_ADMIN) can be had here. {reasons}"
        )
