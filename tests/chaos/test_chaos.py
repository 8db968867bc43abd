"""A short run of chaos, and the proof that it would find a loss. `make chaos` makes longer ones."""

import pytest

from tests.chaos.run import run


@pytest.mark.timeout(180)
def test_nothing_is_lost_doubled_or_wrong() -> None:
    report = run(seed=7, jobs=400, workers=2, clients=3)
    assert report.passed, f"{report}\n{report.lost}{report.doubled}{report.wrong}{report.left}\n{report.log}"


@pytest.mark.timeout(400)
def test_without_leases_jobs_are_lost() -> None:
    """Whether a worker that is killed has a job in hand just then is chance; that none of four has is not."""
    faults = ["worker_killed", "pool_process"]
    seeds = (7, 8, 9, 10)
    assert any(
        run(seed, 200, workers=2, clients=2, sabotage=True, faults=faults, quiet_s=6).lost for seed in seeds
    )
