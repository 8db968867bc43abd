"""The outbox: what is put in with the Result comes out at least once, and leaves when it is dealt with."""

from typing import Any

import pytest
from cellblock_producer import Client
from cellblock_producer.contract import CeleryReply, Job, WebhookReply, settle_success
from cellblock_producer.keys import DEFAULT_QUEUE, outgoing_key
from cellblock_producer.ledger import Ledger
from cellblock_producer.outbox import NO_REPLY, Claim, Outbox, read_reply, reply_to
from cellblock_producer.scripts import MAX_UNDELIVERED
from redis import Redis

CELERY = {"kind": "celery", "task": "engine.resume", "queue": "engine"}
WEBHOOK = {"kind": "webhook", "url": "https://hooks.example.org/x?y=é".replace("é", "z")}


def job(job_id: str = "one", **fields: Any) -> Job:
    return Job.model_validate({"id": job_id, "language": "python3", "code": "x", "reply": CELERY} | fields)


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, ttl_s=60)


@pytest.fixture
def outbox(redis: Redis) -> Outbox:
    return Outbox(redis, DEFAULT_QUEUE)


def finish(ledger: Ledger, *jobs: Job) -> None:
    for each in jobs:
        ledger.finish(each.name, settle_success(each, {"ä": each.id}))


def ids(claim: Claim) -> list[str]:
    return [entry.id for entry in claim.entries]


def test_a_result_comes_out_as_it_was_stored(
    client: Client, ledger: Ledger, outbox: Outbox, redis: Redis
) -> None:
    sent = [job(), job("two", reply=WEBHOOK)]
    client.submit_many(sent)
    assert outbox.claim(10, 1000) == Claim((), None)
    finish(ledger, *sent)
    one, two = sorted(outbox.claim(10, 60_000).entries, key=lambda entry: entry.name.id)
    assert (one.reply, two.reply) == (CeleryReply(**CELERY), WebhookReply(**WEBHOOK))
    assert (str(one.name), one.tries) == ("default:one", 1)
    assert one.result == settle_success(sent[0], {"ä": "one"}).to_json().encode()
    assert redis.ttl(outgoing_key(one.id)) > 0


def test_members_of_a_batch_and_jobs_of_stock_senders_have_theirs(
    client: Client, ledger: Ledger, outbox: Outbox
) -> None:
    batch = [job("one"), job("none", reply=None), job("two")]
    client.submit_many(batch, per_message=3)
    stock = job("stock")
    ledger.begin(stock.name, stock.digest(), reply_to=reply_to(DEFAULT_QUEUE, stock.reply))
    finish(ledger, *batch, stock)
    names = {entry.name.id for entry in outbox.claim(10, 1000).entries}
    assert names == {"one", "two", "stock"}


def test_a_cancelled_job_has_its_reply(client: Client, outbox: Outbox) -> None:
    client.submit(job()).cancel()
    [entry] = outbox.claim(10, 1000).entries
    assert b'"cancelled"' in entry.result


def test_only_the_first_result_is_sent(client: Client, ledger: Ledger, outbox: Outbox) -> None:
    client.submit(job())
    finish(ledger, job(), job())
    assert len(outbox.claim(10, 60_000).entries) == 1


def test_who_finishes_may_say_where_or_that_nothing_is_sent(
    client: Client, ledger: Ledger, outbox: Outbox
) -> None:
    client.submit(job())
    ledger.finish(job().name, settle_success(job(), {}), reply_to=NO_REPLY)
    other = job("two", reply=None)
    ledger.finish(other.name, settle_success(other, {}), reply_to=reply_to("elsewhere", job().reply))
    assert outbox.claim(10, 1000).entries == ()
    assert len(Outbox(outbox.redis, "elsewhere").claim(10, 1000).entries) == 1


def test_what_is_claimed_is_due_again_unless_it_is_forgotten(
    client: Client, ledger: Ledger, outbox: Outbox, redis: Redis
) -> None:
    client.submit_many([job("one"), job("two")])
    finish(ledger, job("one"), job("two"))
    first = outbox.claim(1, 3_600_000)
    assert len(first.entries) == 1
    second = outbox.claim(10, 0)
    assert len(second.entries) == 1
    again = outbox.claim(10, 3_600_000)
    assert (ids(again), again.entries[0].tries) == (ids(second), 2)
    later = outbox.claim(10, 0)
    assert later.entries == ()
    assert later.next_ms is not None
    assert later.next_ms > 3_500_000
    assert outbox.forget(ids(first)[0])
    assert not outbox.forget(ids(first)[0])
    outbox.forget(ids(second)[0])
    assert not redis.keys("cellblock:outbox*")
    assert not redis.keys("cellblock:outgoing:*")


def test_a_task_is_put_on_its_queue_once_however_many_senders_have_it(
    client: Client, ledger: Ledger, outbox: Outbox, redis: Redis
) -> None:
    client.submit(job())
    finish(ledger, job())
    [entry_id] = ids(outbox.claim(1, 0))
    for _ in range(2):
        outbox.push(entry_id, "engine", "message")
    assert redis.lrange("engine", 0, -1) == [b"message"]
    assert outbox.claim(10, 0) == Claim((), None)


def test_what_is_given_up_is_kept_and_can_be_sent_again(
    client: Client, ledger: Ledger, outbox: Outbox
) -> None:
    client.submit(job())
    finish(ledger, job())
    [entry_id] = ids(outbox.claim(1, 0))
    outbox.put_off(entry_id, 3_600_000, "busy")
    [waiting] = outbox.unsent(10)
    assert (waiting.given_up, waiting.why, waiting.kind, waiting.tries) == (False, "busy", "celery", 1)
    assert outbox.claim(10, 0).entries == ()
    outbox.give_up(entry_id, "status 500")
    [kept] = outbox.unsent(10)
    assert (kept.given_up, kept.why, kept.name) == (True, "status 500", "default:one")
    assert outbox.claim(10, 0) == Claim((), None)
    outbox.give_up(entry_id, "too late to say so")
    assert outbox.resend(entry_id)
    assert not outbox.resend(entry_id)
    [entry] = outbox.claim(10, 0).entries
    assert (entry.id, entry.tries) == (entry_id, 1)


def test_what_cannot_be_read_holds_nothing_up(
    client: Client, ledger: Ledger, outbox: Outbox, redis: Redis
) -> None:
    client.submit_many([job("one"), job("two")])
    redis.hset("cellblock:job:default:one", "reply_to", 'cellblock\n{"kind":"pigeon"}')
    finish(ledger, job("one"), job("two"))
    assert [entry.name.id for entry in outbox.claim(10, 60_000).entries] == ["two"]
    given_up = next(outbox.unsent(10))
    assert (given_up.kind, given_up.why) == ("pigeon", "it cannot be read")


def test_what_is_kept_is_bounded_and_the_oldest_goes(ledger: Ledger, outbox: Outbox, redis: Redis) -> None:
    now: Any = redis.time()
    redis.zadd(
        "cellblock:undelivered", {f"msg_{n}": now[0] * 1000 - 10_000 + n for n in range(MAX_UNDELIVERED)}
    )
    redis.hset(outgoing_key("msg_0"), "name", "default:old")
    ledger.finish(job().name, settle_success(job(), {}), reply_to=reply_to(DEFAULT_QUEUE, job().reply))
    [entry_id] = ids(outbox.claim(1, 0))
    outbox.give_up(entry_id, "no")
    kept: Any = redis.zrange("cellblock:undelivered", 0, -1)
    assert len(kept) == MAX_UNDELIVERED
    assert (kept[0], kept[-1]) == (b"msg_1", entry_id.encode())
    assert not redis.exists(outgoing_key("msg_0"))


def test_a_job_without_a_reply_leaves_nothing_in_the_outbox(
    client: Client, ledger: Ledger, redis: Redis
) -> None:
    plain = job(reply=None)
    client.submit(plain)
    finish(ledger, plain)
    assert not redis.keys("cellblock:out*")
    assert not redis.hexists("cellblock:job:default:one", "reply_to")


def test_a_reply_is_read_from_what_is_no_job_otherwise() -> None:
    assert read_reply({"code": 1, "reply": CELERY}) == CeleryReply(**CELERY)
    unreadable: list[Any] = [
        [],
        {},
        {"reply": None},
        {"reply": {"kind": "pigeon"}},
        {"reply": {**WEBHOOK, "url": "x"}},
    ]
    assert [read_reply(said) for said in unreadable] == [None] * 5
