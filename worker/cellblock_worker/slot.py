"""What one pool process keeps warm: a sandbox for each runtime that it serves."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypedDict

from cellblock_producer.contract import Job
from cellblock_sandbox import Sandbox

from .runtimes import build
from .settings import Settings

# Making a standby takes a core for some milliseconds: the one that the client needs to take its Result.
_QUIET_MS: Final = 3
_BUSY_S: Final = 0.01

_prepared = 0.0
sandboxes: Final[dict[str, Sandbox]] = {}
"""Those that are open in this process, by the name of their runtime."""
layers: Final[dict[str, bool]] = {}
"""Whether each layer of the sandbox was on when `check` looked."""
_told: Final[dict[str, str]] = {}  # troubles that were logged
_log = logging.getLogger(__name__)


class NoSuchRuntime(LookupError):
    """This worker serves no such runtime; the message is for the author of the job."""


class Hooks(TypedDict):
    """What a worker calls of a slot."""

    check: Callable[[], None]
    warm_up: Callable[[], None]
    prepare: Callable[[], None]
    cool_down: Callable[[], None]


def hooks(settings: Settings) -> Hooks:
    """The hooks of `create_app` for the runtimes of `settings`."""
    return Hooks(
        check=partial(check, settings),
        warm_up=partial(open, settings),
        prepare=prepare,
        cool_down=close,
    )


def open(settings: Settings, only: Job | None = None) -> None:  # noqa: A001 - open and close are what it is
    """Start the runtimes, or that of one job; raises SandboxUnavailable where they cannot be had here."""
    names = settings.runtimes if only is None else {_name(only)}
    for name in settings.runtimes:
        if name in names and name not in sandboxes:
            runtime = build(name, settings.runtimes[name])
            sandbox = Sandbox(runtime, required_layers=settings.require_layers, cgroup=settings.cgroup)
            sandbox.open()
            sandboxes[name] = sandbox


def prepare() -> None:
    """Have a standby made for the next job: after the Result is written, which is what somebody waits for.

    Where jobs come one upon the other it is made at once; else when the Result has had time to arrive.
    """
    global _prepared
    now = time.monotonic()
    busy, _prepared = now - _prepared < _BUSY_S, now
    for name, sandbox in sandboxes.items():
        sandbox.prepare(after_ms=0 if busy else _QUIET_MS)
        if sandbox.trouble != _told.get(name, ""):
            _tell(name, sandbox.trouble)


def troubles() -> dict[str, str]:
    """Why a runtime of this pool process cannot be renewed, by its name; empty where all is well."""
    return {name: sandbox.trouble for name, sandbox in sandboxes.items() if sandbox.trouble}


def _tell(name: str, trouble: str) -> None:
    """Log it once."""
    _told[name] = trouble
    if trouble:
        _log.error("runtime %s: no fresh zygote can be had, the old one goes on: %s", name, trouble)
    else:
        _log.info("runtime %s: a fresh zygote could be had again", name)


def close() -> None:
    """End them."""
    while sandboxes:
        sandboxes.popitem()[1].close()


def sandbox_for(job: Job) -> Sandbox:
    """The open sandbox of the runtime that the job asks for; raises NoSuchRuntime."""
    sandbox = sandboxes.get(_name(job))
    if sandbox is None or sandbox.runtime.language != job.language:
        field = "language" if job.runtime is None else "runtime"
        asked = job.runtime or job.language.value
        served = ", ".join(sorted(sandboxes)) or "none"
        raise NoSuchRuntime(f"{field}: this worker does not serve {asked} (it serves: {served})")
    return sandbox


def _name(job: Job) -> str:
    return job.runtime or job.language.value


def check(settings: Settings) -> None:
    """Show once, before any pool process is forked, that code can be confined here.

    Raises SandboxUnavailable with what is missing; a worker must not start then.
    """
    try:
        open(settings)
        found = {layer.name: layer for sandbox in sandboxes.values() for layer in sandbox.layers}
        notes = {name: sandbox.runtime.note for name, sandbox in sandboxes.items() if sandbox.runtime.note}
    finally:
        close()
    layers.update((name, layer.on) for name, layer in found.items())
    for name, detail in ((name, layer.detail) for name, layer in found.items() if not layer.on):
        _log.warning("sandbox layer off: %s (%s)", name, detail or "no reason given")
    for name, note in notes.items():
        _log.warning("runtime %s: %s", name, note)
