"""`cellblock doctor`: what confines code on this host, what is missing, and how to get it."""

import json as json_module
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Annotated, Any, Final

import redis as redis_py
import typer
from cellblock_producer.contract import Language
from cellblock_sandbox import Layer, Program, Runtime, Sandbox, SandboxError, cgroup
from rich.console import Console
from rich.table import Table

from cellblock_worker.bench.cells import CODE
from cellblock_worker.cli.exits import NOT_AVAILABLE, SUCCEEDED, read_settings
from cellblock_worker.cli.options import RedisOption
from cellblock_worker.runtimes import build
from cellblock_worker.settings import Settings

_REDIS_S: Final = 3.0
_QUEUED_SHARE: Final = 0.75  # of Redis's memory, at most, for what waits
_NAMESPACES: Final = (
    "start the worker as root with CAP_SYS_ADMIN, or let its user make user namespaces "
    "(user.max_user_namespaces > 0, kernel.apparmor_restrict_unprivileged_userns = 0, in a container a "
    "seccomp profile that allows unshare); it is not needed where Landlock is on"
)
_HOW: Final = {
    "landlock": "Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK and landlock in the lsm= boot option",
    "uid": "start the worker as an ordinary user, or as root with CAP_SETUID and CAP_SETGID",
    "private root": _NAMESPACES,
    "keyring": "a container profile that allows keyctl; cells that use keys are killed all the same",
    "speculation": "a processor and kernel with per-process control of speculation (prctl), which virtual "
    "machines often lack; or run other people's code on machines of its own",
    cgroup.NAME: cgroup.HOW,
    "seccomp": "a kernel with CONFIG_SECCOMP_FILTER, and the package libseccomp2",
}
_DISTRIBUTIONS: Final = (
    *("cellblock-worker", "cellblock-producer", "cellblock-sandbox"),
    *("celery", "kombu", "redis", "pydantic"),
)


@dataclass(kw_only=True)
class Findings:
    """All that was looked at; `fix` is empty where a worker can run."""

    versions: dict[str, str] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    layers: list[dict[str, Any]] = field(default_factory=list)
    runtimes: dict[str, dict[str, str]] = field(default_factory=dict)
    redis: str = ""
    fix: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print them as JSON and nothing else.")] = False,
    redis: RedisOption = None,
) -> None:
    """Show what confines code on this host, versions, limits and whether Redis answers, and what to fix.

    Exit code 0: a worker can run here; 3: it cannot, and the last lines say why.
    """
    settings = read_settings(redis_url=redis)
    findings = Findings(versions=_versions(), limits=_limits(settings))
    _look_at_runtimes(findings, settings)
    _look_at_redis(findings, settings)
    if json:
        typer.echo(json_module.dumps(asdict(findings), indent=2))
    else:
        _show(findings)
    raise typer.Exit(NOT_AVAILABLE if findings.fix else SUCCEEDED)


def _versions() -> dict[str, str]:
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in _DISTRIBUTIONS},
    }


def _limits(settings: Settings) -> dict[str, int]:
    names = ("concurrency", "wall_ms", "cpu_ms", "memory_mb", "output_bytes")
    return {"cores": len(os.sched_getaffinity(0)), **{name: getattr(settings, name) for name in names}}


def _look_at_runtimes(findings: Findings, settings: Settings) -> None:
    for name, runtime in settings.runtimes.items():
        try:
            findings.runtimes[name] = _look_at_runtime(build(name, runtime), findings, settings)
        except SandboxError as error:
            findings.runtimes[name] = {"language": runtime.language.value, "trivial_job": str(error)}
            findings.fix.append(f"runtime {name}: {error}")


def _look_at_runtime(runtime: Runtime, findings: Findings, settings: Settings) -> dict[str, str]:
    """Run a trivial job; what confines it is the same for all runtimes."""
    language = Language(runtime.language)
    with Sandbox(runtime, cgroup=settings.cgroup) as sandbox:
        findings.layers = [_told(layer) for layer in sandbox.layers]
        outcome = sandbox.run(Program(code=CODE[language]), {"a": 1})
    if outcome.outputs != {"b": 2}:
        findings.fix.append(
            f"runtime {runtime.name}: a trivial job ended as {outcome.verdict}: {outcome.fault}"
        )
    if runtime.note:
        findings.advice.append(f"runtime {runtime.name}: {runtime.note}")
    asked = [runtime.interpreter, "--version"]
    version = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return {"language": language.value, "version": version, "trivial_job": str(outcome.verdict)}


def _told(layer: Layer) -> dict[str, Any]:
    how = "" if layer.on else _HOW.get(layer.name, _NAMESPACES if "namespace" in layer.name else "")
    return {"name": layer.name, "on": layer.on, "detail": layer.detail, "how": how}


def _look_at_redis(findings: Findings, settings: Settings) -> None:
    try:
        with redis_py.Redis.from_url(
            settings.redis_url, protocol=3, socket_timeout=_REDIS_S, socket_connect_timeout=_REDIS_S
        ) as client:
            info: Any = client.info()
    except (redis_py.RedisError, OSError) as error:
        findings.redis = str(error)
        findings.fix.append(f"Redis: {error}; start one, or name it by CELLBLOCK_REDIS_URL or --redis")
        return
    server = info.get("valkey_version") or info.get("redis_version", "unknown")
    policy = info.get("maxmemory_policy", "unknown")
    findings.redis = f"answers (version {server}, maxmemory-policy {policy})"
    if info.get("maxmemory") and policy != "noeviction":
        advice = f"Redis evicts keys ({policy}), and jobs with them: set maxmemory-policy noeviction"
        findings.advice.append(advice)
    most, memory = settings.max_queued_bytes, int(info.get("maxmemory") or 0)
    if memory and not 0 < most <= memory * _QUEUED_SHARE:
        findings.advice.append(
            f"what waits may take {most or 'any number of'} bytes, of Redis's {memory}, and then "
            "all are refused: have CELLBLOCK_MAX_QUEUED_BYTES leave a quarter to Results and jobs in hand"
        )
    if info.get("aof_enabled") == 0:
        findings.advice.append("Redis keeps no append-only file: a crash of the server loses what is queued")


def _show(findings: Findings) -> None:
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    table = Table(title="Layers of the sandbox")
    for column in ("layer", "on", "detail", "how to get it"):
        table.add_column(column)
    for layer in findings.layers:
        on = "[green]yes[/]" if layer["on"] else "[yellow]no[/]"
        table.add_row(layer["name"], on, layer["detail"], layer["how"])
    out.print(table)
    out.print("versions: " + ", ".join(f"{name} {value}" for name, value in findings.versions.items()))
    out.print("limits: " + ", ".join(f"{name} {value}" for name, value in findings.limits.items()))
    for name, told in findings.runtimes.items():
        out.print(
            f"runtime {name}: {told.get('version', told['language'])}, a trivial job {told['trivial_job']}"
        )
    out.print(f"Redis: {findings.redis}")
    for line in findings.advice:
        out.print(f"[yellow]advice:[/] {line}")
    for line in findings.fix:
        out.print(f"[red]fix:[/] {line}")
    if not findings.fix:
        out.print("A worker can run here.")
