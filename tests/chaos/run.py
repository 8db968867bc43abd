"""One run of chaos: load, faults, and the audit afterwards."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cellblock_producer.contract import Result
from cellblock_producer.keys import JobName, result_key

from tests.chaos.faults import Chaos
from tests.chaos.load import QUIET_S, Load
from tests.chaos.world import World


@dataclass
class Report:
    """What came of it; the last line that is printed says it in short."""

    seed: int
    jobs: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    longest_gap_s: float = 0.0
    longest_gap_in: str = ""
    log: str = ""

    @property
    def passed(self) -> bool:
        return not (self.lost or self.doubled or self.wrong or self.left)

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.jobs} jobs, lost {len(self.lost)}, doubled {len(self.doubled)}, "
            f"wrong {len(self.wrong)}, left behind {len(self.left)}, {sum(self.faults.values())} faults, "
            f"longest recovery {self.longest_gap_s:.1f} s ({self.longest_gap_in}), {self.seconds:.0f} s"
        )


def run(
    seed: int,
    jobs: int,
    *,
    sabotage: bool = False,
    workers: int = 3,
    clients: int = 4,
    faults: Sequence[str] = (),
    quiet_s: float = QUIET_S,
) -> Report:
    """Run it and look what came of it."""
    report = Report(seed, jobs)
    started = time.monotonic()
    with World(workers, sabotage=sabotage) as world:
        world.await_workers()
        each = [jobs // clients + (number < jobs % clients) for number in range(clients)]
        loads = [Load(world.url, f"s{seed}c{number}", count, seed) for number, count in enumerate(each)]
        chaos = Chaos(world, loads, seed, faults)
        for load in loads:
            load.start()
        watch = threading.Thread(target=_watch, args=(loads, chaos, report, quiet_s))
        watch.start()
        chaos.run()
        watch.join()
        report.faults = chaos.done
        _audit(world, loads, chaos, report)
        codes = world.end()
        report.left += [f"exit code {code}" for code in codes if code != 0]
        report.left += [f"process {pid}" for pid in world.left()]
        report.log = world.log
    report.seconds = time.monotonic() - started
    return report


def _watch(loads: Sequence[Load], chaos: Chaos, report: Report, quiet_s: float) -> None:
    """Wait until all is seen; faults end when the last jobs are under way. Note the longest standstill."""
    seen, since, calm = 0, time.monotonic(), False
    total = sum(len(load.jobs) for load in loads)
    while not all(load.done for load in loads):
        time.sleep(0.02)
        now, count = time.monotonic(), sum(len(load.seen) for load in loads)
        if now - since > report.longest_gap_s:
            report.longest_gap_s, report.longest_gap_in = now - since, chaos.current
        if count > seen:
            seen, since = count, now
        if not calm and (seen > total * 0.95 or now - since > quiet_s / 2):
            chaos.stop()
            calm = True
        if now - since > quiet_s:
            for load in loads:
                load.give_up.set()
    for load in loads:
        load.join()
    chaos.stop()


def _audit(world: World, loads: Sequence[Load], chaos: Chaos, report: Report) -> None:
    hurt: list[str] = []
    with world.connect() as redis:
        for load in loads:
            for job_id, job in load.jobs.items():
                stored: Any = redis.get(result_key(JobName("default", job_id)))
                if stored is None or job_id not in load.seen:
                    report.lost.append(job_id)
                    continue
                result = Result.from_json(stored)
                if result != load.seen[job_id] or job_id in load.changed:
                    report.doubled.append(job_id)
                n = job["inputs"]["n"]
                if result.outputs != {"n": n, "square": n * n}:
                    kind = result.error.kind if result.error else "other outputs"
                    (hurt if kind in ("internal", "crashed") else report.wrong).append(f"{job_id}: {kind}")
            report.wrong += load.trouble
        if len(hurt) > chaos.hurt:  # more than cells were killed
            report.wrong += hurt
        report.left += _keys_left(redis)


def _keys_left(redis: Any) -> list[str]:
    """Keys that will stay: waits a little, since a message may be closed after its last Result."""
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        left = [
            key.decode()
            for key in redis.scan_iter(count=1000)
            if redis.ttl(key) < 0 and not key.startswith(b"_kombu.") and key != b"cellblock"
        ]
        left += [key.decode() for key in redis.scan_iter("cellblock:message:*", count=1000)]
        if not left:
            break
        time.sleep(0.1)
    return left
