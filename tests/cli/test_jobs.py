"""`cellblock jobs`: what waits, what is dead, and what can be done about it."""

import json
import os
import signal
from typing import Any

import pytest
from cellblock_producer import Client
from cellblock_producer.contract import ErrorKind
from cellblock_producer.keys import record_key
from cellblock_worker.embedded import EmbeddedServer
from redis import Redis

from tests.support.stack import Stack, cellblock
from tests.worker.harness import processes_under, wait_for

SLOW = {
    "language": "python3",
    "code": "import time\ndef main():\n    time.sleep(1.5)\n    return {}\n",
    "id": "slow",
}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_what_waits_is_listed_without_a_word_of_it() -> None:
    with EmbeddedServer() as server, Client(server.url) as client:
        client.submit({"language": "python3", "code": "sEcReT", "id": "one", "tenant": "acme"})
        client.submit_many([{"language": "python3", "code": "sEcReT"}] * 2, per_message=2)
        done = cellblock("jobs", "--json", "--redis", server.url)
        one, several = lines(done.stdout)
        assert (one["name"], one["place"], one["attempts"]) == ("acme:one", "waiting", 0)
        assert several["name"].startswith("message:")
        assert 500 < one["bytes"] < several["bytes"] < 2000
        shown = cellblock("jobs", "--redis", server.url)
        assert "acme:one" in shown.stdout
        assert "sEcReT" not in shown.stdout + done.stdout
        assert cellblock("jobs", "--dead", "--redis", server.url).stdout == "none\n"


def test_a_name_of_usual_length_is_on_one_line_to_be_copied() -> None:
    with EmbeddedServer() as server, Client(server.url) as client:
        handle = client.submit({"language": "python3", "code": "x"})
        assert str(handle.name) in cellblock("jobs", "--redis", server.url).stdout


def test_a_dead_job_is_kept_retried_and_dropped() -> None:
    with Stack(CELLBLOCK_MAX_ATTEMPTS="1") as stack, Client(stack.url) as client:
        handle = _kill_its_process(stack, client)
        error = handle.result(30).error
        assert error is not None
        assert error.kind == ErrorKind.WORKER_LOST
        [dead] = lines(cellblock("jobs", "--dead", "--json", "--redis", stack.url).stdout)
        assert (dead["name"], dead["place"], dead["bytes"] > 500) == ("default:slow", "dead", True)
        assert (dead["attempts"], dead["lost"]) == (1, 1)
        assert cellblock("jobs", "retry", "slow", "--redis", stack.url).returncode == 0
        assert client.attach("slow").result(30).error is None
        done = cellblock("jobs", "drop", "slow", "--redis", stack.url)
        assert (done.returncode, "default:slow" in done.stderr) == (1, True)


def test_dropping_leaves_the_result() -> None:
    with Stack(CELLBLOCK_MAX_ATTEMPTS="1") as stack, Client(stack.url) as client:
        result = _kill_its_process(stack, client).result(30)
        assert cellblock("jobs", "drop", "slow", "--redis", stack.url).returncode == 0
        assert cellblock("jobs", "--dead", "--redis", stack.url).stdout == "none\n"
        assert client.get("slow") == result


@pytest.mark.parametrize(
    ("arguments", "code"), [(["retry", "a b"], 2), (["--redis", "redis://127.0.0.1:1"], 3)]
)
def test_what_cannot_be_done(arguments: list[str], code: int) -> None:
    assert cellblock("jobs", *arguments).returncode == code


def _kill_its_process(stack: Stack, client: Client) -> Any:
    handle = client.submit(SLOW)
    with Redis.from_url(stack.url) as redis:
        wait_for(lambda: redis.hget(record_key(handle.name), "state") == b"running")
    assert stack.worker is not None
    for pid in processes_under(stack.worker.pid):
        os.kill(pid, signal.SIGKILL)
    return handle
