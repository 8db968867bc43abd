"""A gateway as an operator starts it, a process of its own, and how tests call it."""

import http.client
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from cellblock_producer.gateway import Scope, entry_of, make_key

COMMAND = [sys.executable, "-m", "cellblock_worker", "gateway"]
KEY = "the-key-of-the-tests"
OTHER_KEY = "the-key-of-another-tenant"
WAIT_S = 60.0


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def write_keys(file: Path, *extra: dict[str, Any]) -> Path:
    """Write the two keys of the tests, and others: `secret` and fields of a Key."""
    given = [
        {"secret": KEY, "name": "tests", "tenant": "default"},
        {"secret": OTHER_KEY, "name": "other", "tenant": "other"},
        *extra,
    ]
    entries = []
    for one in given:
        secret, name, tenant = one.pop("secret"), one.pop("name"), one.pop("tenant", "default")
        made = make_key(secret, name, tenant, [Scope(scope) for scope in one.pop("scopes", ())])
        entries.append(json.loads(entry_of(made)) | one)
    file.write_text(json.dumps({"keys": entries}))
    return file


class GatewayProcess:
    """`cellblock gateway` on a free port of loopback."""

    def __init__(self, redis_url: str, *options: str, environ: dict[str, str] | None = None) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [*COMMAND, "--redis", redis_url, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environ,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.startswith("Gateway at http://"):
            raise AssertionError(self.wait()[1])
        self.url = said.split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._log.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was logged."""
        self._process.communicate(timeout=WAIT_S)
        self._log.seek(0)
        return self._process.returncode, self._log.read().decode()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = KEY,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request on a connection of its own. `body`: bytes as they are, else as JSON."""
        connection = self.send(method, path, body, key=key, headers=headers)
        try:
            return read(connection)
        finally:
            connection.close()

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = KEY,
        headers: dict[str, str] | None = None,
    ) -> http.client.HTTPConnection:
        """Send a request, and do not wait for the answer: see `read`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        name, value = (
            ("X-Api-Key", key) if path.startswith("/v1/sandbox") else ("Authorization", f"Bearer {key}")
        )
        given = {"Content-Type": "application/json"} if sent is not None else {}
        if key is not None:
            given[name] = value or ""
        connection.request(method, path, sent, given | (headers or {}))
        return connection


def read(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())
