"""`cellblock replies`: what is to be sent, what was given up, and what can be done about it."""

import json
from typing import Any

import pytest
from cellblock_producer import Client
from cellblock_producer.outbox import Outbox
from cellblock_worker.embedded import EmbeddedServer
from redis import Redis

from tests.support.stack import cellblock

SECRET = "sEcReT"
JOB = {
    "language": "python3",
    "code": "x",
    "labels": {"a": SECRET},
    "reply": {"kind": "webhook", "url": f"https://hooks.example.org/{SECRET}"},
}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_replies_are_listed_sent_again_and_dropped() -> None:
    with EmbeddedServer() as server, Client(server.url) as client, Redis.from_url(server.url) as redis:
        assert cellblock("replies", "--redis", server.url).stdout == "none\n"
        for job_id in ("one", "two"):
            client.submit({**JOB, "id": job_id}).cancel()
        outbox = Outbox(redis, "cellblock")
        given_up, _ = outbox.claim(2, 60_000).entries
        outbox.give_up(given_up.id, "answered with status 500")
        shown = cellblock("replies", "--redis", server.url)
        listed = cellblock("replies", "--json", "--redis", server.url)
        assert SECRET not in shown.stdout + listed.stdout
        first, second = lines(listed.stdout)
        assert (first["id"], first["name"]) == (given_up.id, str(given_up.name))
        assert (first["given_up"], first["tries"], first["why"]) == (True, 1, "answered with status 500")
        assert (second["given_up"], second["kind"]) == (False, "webhook")
        assert cellblock("replies", "retry", first["id"], "--redis", server.url).returncode == 0
        assert [entry.id for entry in outbox.claim(9, 60_000).entries] == [first["id"]]
        done = cellblock("replies", "drop", first["id"], "msg_no", "--redis", server.url)
        assert (done.returncode, done.stdout) == (1, f"{first['id']} is forgotten\n")
        assert "msg_no" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["retry", "x"]])
def test_without_redis_it_exits_3(arguments: list[str]) -> None:
    assert cellblock("replies", *arguments, "--redis", "redis://127.0.0.1:1").returncode == 3
