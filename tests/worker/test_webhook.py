"""One try of a webhook: where it connects, how long it takes, how much it reads; without a worker."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from cellblock_producer.contract import WebhookReply
from cellblock_producer.keys import JobName
from cellblock_producer.outbox import Outgoing
from cellblock_worker.reply_settings import ReplySettings
from cellblock_worker.sender import webhook
from cellblock_worker.sender.webhook import NotSent, Webhooks

from tests.support.receiver import Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = ["127.0.0.0/8", "::1/128"]


def send(origin: str, path: str = "/", networks: list[str] = LOOPBACK) -> None:
    settings = ReplySettings.model_validate(
        {"webhooks": {origin: {"secrets": [SECRET], "networks": networks}}}
    )
    reply = WebhookReply(kind="webhook", url=origin + path)
    entry = Outgoing("msg_1", JobName("default", "one"), reply, b"{}", 1, 0)

    async def post() -> None:
        async with Webhooks(settings) as webhooks:
            await webhooks.send(entry, reply)

    asyncio.run(post())


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen, and have `answer` deal with the one connection that comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # the other side has had enough
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://localhost:{listener.getsockname()[1]}"
        thread.join()


def test_a_name_is_resolved_once_and_what_was_looked_at_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that changes after it was checked leads nowhere."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: Any, *args: Any, **options: Any) -> Any:
        if host == "rebind.test":
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *args, **options)
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with Receiver() as receiver:
        send(receiver.origin("rebind.test"))
        [request] = receiver.received
    assert asked == ["rebind.test"]
    assert request.headers["host"] == f"rebind.test:{receiver.port}"


def test_of_several_addresses_only_allowed_ones_are_tried_and_the_next_where_one_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = socket.getaddrinfo

    def several(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        names = ("127.0.0.1", "127.0.0.2", "127.0.0.3") if host == "several.test" else (host,)
        return [info for name in names for info in real(name, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    # Nobody listens at the second.
    with Receiver() as first, Receiver(address="127.0.0.3", port=first.port) as third:
        send(first.origin("several.test"), networks=["127.0.0.2/31"])
        assert (len(first.received), len(third.received)) == (0, 1)


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Receiver() as receiver:
        send(receiver.origin())
        assert len(receiver.received) == 1


def test_who_drips_its_answer_does_not_hold_us_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TRY_S", 0.5)
    pause = threading.Event()

    def drip(connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10_000:
            connection.sendall(bytes([byte]))
            pause.wait(0.05)

    with raw_server(drip) as origin, pytest.raises(NotSent, match="no answer within"):
        send(origin)


def test_the_head_of_an_answer_is_bounded_and_its_body_not_read() -> None:
    def endless_head(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"x: " + b"y" * 65_536 + b"\r\n")

    with raw_server(endless_head) as origin, pytest.raises(NotSent, match="ProtocolError"):
        send(origin)

    def endless_body(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    with raw_server(endless_body) as origin:
        send(origin)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.example.org/x", True),
        ("https://HOOKS.example.org:443/", True),
        ("https://hooks.example.org:8443/", False),
        ("http://hooks.example.org/", False),
        ("https://hooks.example.org./", False),
        ("https://x.hooks.example.org/", False),
        ("https://a.wild.example/", True),
        ("https://a.b.wild.example/", True),
        ("https://wild.example/", False),
        ("https://evilwild.example/", False),
        ("http://engine:8080/resume", True),
        ("https://engine:8080/resume", False),
    ],
)
def test_receivers_are_named_by_scheme_host_and_port(url: str, allowed: bool) -> None:
    receiver = {"secrets": [SECRET]}
    names = ("hooks.example.org", "https://*.wild.example", "http://engine:8080")
    settings = ReplySettings.model_validate({"webhooks": json.dumps(dict.fromkeys(names, receiver))})
    reply = WebhookReply(kind="webhook", url=url)
    assert (settings.reply_problem(reply) is None) == allowed


@pytest.mark.parametrize(
    "webhooks",
    [
        "nonsense",
        "[]",
        "@/nowhere",
        {"hooks.example.org": {}},
        {"hooks.example.org": {"secrets": []}},
        {"hooks.example.org": {"secrets": ["hunter2-hunter2-hunter2"]}},
        {"hooks.example.org/path": {"secrets": [SECRET]}},
        {"ftp://hooks.example.org": {"secrets": [SECRET]}},
        {"*": {"secrets": [SECRET]}},
        {"hooks.example.org": {"secrets": [SECRET], "networks": ["10.0.0.1/8"]}},
        {"hooks.example.org": {"secrets": [SECRET], "novelty": 1}},
    ],
)
def test_settings_that_cannot_be_meant_are_refused_and_not_quoted(webhooks: Any) -> None:
    with pytest.raises(ValueError, match="webhooks") as caught:
        ReplySettings.model_validate({"webhooks": webhooks})
    assert "hunter2" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    settings = ReplySettings.model_validate({"webhooks": {"hooks.example.org": {"secrets": [SECRET]}}})
    assert SECRET not in repr(settings) + repr(settings.webhooks)
