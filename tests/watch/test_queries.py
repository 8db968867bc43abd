"""Every query of the dashboard and of the alerts, asked of what a worker and a gateway really say.

Where Prometheus is installed, it answers them. Without it, each name and label in them is looked for.
"""

import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cellblock_producer import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.calling import GatewayProcess
from tests.support.stack import Stack
from tests.watch.dashboard import CONFIG, queries, rules
from tests.watch.looking import address_of
from tests.watch.prometheus import PROGRAM, prometheus

_LABELS = re.compile(r"\{([^}]*)\}|by \(([^)]*)\)")
_OF_PROMETHEUS = {"le", "instance", "job"}


@pytest.fixture(scope="module")
def endpoints() -> Iterator[dict[str, str]]:
    """Where a worker and a gateway serve, which have had jobs of both languages and a failure."""
    with ExitStack() as stack:
        worker = stack.enter_context(Stack(CELLBLOCK_HTTP="127.0.0.1:0", CELLBLOCK_CONCURRENCY="1"))
        gateway = stack.enter_context(GatewayProcess(worker.url, "--development"))
        with Client(worker.url) as client:
            for language, code in (
                ("python3", "def main(): return {}"),
                ("nodejs", "const main = () => ({})"),
                ("python3", "def main(): 1 / 0"),
            ):
                client.run({"language": language, "code": code}, timeout=60)
        _text(f"{gateway.url}/ready")  # a request to count
        yield {"worker": address_of(worker), "gateway": gateway.url}


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


@pytest.mark.skipif(PROGRAM is None, reason="Prometheus is not installed")
def test_prometheus_answers_each(endpoints: dict[str, str], tmp_path: Path) -> None:
    checked = subprocess.run(
        ["promtool", "check", "config", CONFIG], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    targets = {job: url.removeprefix("http://") for job, url in endpoints.items()}
    with prometheus(targets, tmp_path, scrape="1s") as it:
        for query in queries():
            it.ask(query)
        loaded = [rule["name"] for group in it.get("rules")["groups"] for rule in group["rules"]]
        assert loaded == [rule["alert"] for rule in rules()]
        names = it.get("label/__name__/values")
        assert {name for query in queries() for name in re.findall(r"cellblock_\w+", query)} <= set(names)
