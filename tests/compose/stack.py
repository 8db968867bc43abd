"""The stack of docker-compose.yaml, under a name of its own, as an operator handles it."""

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from tests.compose.engine import Engine
from tests.compose.images import ROOT

_PATIENCE_S: Final = 300.0
_LOOK_S: Final = 1.0
# Asked from within the gateway's container: the engine's network may be no part of ours.
_ASK: Final = """\
import json, sys, urllib.error, urllib.request as u
url, who, method, body = sys.argv[1:5]
headers = {"Authorization": who, "Content-Type": "application/json"}
asked = u.Request(url, body.encode() or None, headers, method=method)
try:
    with u.urlopen(asked, timeout=100) as answer: print(json.dumps([answer.status, answer.read().decode()]))
except urllib.error.HTTPError as error: print(json.dumps([error.code, error.read().decode()]))
"""


class Stack:
    """A project of compose with secrets of its own."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self._project = f"cellblock-smoke-{folder.name.replace('_', '')}".lower()
        made = subprocess.run(
            [ROOT / "deploy" / "env.sh", folder], capture_output=True, text=True, check=True
        )
        self._env = made.stdout.strip()
        lines = Path(self._env).read_text().splitlines()
        self.secrets = dict(line.split("=", 1) for line in lines)
        ports = ("GATEWAY_PORT=0", "FLOWER_PORT=0", "PROMETHEUS_PORT=0", "GRAFANA_PORT=0")
        offline = ("PIP_NO_INDEX=1",) if engine.own else ()
        with Path(self._env).open("a") as file:
            file.write("\n".join([*ports, *offline, "CELLBLOCK_WALL_MS=60000", ""]))

    def compose(self, *arguments: str) -> str:
        """Run compose; raises RuntimeError with the end of what it said."""
        command = [*self.engine.compose, "--project-name", self._project, "--env-file", self._env, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.engine.environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr[-3000:]}{done.stdout[-1000:]}")
        return done.stdout

    def containers(self, service: str = "") -> list[str]:
        """Ids of the containers of one service, or of all that there are, the ended ones included."""
        labels = [f"com.docker.compose.project={self._project}"]
        if service:
            labels.append(f"com.docker.compose.service={service}")
        filters = [part for label in labels for part in ("--filter", f"label={label}")]
        return self.engine.call("ps", "--all", "--quiet", *filters).stdout.split()

    def left(self) -> list[str]:
        """Whatever there is of the project."""
        label = ("--filter", f"label=com.docker.compose.project={self._project}", "--quiet")
        kinds = ("network", "volume")
        return [
            *self.containers(),
            *(e for k in kinds for e in self.engine.call(k, "ls", *label).stdout.split()),
        ]

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine knows of a container."""
        [told] = json.loads(self.engine.call("inspect", container).stdout)
        return dict(told)

    def check_locked_down(self, service: str) -> None:
        """Raise AssertionError where a service's container may do too much, or its image says too much."""
        [container, *_] = self.containers(service)
        told = self.inspect(container)
        host = told["HostConfig"]
        assert told["Config"]["User"] not in ("", "0", "root"), service
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert not host["CapAdd"], service
        assert not host["Privileged"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        image = self.engine.call("history", "--no-trunc", told["Config"]["Image"]).stdout
        image += json.dumps(json.loads(self.engine.call("image", "inspect", told["Config"]["Image"]).stdout))
        assert not [name for name, secret in self.secrets.items() if len(secret) > 12 and secret in image]

    def wait_healthy(self, service: str, number: int = 1) -> list[str]:
        """Wait until so many containers of a service are healthy; raises with their logs."""
        give_up = time.monotonic() + _PATIENCE_S
        while time.monotonic() < give_up:
            ids = self.containers(service)
            states = [self.inspect(each)["State"] for each in ids]
            healthy = [
                each
                for each, s in zip(ids, states, strict=True)
                if s.get("Health", {}).get("Status") == "healthy"
            ]
            if len(healthy) == len(ids) == number:
                return healthy
            time.sleep(_LOOK_S)
        raise RuntimeError(f"{service} is not healthy:\n{self.compose('logs', '--tail', '40', service)}")

    def inside(self, container: str, *command: str) -> str:
        """Run a command in a container."""
        return self.engine.call("exec", container, *command).stdout

    def ask(self, path: str, body: object = None, method: str = "POST") -> tuple[int, Any]:
        """Ask the gateway with the key that env.sh has made."""
        who = f"Bearer {self.secrets['GATEWAY_KEY']}"
        return self.fetch(f"http://127.0.0.1:8194{path}", who, body, method)

    def fetch(self, url: str, who: str = "", body: object = None, method: str = "GET") -> tuple[int, Any]:
        """Ask what the gateway's container reaches; `who` is the header Authorization."""
        [gateway] = self.containers("gateway")
        said = json.dumps(body) if body is not None else ""
        answer = self.inside(gateway, "python3", "-c", _ASK, url, who, method, said)
        status, text = json.loads(answer)
        return status, json.loads(text)


def new_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder for the secrets of a run."""
    return tempfile.TemporaryDirectory(prefix="cellblock-smoke-")
