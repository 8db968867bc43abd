"""A Prometheus beside a worker and a gateway, and how it is asked."""

import json
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml
from cellblock_worker.attached import start_attached

from tests.support.ports import free_port
from tests.watch.dashboard import CONFIG
from tests.worker.harness import wait_for

PROGRAM: Final = shutil.which("prometheus")


class Prometheus:
    """The HTTP API of one."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **parameters: str | float) -> Any:
        """What is answered to one of the API's paths; raises HTTPError where it refuses."""
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The series, or samples, that a query has now."""
        return list(self.get("query", query=query)["result"])

    def up(self) -> int:
        """How many targets answer; 0 where Prometheus does not."""
        try:
            return len(self.ask("up == 1"))
        except OSError:
            return 0


@contextmanager
def prometheus(targets: dict[str, str], folder: Path, scrape: str | None = None) -> Iterator[Prometheus]:
    """Run one with the settings of deploy/, but for where the jobs' targets are, until a block ends.

    Args:
        targets: the address of each job of deploy/prometheus/prometheus.yml.
        folder: takes its data.
        scrape: how often, if not as in deploy/.
    """
    assert PROGRAM is not None
    config = yaml.safe_load(CONFIG.read_text())
    config["scrape_configs"] = [
        {"job_name": job["job_name"], "static_configs": [{"targets": [targets[job["job_name"]]]}]}
        for job in config["scrape_configs"]
    ]
    config["rule_files"] = [str(CONFIG.parent / file) for file in config["rule_files"]]
    if scrape:
        config["global"]["scrape_interval"] = scrape
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    address = f"127.0.0.1:{free_port()}"
    command = [PROGRAM, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("wb") as log:
        process = start_attached([*command, f"--web.listen-address={address}"], output=log)
        try:
            it = Prometheus(f"http://{address}")
            wait_for(lambda: process.poll() is not None or it.up() == len(targets))
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            yield it
        finally:
            process.terminate()
            process.wait(30)
