"""A Docker engine, ours where none answers: in a network of its own, so that the host's is left alone."""

import os
import shutil
import subprocess
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.hosts.docker import NoDocker

_START_S = 60
_ENGINE = """\
ip link set lo up
exec dockerd --host "$DOCKER_HOST" --pidfile "$1/pid" --data-root "$1/data" --exec-root "$1/exec" \
  --iptables=false --ip6tables=false --ip-masq=false
"""


class Engine:
    """Use it as a context manager; raises NoDocker."""

    own = False
    """Whether it was started here, and so reaches no registry."""

    def __enter__(self) -> Self:
        self.environ = {**os.environ, "DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0"}
        with ExitStack() as stack:
            if shutil.which("docker") is None:
                raise NoDocker(
                    "there is no command docker; on Debian: apt-get install docker.io docker-compose"
                )
            self.compose = self._find_compose()
            if self.call("info", check=False).returncode:
                self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def call(
        self,
        *arguments: str,
        check: bool = True,
        input: bytes = b"",  # noqa: A002
    ) -> subprocess.CompletedProcess[str]:
        """Run docker."""
        done = subprocess.run(
            ["docker", *arguments], env=self.environ, input=input, capture_output=True, check=False
        )
        told = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )
        if check and done.returncode:
            raise RuntimeError(
                f"docker {' '.join(arguments)[:200]}: {told.stderr[-2000:]}{told.stdout[-2000:]}"
            )
        return told

    def _find_compose(self) -> list[str]:
        if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
            return ["docker", "compose"]
        if shutil.which("docker-compose"):
            return ["docker-compose"]
        raise NoDocker("there is neither docker compose nor docker-compose")

    def _start(self, stack: ExitStack) -> None:
        if os.geteuid() != 0 or shutil.which("dockerd") is None:
            raise NoDocker("no Docker engine answers, and only root with dockerd at hand can start one")
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True))
        )
        self.environ["DOCKER_HOST"] = f"unix://{folder}/docker.sock"
        self.own = True
        log = stack.enter_context((folder / "log").open("w+"))
        command = ["unshare", "--net", "--mount", "sh", "-c", _ENGINE, "sh", str(folder)]
        engine = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        stack.callback(engine.wait)
        stack.callback(engine.terminate)
        pause = threading.Event()
        for _ in range(_START_S * 5):
            if engine.poll() is None and self.call("info", check=False).returncode == 0:
                return
            pause.wait(0.2)
        log.seek(0)
        raise NoDocker(f"the Docker engine does not start: {log.read()[-500:]}")
