"""Redis as deploy/ starts it: what its users may do is enough for all of Cellblock, and no more than that."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery
from cellblock_producer import Client
from cellblock_producer.keys import record_key
from cellblock_worker.attached import start_attached
from cellblock_worker.embedded import EmbeddedServer

from tests.support.program import server_program
from tests.support.stack import Stack
from tests.worker.harness import wait_for

START = Path(__file__).parents[2] / "deploy" / "redis" / "start.sh"
PASSWORD = "pass-of-the-tests"


class DeployedServer(EmbeddedServer):
    """The server that we have, started by deploy/redis/start.sh."""

    def __init__(self) -> None:
        super().__init__(tcp=True)

    @property
    def url(self) -> str:
        return f"redis://cellblock:{PASSWORD}@{self.address}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def _start(self) -> None:
        program = self._home / "redis-server"
        if not program.exists():
            program.symlink_to(server_program())
        ours = {"REDIS_PASSWORD": PASSWORD, "REDIS_DATA": str(self._home), "TMPDIR": str(self._home)}
        environ = {**os.environ, **ours, "PATH": f"{self._home}:{os.environ['PATH']}"}
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--logfile", "server.log"]
        self._process = start_attached(["/bin/sh", str(START), *options], environ=environ)
        self._wait_until_it_answers(self._process)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stack = Stack(CELLBLOCK_WALL_MS="60000")
    stack.server = DeployedServer()
    with stack:
        yield stack


def test_jobs_run_and_are_cancelled_and_workers_answer(stack: Stack) -> None:
    with Client(stack.url) as client:
        for language, code in (("python3", "def main(): return {}"), ("nodejs", "const main = () => ({})")):
            assert client.run({"language": language, "code": code}, timeout=60).status == "succeeded"
        running = client.submit({"language": "python3", "code": "import time\ndef main(): time.sleep(50)"})
        with redis.Redis.from_url(stack.url) as server:
            wait_for(lambda: server.hget(record_key(running.name), "state") == b"running")
        running.cancel()
        error = running.result(timeout=60).error
        assert error is not None
        assert error.kind == "cancelled"
    app = Celery(broker=stack.url, set_as_current=False)  # as Flower asks
    assert wait_for(lambda: app.control.inspect(timeout=2).stats())


def test_what_it_accepted_outlives_it(stack: Stack) -> None:
    with Client(stack.url) as client:
        result = client.run({"language": "python3", "code": "def main(): return {}"}, timeout=60)
    with redis.Redis.from_url(stack.url) as server:
        before = server.hgetall(record_key(result.name))
        assert before
        stack.server.restart()
        assert server.hgetall(record_key(result.name)) == before


def test_others_may_do_nothing(stack: Stack) -> None:
    assert isinstance(stack.server, DeployedServer)
    for who in ("", "default:@", "default:guessed@", "cellblock:guessed@"):
        url = f"redis://{who}{stack.server.address}"
        with redis.Redis.from_url(url) as server, pytest.raises(redis.AuthenticationError):
            server.ping()
    with redis.Redis.from_url(f"redis://health:none@{stack.server.address}") as server:
        assert server.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            server.get("cellblock")
    with redis.Redis.from_url(stack.url) as server:
        for command in ("FLUSHALL", "CONFIG GET *", "KEYS *", "SHUTDOWN", "ACL LIST"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                server.execute_command(*command.split())
        with pytest.raises(redis.exceptions.NoPermissionError):
            server.get("of-somebody-else")
