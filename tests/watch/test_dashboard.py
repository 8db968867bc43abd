"""The files of Grafana and Prometheus fit together, and where docker-compose.yaml mounts them."""

import re
from itertools import combinations
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from tests.watch.dashboard import CONFIG, DEPLOY, dashboard

ROOT = DEPLOY.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
PROVISIONING = DEPLOY / "grafana" / "provisioning"
COLUMNS = 24  # of Grafana's grid
KINDS = {"stat", "timeseries", "table"}
UNITS = {"short", "s", "ops", "percentunit", "bytes"}


def provisioned(kind: str) -> dict[str, Any]:
    [file] = (PROVISIONING / kind).iterdir()
    told = yaml.safe_load(file.read_text())
    assert told["apiVersion"] == 1
    return dict(told)


def datasource() -> dict[str, Any]:
    [only] = provisioned("datasources")["datasources"]
    return dict(only)


def inside(service: str, path: str) -> PurePosixPath | None:
    """Where a path of the repository is in a service's container."""
    for volume in COMPOSE["services"][service]["volumes"]:
        outside, mounted, *_ = volume.split(":")
        if outside.startswith("./") and PurePosixPath(path).is_relative_to(outside[2:]):
            return PurePosixPath(mounted) / PurePosixPath(path).relative_to(outside[2:])
    return None


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    told = dashboard()
    assert isinstance(told["schemaVersion"], int)
    assert re.fullmatch(r"[\w-]{1,40}", told["uid"])
    assert told["title"]
    ids = [panel["id"] for panel in told["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("panel", dashboard()["panels"], ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["type"] in KINDS
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == {"type": datasource()["type"], "uid": datasource()["uid"]}
    refs = [target["refId"] for target in panel["targets"]]
    assert len(refs) == len(set(refs)) > 0
    for target in panel["targets"]:
        assert target["expr"]
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            assert re.search(rf"by \([^)]*\b{label}\b", target["expr"]), "no label of the answer"
        assert (target.get("format") == "table") == (panel["type"] == "table")


def test_panels_fill_the_grid_and_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    cells = [
        {(x, y) for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])}
        for p in places
    ]
    assert all(0 <= x < COLUMNS for taken in cells for x, _ in taken)
    assert not any(one & other for one, other in combinations(cells, 2))
    rows = {y for taken in cells for _, y in taken}
    assert len(set().union(*cells)) == COLUMNS * len(rows) == COLUMNS * (max(rows) + 1)


def test_grafana_finds_what_is_provisioned() -> None:
    assert inside("grafana", "deploy/grafana/provisioning") == PurePosixPath("/etc/grafana/provisioning")
    [provider] = provisioned("dashboards")["providers"]
    assert provider["type"] == "file"
    assert inside("grafana", "deploy/grafana/dashboards") == PurePosixPath(provider["options"]["path"])


def test_grafana_reaches_prometheus() -> None:
    host, port = re.fullmatch(r"http://(\w+):(\d+)", datasource()["url"]).groups()  # type: ignore[union-attr]
    service = COMPOSE["services"][host]
    assert service["image"].startswith("prom/prometheus:")
    assert service["ports"][0].endswith(f":{port}")
    assert set(service["networks"]) & set(COMPOSE["services"]["grafana"]["networks"])


def test_prometheus_finds_its_files_and_reaches_what_it_asks() -> None:
    service = COMPOSE["services"]["prometheus"]
    config = inside("prometheus", "deploy/prometheus/prometheus.yml")
    assert f"--config.file={config}" in service["command"]
    assert service["volumes"][-1] == "prometheus:/prometheus"
    assert "--storage.tsdb.path=/prometheus" in service["command"]
    told = yaml.safe_load(CONFIG.read_text())
    assert [(CONFIG.parent / file).is_file() for file in told["rule_files"]] == [True]
    asked: dict[str, int] = {}
    for job in told["scrape_configs"]:
        for found in job.get("dns_sd_configs", []):
            asked |= dict.fromkeys(found["names"], found["port"])
        for found in job.get("static_configs", []):
            asked |= {name: int(port) for name, port in (t.split(":") for t in found["targets"])}
    assert asked.keys() == {"workers", "gateway"}
    for name in ("worker", "worker-strong", "gateway"):
        target = COMPOSE["services"][name]
        assert set(target["networks"]) & set(service["networks"]), name
        known = name if name in asked else target["networks"]["queue"]["aliases"][0]
        assert f"EXPOSE {asked[known]}\n" in (ROOT / target["build"]["dockerfile"]).read_text(), name
