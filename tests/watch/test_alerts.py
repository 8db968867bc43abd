"""Each alert fires on series that somebody should look at, and on those of a stack that is well none does."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.watch.dashboard import ALERTS, rules

PROMTOOL = shutil.which("promtool")


class Case(NamedTuple):
    series: dict[str, str]  # name and labels -> what Prometheus sees of it, minute by minute
    fires: str  # when it has to; one that is told at once is judged at 2m
    ends: str = ""  # when it has to be over


WELL = {
    'up{job="worker",instance="w"}': "1x60",
    'cellblock_ready{instance="w"}': "1x60",
    'cellblock_selftest_ok{instance="w"}': "1x60",
    'cellblock_redis_up{instance="w"}': "1x60",
    'cellblock_queue_oldest_seconds{queue="cellblock"}': "2x60",
    'cellblock_queue_messages{place="dead",queue="cellblock"}': "0x60",
    'cellblock_jobs_total{branch="success",kind="",instance="w"}': "0+600x60",
    'cellblock_jobs_total{branch="fail",kind="code_error",instance="w"}': "0+60x60",
    'cellblock_slot_memory_bytes{instance="w",slot="0"}': "60000000x60",
    'cellblock_zygote_starts_total{instance="w",runtime="python3"}': "2x60",
}
CASES = {
    "CellblockNoWorker": Case({'cellblock_ready{instance="w"}': "1x3 _x57"}, "15m"),
    "CellblockSandboxFails": Case({'cellblock_selftest_ok{instance="w"}': "1x3 0x57"}, "6m"),
    "CellblockRedisAway": Case({'cellblock_redis_up{instance="w"}': "1x3 0x57"}, "6m"),
    "CellblockWorkerNotReady": Case({'cellblock_ready{instance="w"}': "1x3 0x57"}, "10m"),
    "CellblockQueueGrows": Case({'cellblock_queue_oldest_seconds{queue="cellblock"}': "0+60x60"}, "10m"),
    # The first of its kind that a worker has is 1 as soon as it is seen: no counter that grows.
    "CellblockFaultsOfOurs": Case(
        {'cellblock_jobs_total{branch="stop",kind="internal",instance="w"}': "_x9 1x50"}, "12m", "30m"
    ),
    "CellblockDeadJobs": Case(
        {'cellblock_queue_messages{place="dead",queue="cellblock"}': "0x3 1x57"}, "15m"
    ),
    "CellblockMostJobsFail": Case(
        {'cellblock_jobs_total{branch="fail",kind="code_error",instance="w"}': "0+900x60"}, "20m"
    ),
    "CellblockMemoryRises": Case(
        {'cellblock_slot_memory_bytes{instance="w",slot="0"}': "2000000000x60"}, "20m"
    ),
    "CellblockZygotesKeepDying": Case(
        {'cellblock_zygote_starts_total{instance="w",runtime="python3"}': "0+12x60"}, "25m"
    ),
    "CellblockScrapeFails": Case({'up{job="worker",instance="w"}': "1x3 0x57"}, "10m"),
}


def test_each_alert_has_a_case() -> None:
    assert list(CASES) == [rule["alert"] for rule in rules()]


@pytest.mark.skipif(PROMTOOL is None, reason="Prometheus is not installed")
def test_alerts_fire_when_they_should_and_else_do_not(tmp_path: Path) -> None:
    tests = [_test(WELL, [_firing("", "50m", on=False)])]
    for alert, case in CASES.items():
        seen = [_firing(alert, case.fires, on=True)]
        if case.ends:
            seen.append(_firing(alert, case.ends, on=False))
        tests.append(_test(WELL | case.series, seen))
    told = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.yml").write_text(json.dumps(told))  # JSON is YAML
    command = ["promtool", "test", "rules", str(tmp_path / "test.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _test(series: dict[str, str], seen: list[dict[str, Any]]) -> dict[str, Any]:
    told = [{"series": name, "values": values} for name, values in series.items()]
    return {"interval": "1m", "input_series": told, "promql_expr_test": seen}


def _firing(alert: str, at: str, *, on: bool) -> dict[str, Any]:
    """Look whether an alert fires at a time; without a name, any."""
    chosen = f'alertname="{alert}",' if alert else ""
    query = f'count(ALERTS{{{chosen}alertstate="firing"}})'
    return {"expr": query, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}] if on else []}
