"""A worker as a program of its own, with a stand-in for the sandbox that does what the job's code says."""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from cellblock_producer.contract import ErrorInfo, Job, Result, settle_failure, settle_success
from cellblock_worker import app, task
from cellblock_worker.settings import Settings
from cellblock_worker.stops import Stop

spoiled: list[str] = []


def execute(job: Job, settings: Settings, stop: Stop) -> Result:
    if (fate := _fate(job, stop)) is not None:
        return fate
    match job.code.split()[0]:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die-once":
            _die_once(mark_of(job.id))
        case "hang-once":
            _hang_once(mark_of(job.id))
        case "raise":
            raise ValueError(job.code)
        case "hang":
            time.sleep(3600)
        case "slow":
            time.sleep(2)
        case "spoil":
            spoiled.append(job.id)
    return settle_success(job, {"echo": job.inputs, "pid": os.getpid()})


def mark_of(job_id: str) -> Path:
    """Return what `hang-once` and `die-once` leave for their second run, before they hang or die."""
    return Path(tempfile.gettempdir(), f"cellblock-test-{job_id}")


def prepare() -> None:
    """Fail where it must not, once after each job that has spoiled it."""
    if spoiled:
        raise LookupError(f"spoiled by {spoiled.pop()}")


def _die_once(mark: Path) -> None:
    if mark.exists():
        mark.unlink()
    else:
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _fate(job: Job, stop: Stop) -> Result | None:
    """The error that the code asks for, if it does."""
    kind = ""
    match job.code.split():
        case ["endless"]:
            while not stop():
                time.sleep(0.01)
            kind = "cancelled"
        case ["fail", kind]:
            pass
        case ["fail-once", kind]:
            kind = _only_once(kind, Path(tempfile.gettempdir(), f"cellblock-test-{job.id}"))
    return settle_failure(job, ErrorInfo(kind=kind, message="asked to")) if kind else None


def _only_once(kind: str, mark: Path) -> str:
    if mark.exists():
        mark.unlink()
        return ""
    mark.touch()
    return kind


def _hang_once(mark: Path) -> None:
    if mark.exists():
        mark.unlink()
    else:
        mark.touch()
        time.sleep(3600)


def say(what: str) -> None:
    sys.stderr.write(f"{what} in {os.getpid()}\n")


if __name__ == "__main__":
    app.LAST_RESORT_S = float(os.environ.get("LAST_RESORT_S", "60"))
    if os.environ.get("DIES_UNREAD"):
        task.read_sealed = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    settings = Settings.from_env(os.environ)
    hooks = {"warm_up": lambda: say("warmed up"), "cool_down": lambda: say("cooled down")}
    hooks["prepare"] = prepare
    sys.exit(app.start_worker(settings, execute=execute, **hooks))
