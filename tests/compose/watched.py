"""Flower; and the profile `watch`: Prometheus, and Grafana where its image can be had."""

import base64
import time
import urllib.parse
from collections.abc import Callable
from typing import Any, Final

from tests.compose.images import GRAFANA, has
from tests.compose.stack import Stack
from tests.watch.dashboard import dashboard, rules, shown

_PATIENCE_S: Final = 180.0
_LOOK_S: Final = 2.0
_JOBS: Final = {
    "succeeds": "def main(): return {}",
    "fails": "def main(): 1 / 0",
    "is blocked": "def main(): open('/etc/passwd')",
}


def is_seen_in_flower(stack: Stack) -> None:
    """Flower knows the workers, and shows and cancels a job that runs"""
    code = "import time\ndef main(): time.sleep(50)"
    status, running = stack.ask("/v1/jobs", {"language": "python3", "code": code})
    assert status == 202, running
    _until("Flower shows the job", lambda: [] if running["id"] in str(_flower(stack, "tasks")) else ["it"])
    workers = _flower(stack, "workers?refresh=1")
    known = {name.partition("@")[2] for name, told in workers.items() if told["stats"]}
    assert {container[:12] for container in stack.containers("worker")} <= known
    [task] = [name for name in _flower(stack, "tasks") if running["id"] in name]
    _flower(stack, f"task/revoke/{task}?terminate=true", "POST")
    status, result = stack.ask(f"/v1/jobs/{running['id']}?wait=60", method="GET")
    assert result["error"]["kind"] == "cancelled", result


def is_watched(stack: Stack) -> None:
    """Prometheus has each target, the alerts, and data for each query of the dashboard"""
    stack.compose("--profile", "watch", "up", "-d", "prometheus")
    stack.wait_healthy("prometheus")
    stack.check_locked_down("prometheus")
    for code in _JOBS.values():
        status, answer = stack.ask("/v1/jobs?wait=60", {"language": "python3", "code": code})
        assert status == 200, answer
    services = ("worker", "worker-strong", "gateway")
    _until("all targets are up", lambda: _down(stack, sum(len(stack.containers(each)) for each in services)))
    _until("the alerts are judged", lambda: _unjudged(stack))
    _until("the dashboard's queries have data", lambda: [q for q in shown() if not _ask(stack, q)["result"]])


def is_shown(stack: Stack) -> str:
    """Grafana"""
    if not has(stack.engine, GRAFANA):
        return f"NOT RUN: {GRAFANA} cannot be pulled, and Debian has no package that it could be made of"
    stack.compose("--profile", "watch", "up", "-d", "prometheus", "grafana")
    stack.wait_healthy("grafana")
    stack.check_locked_down("grafana")
    who = _basic(f"admin:{stack.secrets['GRAFANA_PASSWORD']}")
    [datasource] = {panel["datasource"]["uid"] for panel in dashboard()["panels"]}
    for path in (f"dashboards/uid/{dashboard()['uid']}", f"datasources/uid/{datasource}/health"):
        status, told = stack.fetch(f"http://grafana:3000/api/{path}", who)
        assert status == 200, told
    return "has the dashboard and reaches Prometheus"


def _down(stack: Stack, number: int) -> list[str]:
    """What is wrong with the targets: one for each container, and each answers."""
    active = _prometheus(stack, "targets")["activeTargets"]
    wrong = [f"{t['scrapeUrl']}: {t['health']} {t['lastError']}" for t in active if t["health"] != "up"]
    return wrong if len(active) == number else [*wrong, f"{len(active)} targets in place of {number}"]


def _unjudged(stack: Stack) -> list[str]:
    """The alerts that are not there, or have not been evaluated without an error."""
    loaded = [rule for group in _prometheus(stack, "rules")["groups"] for rule in group["rules"]]
    well = {rule["name"] for rule in loaded if rule["health"] == "ok"}
    return [rule["alert"] for rule in rules() if rule["alert"] not in well]


def _flower(stack: Stack, path: str, method: str = "GET") -> Any:
    who = _basic(stack.secrets["FLOWER_BASIC_AUTH"])
    status, told = stack.fetch(f"http://flower:5555/api/{path}", who, method=method)
    assert status == 200, told
    return told


def _basic(who: str) -> str:
    return "Basic " + base64.b64encode(who.encode()).decode()


def _ask(stack: Stack, query: str) -> Any:
    return _prometheus(stack, f"query?{urllib.parse.urlencode({'query': query})}")


def _prometheus(stack: Stack, path: str) -> Any:
    status, told = stack.fetch(f"http://prometheus:9090/api/v1/{path}")
    assert status == 200, told
    return told["data"]


def _until(what: str, missing: Callable[[], list[str]]) -> None:
    """Wait until nothing is missing for it; raises AssertionError with what is."""
    give_up = time.monotonic() + _PATIENCE_S
    while left := missing():
        assert time.monotonic() < give_up, f"{what}, but for {left}"
        time.sleep(_LOOK_S)
