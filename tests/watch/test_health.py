"""Whether a worker lives, is ready, has started, as it says by HTTP and by `cellblock health`."""

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from tests.cli.test_run import cellblock_on_bare_host
from tests.support.stack import Stack, cellblock
from tests.watch.looking import address_of, ask
from tests.worker.harness import wait_for


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(CELLBLOCK_HTTP="127.0.0.1:0") as stack:
        yield stack


def test_a_worker_that_takes_jobs_lives_is_ready_and_has_started(stack: Stack) -> None:
    url = address_of(stack)
    wait_for(lambda: ask(f"{url}/ready") == (200, {"ok": True, "why": []}))
    for what in ("live", "ready", "startup"):
        done = cellblock("health", what, "--at", url.removeprefix("http://"))
        assert (done.returncode, done.stdout) == (0, f"{what}\n"), done.stderr


@pytest.mark.parametrize("address", ["foo", "127.0.0.1:foo", ":9808", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_wrong_usage(address: str) -> None:
    done = cellblock("health", "--at", address)
    assert (done.returncode, "is no HOST:PORT" in done.stderr) == (2, True), done.stderr


def test_without_redis_it_lives_and_is_not_ready(stack: Stack) -> None:
    url = address_of(stack)
    os.kill(stack.server.pid, signal.SIGKILL)
    told = wait_for(lambda: answer if (answer := ask(f"{url}/ready"))[0] == 503 else None)
    assert "Redis does not answer" in told[1]["why"]
    assert ask(f"{url}/live") == (200, {"ok": True, "why": []})
    done = cellblock("health", "ready", environ={"CELLBLOCK_HTTP": url.removeprefix("http://")})
    assert done.returncode == 1
    assert "Redis does not answer" in done.stderr
    stack.server.restart(crash=True)
    wait_for(lambda: ask(f"{url}/ready")[0] == 200)
    assert stack.stop_worker() == 0
    done = cellblock("health", "ready", "--at", url.removeprefix("http://"))
    assert done.returncode == 1
    assert "no worker answers" in done.stderr


def test_a_worker_without_a_sandbox_says_why_and_serves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("CELLBLOCK_HTTP", address)
    done = cellblock_on_bare_host("worker", "--redis", "redis://127.0.0.1:1/0")
    assert done.returncode == 3
    assert "the worker does not start" in done.stderr
    assert cellblock("health", "ready", "--at", address).returncode == 1
