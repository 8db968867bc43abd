"""Every query of the dashboard and of the alerts, asked of what a worker and a gateway really say.

Where Prometheus is installed, it answers them. Without it, each name and label in them is looked for.
"""

import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cellblock_producer import Client
from cellblock_worker.attached import start_attached
from cellblock_worker.cli.parts import part
from prometheus_client.parser import text_string_to_metric_families

from tests.support.stack import Stack
from tests.watch.looking import address_of
from tests.worker.harness import wait_for

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
PROMETHEUS = shutil.which("prometheus")
_EXPRESSION = re.compile(r"^ +expr: (?:>-\n +)?(.+)$", re.MULTILINE)
_LABELS = re.compile(r"\{([^}]*)\}|by \(([^)]*)\)")
_OF_PROMETHEUS = {"le", "instance", "job"}


def queries() -> list[str]:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "cellblock.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    alerts = _EXPRESSION.findall(ALERTS.read_text())
    assert len(shown) > 20
    assert len(alerts) == ALERTS.read_text().count("alert: ")
    return [query.replace("$__rate_interval", "1m") for query in [*shown, *alerts]]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def endpoints() -> Iterator[dict[str, str]]:
    """Where a worker and a gateway serve, which have had jobs of both languages and a failure."""
    with ExitStack() as stack:
        worker = stack.enter_context(Stack(CELLBLOCK_HTTP="127.0.0.1:0", CELLBLOCK_CONCURRENCY="1"))
        port = free_port()
        argv = ("cellblock_worker", "gateway", "--port", str(port), "--development")
        gateway = stack.enter_context(part("gateway", argv, {"CELLBLOCK_REDIS_URL": worker.url}, 20))
        with Client(worker.url) as client:
            for language, code in (
                ("python3", "def main(): return {}"),
                ("nodejs", "const main = () => ({})"),
                ("python3", "def main(): 1 / 0"),
            ):
                client.run({"language": language, "code": code}, timeout=60)
        found = {"worker": address_of(worker), "gateway": f"http://127.0.0.1:{port}"}
        wait_for(lambda: gateway.process.poll() is not None or _answers(found["gateway"]))
        gateway.check()
        yield found


def _answers(url: str) -> bool:
    try:
        return bool(_text(f"{url}/ready"))
    except OSError:
        return False


def _text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def test_every_name_and_label_is_there(endpoints: dict[str, str]) -> None:
    labels: dict[str, set[str]] = {"up": {"job"}}
    for url in endpoints.values():
        for family in text_string_to_metric_families(_text(f"{url}/metrics")):
            for sample in family.samples:
                labels.setdefault(sample.name, set()).update(sample.labels)
    for query in queries():
        names = set(re.findall(r"cellblock_\w+|\bup\b", query))
        assert names, query
        assert names <= labels.keys(), query
        had = set().union(*(labels[name] for name in names)) | _OF_PROMETHEUS
        for inside, by in _LABELS.findall(query):
            asked = re.findall(r"(\w+) *[=!]", inside) + re.findall(r"\w+", by)
            assert set(asked) <= had, query


@pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed")
def test_prometheus_answers_each(endpoints: dict[str, str], tmp_path: Path) -> None:
    assert PROMETHEUS is not None
    checked = subprocess.run(
        ["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    targets = [
        {"job_name": job, "static_configs": [{"targets": [url.removeprefix("http://")]}]}
        for job, url in endpoints.items()
    ]
    config = {"global": {"scrape_interval": "1s"}, "rule_files": [str(ALERTS)], "scrape_configs": targets}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        PROMETHEUS,
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]
    with (tmp_path / "log").open("wb") as log:
        prometheus = start_attached(command, output=log)
        try:
            wait_for(lambda: prometheus.poll() is not None or _scraped(url))
            assert prometheus.poll() is None, (tmp_path / "log").read_text()[-2000:]
            for query in queries():
                answer = _ask(url, query)
                assert answer["status"] == "success", query
            names = json.loads(_text(f"{url}/api/v1/label/__name__/values"))["data"]
            assert {name for query in queries() for name in re.findall(r"cellblock_\w+", query)} <= set(names)
        finally:
            prometheus.terminate()
            prometheus.wait(30)


def _scraped(url: str) -> bool:
    try:
        return len(_ask(url, "up == 1")["data"]["result"]) == 2
    except OSError:
        return False


def _ask(url: str, query: str) -> dict[str, Any]:
    return dict(json.loads(_text(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}")))
