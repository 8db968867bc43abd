"""`cellblock bench`: the object for programs and the table for people; its figures are not judged here."""

import json

from tests.cli.test_run import cellblock_on_bare_host
from tests.support.stack import cellblock


def test_json_has_every_figure() -> None:
    done = cellblock("bench", "--json", "--scale", "0.05")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    python3 = figures["runtimes"]["python3"]
    assert set(python3["cell_ms"]) == {"p50", "p95", "p99"}
    for figure in (python3["spawn_ms"]["p50"], python3["jobs_per_second"], python3["spawns_per_second"]):
        assert figure > 0
    assert python3["slot_pss_mb"] is None or python3["slot_pss_mb"] > 1
    queue = figures["queue"]
    assert queue["round_trip_ms"]["p50"] <= queue["round_trip_ms"]["p95"]
    assert queue["noop_round_trip_ms"]["p50"] > 0
    assert queue["jobs_per_second"]["python3"] > 0
    assert queue["noop_per_second"] > 0
    assert figures["host"]["cores"] >= 1
    assert "seccomp" in figures["host"]["layers"]


def test_a_table_for_people_without_the_queue() -> None:
    done = cellblock("bench", "--no-queue", "--scale", "0.05")
    assert done.returncode == 0, done.stderr
    assert "jobs a second on one core" in done.stdout
    assert "queue" not in done.stdout


def test_a_host_without_the_required_layers_exits_3() -> None:
    done = cellblock_on_bare_host("bench", "--no-queue")
    assert done.returncode == 3
    assert "Landlock" in done.stderr
