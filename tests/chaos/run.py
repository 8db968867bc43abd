"""One run of chaos: load, faults, and the audit afterwards."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cellblock_producer.contract import Result
from cellblock_producer.keys import JobName, record_key, result_key

from tests.chaos.faults import Chaos, Hurt
from tests.chaos.load import QUIET_S, Load
from tests.chaos.world import World

MOST_DESCRIPTORS = {"main process": 36, "pool process": 42, "zygote": 24, "cell": 24}
"""What a process of a worker has when nothing went wrong, and a few to spare: a leak makes more and more."""
CLOCKS_S = 0.05
"""By how much a time that is made of two rounded ones may be off."""


@dataclass
class Report:
    """What came of it; the last line that is printed says it in short."""

    seed: int
    jobs: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    hurt: int = 0
    """Jobs that ended as they must when their cell or zygote is killed."""
    faults: dict[str, int] = field(default_factory=dict)
    client_deaths: int = 0
    seconds: float = 0.0
    longest_gap_s: float = 0.0
    longest_gap_in: str = ""
    descriptors: dict[str, int] = field(default_factory=dict)
    """The most that a process of each role has in the end."""
    log: str = ""

    @property
    def passed(self) -> bool:
        return not (self.lost or self.doubled or self.wrong or self.left)

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.jobs} jobs, lost {len(self.lost)}, doubled {len(self.doubled)}, "
            f"wrong {len(self.wrong)}, left behind {len(self.left)}, {sum(self.faults.values())} faults "
            f"({self.hurt} jobs whose cell was killed, {self.client_deaths} clients), "
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
        loads = [
            Load(world.url, f"s{seed}c{number}", count, seed, ("threads", "asyncio")[number % 2])
            for number, count in enumerate(each)
        ]
        chaos = Chaos(world, loads, seed, faults)
        for load in loads:
            load.start()
        watch = threading.Thread(target=_watch, args=(loads, chaos, report, quiet_s))
        watch.start()
        chaos.run()
        watch.join()
        report.faults = chaos.done
        report.client_deaths = sum(load.lives - 1 for load in loads)
        _audit(world, loads, chaos, report)
        report.descriptors = world.descriptors()
        for role, count in report.descriptors.items():
            if count > MOST_DESCRIPTORS[role]:
                report.left.append(f"{count} descriptors of a {role}")
        codes = world.end()
        report.left += _connections_left(world)
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
                load.give_up()
    for load in loads:
        load.join()
    chaos.stop()


def _audit(world: World, loads: Sequence[Load], chaos: Chaos, report: Report) -> None:
    hurt = list(chaos.hurt)
    with world.connect() as redis:
        for load in loads:
            for job_id, job in load.jobs.items():
                name = JobName("default", job_id)
                stored: Any = redis.get(result_key(name))
                if stored is None or job_id not in load.seen:
                    report.lost.append(job_id)
                    continue
                result = Result.from_json(stored)
                if result != load.seen[job_id] or job_id in load.changed:
                    report.doubled.append(job_id)
                n = job["inputs"]["n"]
                if result.outputs != {"n": n, "square": n * n}:
                    submitted: Any = redis.hget(record_key(name), "submitted_ms")
                    begun_at = (int(submitted or 0) + result.usage.queue_ms) / 1000
                    kind = str(result.error.kind) if result.error else "other outputs"
                    report.hurt += 1
                    if not _explain(hurt, result.worker, kind, begun_at, load.seen_at[job_id]):
                        report.wrong.append(f"{job_id}: {kind}, {result}")
            report.wrong += load.trouble
        report.left += _keys_left(redis)


def _explain(hurt: list[Hurt], worker: str, kind: str, begun_at: float, seen_at: float) -> bool:
    """Find the cell or zygote whose death made this Result, of the same worker and time; each makes one."""
    for each in hurt:
        ours = worker.startswith(f"cellblock-{each.worker}@") and kind in each.kinds
        if ours and begun_at - CLOCKS_S <= each.at <= seen_at:
            hurt.remove(each)
            return True
    return False


def _keys_left(redis: Any) -> list[str]:
    """Keys that will stay: waits a little, since a message may be closed after its last Result."""
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        left = [
            key.decode()
            for key in redis.scan_iter(count=1000)
            if redis.ttl(key) < 0 and not key.startswith(b"_kombu.")
        ]
        left += [key.decode() for key in redis.scan_iter("cellblock:message:*", count=1000)]
        if not left:
            break
        time.sleep(0.1)
    return left


def _connections_left(world: World) -> list[str]:
    """Connections to the server of clients and workers that have ended."""
    with world.connect() as redis:
        return [f"connection {each['id']}: {each['cmd']}" for each in redis.client_list()[1:]]
