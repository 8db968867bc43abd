"""The sender's loop, in this process: who is slow holds nobody up, and the end puts back what goes on."""

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest
from cellblock_producer.contract import Job, Reply, WebhookReply, settle_success
from cellblock_producer.ledger import Ledger
from cellblock_producer.outbox import Outbox, reply_to
from cellblock_worker.embedded import EmbeddedServer
from cellblock_worker.reply_settings import ReplySettings
from cellblock_worker.sender import sender as module
from cellblock_worker.sender import webhook
from cellblock_worker.sender.sender import Sender, pause_ms
from cellblock_worker.sender.webhook import Webhooks
from redis import Redis

from tests.support.receiver import Receiver

LOOPBACK = {"secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "networks": ["127.0.0.0/8", "::1/128"]}


@pytest.fixture
def outbox(server: EmbeddedServer, client: Redis) -> Iterator[Outbox]:
    client.flushall()
    yield Outbox(client, "cellblock")


@pytest.fixture
def silent() -> Iterator[str]:
    """A receiver that takes connections and never answers."""
    with socket.create_server(("127.0.0.2", 0)) as listener:
        yield f"http://127.0.0.2:{listener.getsockname()[1]}"


def put(outbox: Outbox, job_id: str, origin: str) -> None:
    job = Job.model_validate({"id": job_id, "language": "python3", "code": "x"})
    reply: Reply = WebhookReply(kind="webhook", url=f"{origin}/")
    result = settle_success(job, {})
    Ledger(outbox.redis, ttl_s=60).finish(job.name, result, reply_to=reply_to("cellblock", reply))


async def send_until(outbox: Outbox, settings: ReplySettings, done: Callable[[], object]) -> None:
    """Run a sender until `done` returns, and stop it."""
    async with Webhooks(settings) as webhooks:
        sender = Sender(settings, outbox, webhooks)
        running = asyncio.create_task(sender.run())
        await asyncio.to_thread(done)
        sender.stop()
        await running


def test_a_slow_receiver_holds_nobody_up_and_what_it_has_is_put_back_at_the_end(
    outbox: Outbox, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TRY_S", 3600.0)
    monkeypatch.setattr(module, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(module, "MOST_AT_ONE_HOST", 2)
    monkeypatch.setattr(module, "GRACE_S", 0.1)
    for number in range(5):
        put(outbox, f"slow{number}", silent)
    with Receiver() as receiver:
        put(outbox, "quick", receiver.origin())
        settings = ReplySettings.model_validate({"webhooks": {silent: LOOPBACK, receiver.origin(): LOOPBACK}})
        asyncio.run(send_until(outbox, settings, lambda: receiver.wait_for(1)))
    names = {each.name for each in outbox.unsent(10)}
    assert names == {f"default:slow{number}" for number in range(5)}
    whys = [each.why for each in outbox.unsent(10)]
    assert whys.count("the sender was stopped") >= 2
    due = {entry.name.id for entry in outbox.claim(10, 0).entries}
    assert len(due) >= 2


def test_pauses_grow_to_ten_minutes_and_differ() -> None:
    assert [pause_ms(tries, lambda: 0.5) for tries in (1, 2, 3, 11, 12, 1000)] == [
        500,
        1000,
        2000,
        512_000,
        600_000,
        600_000,
    ]
    assert (pause_ms(1, lambda: 0.0), pause_ms(1, lambda: 1.0)) == (375, 625)
