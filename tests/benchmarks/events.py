"""What events cost: `python -m tests.benchmarks.events`.

In one run, in turns, with a reader attached as Flower is: jobs that do nothing, through a worker with each
setting of CELLBLOCK_EVENTS. The rate is all of this machine's. The CPU time is that of the worker's main
process, which bounds a worker's rate; another load on the machine moves it least.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

from cellblock_producer import Client
from cellblock_producer.contract import Job

from tests.support.stack import Stack
from tests.watch.looking import events

SETTINGS = ("off", "asked", "sparing", "full")
ROUNDS = 3
JOBS = 3_000
WARM = 500
LATE_S = 2.5  # events are sent once a second


def main() -> int:
    measured: dict[str, list[Measured]] = {setting: [] for setting in SETTINGS}
    for _ in range(ROUNDS):
        for setting in SETTINGS:
            measured[setting].append(measure(setting))
    middle = {
        setting: Measured(*map(statistics.median, zip(*each, strict=True)))
        for setting, each in measured.items()
    }
    off = middle["off"]
    for setting, each in middle.items():
        told = {
            "jobs_per_second": round(each.rate),
            "of_off": round(each.rate / off.rate, 3),
            "main_process_us_per_job": round(each.cpu_s * 1e6),
            "us_of_off": round(each.cpu_s / off.cpu_s, 3),
            "events_per_job": round(each.events, 2),
        }
        print(setting, json.dumps(told), flush=True)  # noqa: T201 - a command for a person
    return 0


class Measured(NamedTuple):
    """Of one worker: jobs a second; CPU seconds of its main process, and events, for a job."""

    rate: float
    cpu_s: float
    events: float


def measure(setting: str) -> Measured:
    """Run jobs through a worker with this setting."""
    with Stack(CELLBLOCK_EVENTS=setting) as stack, Client(stack.url) as client:
        assert stack.worker is not None
        _run(client, WARM)
        with events(stack.url) as seen:
            _run(client, WARM)
            before, cpu, began = len(seen), _cpu_s(stack.worker.pid), time.monotonic()
            _run(client, JOBS)
            took, busy = time.monotonic() - began, _cpu_s(stack.worker.pid) - cpu
            time.sleep(LATE_S)
            return Measured(JOBS / took, busy / JOBS, (len(seen) - before) / JOBS)


def _run(client: Client, number: int) -> None:
    jobs = [
        Job.model_validate({"language": "python3", "code": "def main(): return {}"}) for _ in range(number)
    ]
    assert len(list(client.map(jobs, timeout=300))) == number


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process, without its children."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
