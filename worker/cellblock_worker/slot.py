"""What one pool process keeps warm: a sandbox for each runtime that it serves."""

import logging
import time
from functools import cache
from typing import Final

from cellblock_producer.contract import Job, Language
from cellblock_sandbox import Sandbox, python_runtime

# The runtime of a job that names none, by language. Node.js joins here.
_DEFAULTS: Final = {Language.PYTHON3: "python3"}

# Looking for a runtime's files takes time and memory: once, before the pool processes are forked.
_python_runtime: Final = cache(python_runtime)
# Making a standby takes a core for some milliseconds: the one that the client needs to take its Result.
_QUIET_MS: Final = 3
_BUSY_S: Final = 0.01

_prepared = 0.0
_sandboxes: Final[dict[str, Sandbox]] = {}
_log = logging.getLogger(__name__)


class NoSuchRuntime(LookupError):
    """This worker serves no such runtime; the message is for the author of the job."""


def open() -> None:  # noqa: A001 - slot.open() and slot.close() are what it is
    """Start the runtimes; raises SandboxUnavailable where this host cannot confine them."""
    if not _sandboxes:
        sandbox = Sandbox(_python_runtime())
        sandbox.open()
        _sandboxes[sandbox.runtime.name] = sandbox


def prepare() -> None:
    """Have a standby made for the next job: after the Result is written, which is what somebody waits for.

    Where jobs come one upon the other it is made at once; else when the Result has had time to arrive.
    """
    global _prepared
    now = time.monotonic()
    busy, _prepared = now - _prepared < _BUSY_S, now
    for sandbox in _sandboxes.values():
        sandbox.prepare(after_ms=0 if busy else _QUIET_MS)


def close() -> None:
    """End them."""
    while _sandboxes:
        _sandboxes.popitem()[1].close()


def sandbox_for(job: Job) -> Sandbox:
    """The open sandbox of the runtime that the job asks for; raises NoSuchRuntime."""
    name = job.runtime or _DEFAULTS.get(job.language)
    sandbox = _sandboxes.get(name or "")
    if sandbox is None or sandbox.runtime.language != job.language:
        field = "language" if job.runtime is None else "runtime"
        asked = job.runtime or job.language.value
        served = ", ".join(sorted(_sandboxes)) or "none"
        raise NoSuchRuntime(f"{field}: this worker does not serve {asked} (it serves: {served})")
    return sandbox


def check() -> None:
    """Show once, before any pool process is forked, that code can be confined here.

    Raises SandboxUnavailable with what is missing; a worker must not start then.
    """
    try:
        open()
        layers = {
            layer.name: layer.detail
            for sandbox in _sandboxes.values()
            for layer in sandbox.layers
            if not layer.on
        }
    finally:
        close()
    for name, detail in layers.items():
        _log.warning("sandbox layer off: %s (%s)", name, detail or "no reason given")
