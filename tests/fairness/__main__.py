"""`python -m tests.fairness docs/fairness.png`: draws how tenants share a real worker (needs matplotlib)."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import redis
from cellblock_producer import Client, Result
from cellblock_producer.keys import record_key

from tests.fairness.flood import SLOTS, Flood, job, world
from tests.support.program import use_server_program

SINGLES = 40
LONG_S, SHORT_S, LATE_S = 0.2, 0.02, 0.05
LABELS = {"long": "jobs of 200 ms", "short": "jobs of 20 ms", "late": "jobs of 50 ms, sent later"}


class Single(NamedTuple):
    """A job of another tenant, submitted while the flood waited."""

    waiting: int
    before: int


def delays(client: Client, flood: Flood) -> list[Single]:
    """Submit single jobs, one after the other, each of a tenant of its own."""
    found = []
    for n in range(SINGLES):
        waiting = flood.waiting
        handle = client.submit(job("single", f"small-{n}"))
        handle.result()
        found.append(Single(waiting, flood.begun_before(handle.name)))
    return found


def shares(client: Client, server: redis.Redis) -> dict[str, list[tuple[float, float]]]:
    """Have three tenants send more than there are workers for; return what each had used, by seconds."""
    jobs = [job(f"{n}", "long", takes_s=LONG_S) for n in range(60)]
    jobs += [job(f"{n}", "short", takes_s=SHORT_S) for n in range(400)]
    handles = client.submit_many(jobs)
    for handle in handles[:15]:
        handle.result()
    handles += client.submit_many([job(f"{n}", "late", takes_s=LATE_S) for n in range(80)])
    results = [handle.result() for handle in handles]
    return _used([(_began(server, result), result) for result in results])


def _began(server: redis.Redis, result: Result) -> int:
    began: Any = server.hget(record_key(result.name), "began")
    return int(began)


def _used(runs: Sequence[tuple[int, Result]]) -> dict[str, list[tuple[float, float]]]:
    start = min(began for began, _ in runs)
    used: dict[str, list[tuple[float, float]]] = {}
    for began, result in sorted(runs, key=lambda run: run[0] + run[1].usage.wall_ms * 1000):
        began_s, took_s = (began - start) / 1e6, result.usage.wall_ms / 1000
        curve = used.setdefault(result.tenant, [(began_s, 0.0)])
        curve.append((began_s + took_s, curve[-1][1] + took_s))
    return used


def draw(singles: Sequence[Single], used: dict[str, list[tuple[float, float]]], file: str) -> None:
    """Write the picture."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(12, 4.5), layout="tight")
    left, right = picture.subplots(1, 2)
    left.plot([single.waiting for single in singles], "v", label="jobs of the flood that waited")
    left.plot([single.before for single in singles], "o", label="of these, begun before it")
    left.set(xlabel="single job of another tenant", yscale="symlog", title=f"A flood, {SLOTS} pool processes")
    left.set_yticks([0, 1, 2, 10, 100, 1000, 10_000], ["0", "1", "2", "10", "100", "1,000", "10,000"])
    for tenant, curve in used.items():
        right.plot(*zip(*curve, strict=True), label=LABELS[tenant])
    right.set(xlabel="seconds", ylabel="worker-seconds used", title="Tenants that all send too much")
    for axes in (left, right):
        axes.grid(visible=True, alpha=0.3)
        axes.legend(loc="center right" if axes is left else "upper left")
    picture.savefig(file, dpi=80)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fairness", description=__doc__)
    parser.add_argument("file", help="where the picture goes")
    parser.add_argument("--jobs", type=int, default=10_000, help="of the flood")
    given = parser.parse_args()
    use_server_program()
    with world(given.jobs) as (client, server):
        used = shares(client, server)
        flood = Flood(client, server)
        flood.fill()
        singles = delays(client, flood)
    draw(singles, used, given.file)
    print(f"begun before a single job, at most: {max(single.before for single in singles)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
