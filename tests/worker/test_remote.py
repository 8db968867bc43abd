"""What remote control may be told: nothing that would harm."""

import json
from typing import Any, cast

import pytest
from cellblock_worker.remote import admit

COMMAND: dict[str, Any] = {
    "method": "ping",
    "arguments": {},
    "destination": None,
    "pattern": None,
    "matcher": None,
    "ticket": "t",
    "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "r"},
}


def envelope(command: object = COMMAND, **changes: object) -> bytes:
    plain = {"body": json.dumps(command), "content-type": "application/json", "headers": {}, "properties": {}}
    return json.dumps(plain | {name.replace("_", "-"): value for name, value in changes.items()}).encode()


def test_admitted_again_it_stays_the_same() -> None:
    admitted = admit(envelope(headers={"clock": 5, "lease": ["x"]}))
    assert admitted is not None
    assert json.loads(admitted)["headers"] == {"clock": 5}
    assert admit(admitted) == admitted


@pytest.mark.parametrize("clock", [-1, 10**300, "1", None, [1]])
def test_a_clock_that_is_none_is_not_followed(clock: object) -> None:
    admitted = admit(envelope(headers={"clock": clock}))
    assert admitted is not None
    assert json.loads(admitted)["headers"] == {"clock": 0}


@pytest.mark.parametrize(
    "message",
    [
        *(b"", b"\xff\x00", b"5", b"{}", b"[]", b"[" * 1_000_000, b" " * (4 * 1024 * 1024 + 1)),
        envelope(content_type="application/x-python-serialize"),
        envelope(properties=[]),
        envelope(properties={"body_encoding": "base64"}),
        envelope(headers=[1]),
        envelope(body=5),
        *map(envelope, cast("list[object]", [5, [], {}, "ping"])),
        *(
            envelope(COMMAND | change)
            for change in cast(
                "list[dict[str, Any]]",
                [
                    {"method": ["ping"]},
                    {"method": "x" * 1000},
                    {"arguments": [1]},
                    {"destination": "w@h"},
                    {"ticket": {}},
                    {"matcher": "other"},
                    {"reply_to": {"exchange": "of-my-own", "routing_key": "r"}},
                    {"reply_to": {"exchange": "reply.celery.pidbox"}},
                ],
            )
        ),
    ],
)
def test_all_else_is_not(message: bytes) -> None:
    assert admit(message) is None
