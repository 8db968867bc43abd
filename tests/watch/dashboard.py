"""The dashboard and the alerts of deploy/: every query that Grafana and Prometheus make of them."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
DASHBOARD: Final = DEPLOY / "grafana" / "dashboards" / "cellblock.json"
CONFIG: Final = DEPLOY / "prometheus" / "prometheus.yml"
ALERTS: Final = DEPLOY / "prometheus" / "alerts.yml"
RATE_INTERVAL: Final = "1m"
"""What Grafana makes of `$__rate_interval` where Prometheus scrapes every 15 s: four times that."""


def dashboard() -> dict[str, Any]:
    """All of the dashboard's file."""
    return dict(json.loads(DASHBOARD.read_text()))


def query_of(target: dict[str, Any]) -> str:
    """What Grafana asks Prometheus for a target of a panel."""
    return str(target["expr"]).replace("$__rate_interval", RATE_INTERVAL)


def shown() -> list[str]:
    """The queries of the dashboard."""
    return [query_of(target) for panel in dashboard()["panels"] for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def queries() -> list[str]:
    """Those of the dashboard and those of the alerts."""
    return [*shown(), *(rule["expr"] for rule in rules())]
