"""Replies through a real worker: by task and by webhook, at least once, and only to where they may go."""

import json
import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme
from cellblock_producer import Client
from cellblock_producer.contract import Job, Result
from cellblock_producer.keys import record_key, result_key
from cellblock_producer.outbox import Outbox, Unsent
from cellblock_producer.webhooks import verify
from cellblock_worker.embedded import EmbeddedServer

from tests.support.processes import seen
from tests.support.receiver import Received, Receiver
from tests.worker.harness import WorkerProcess, envelope, wait_for

SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "A" * 40]
LOOPBACK = {"secrets": SECRETS, "networks": ["127.0.0.0/8", "::1/128"]}
TASK = {"kind": "celery", "task": "engine.resume", "queue": "engine"}


class World:
    """A server, a worker, and receivers of each kind."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        authority, stranger = trustme.CA(), trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        self.server = stack.enter_context(EmbeddedServer())
        self.receiver = stack.enter_context(Receiver())
        self.tls = stack.enter_context(Receiver(tls=_context(authority, "localhost")))
        self.misnamed = stack.enter_context(Receiver(tls=_context(authority, "other.example")))
        self.untrusted = stack.enter_context(Receiver(tls=_context(stranger, "localhost")))
        self.private = stack.enter_context(Receiver())
        self.moody = stack.enter_context(Receiver(500, 404))
        self.elsewhere = stack.enter_context(Receiver(302, 307, 302))
        self.gone = stack.enter_context(Receiver(410))
        plain = (self.receiver, self.moody, self.elsewhere, self.gone)
        allowed = (*plain, self.tls, self.misnamed, self.untrusted)
        webhooks: dict[str, Any] = {receiver.origin(): LOOPBACK for receiver in allowed}
        webhooks |= {self.private.origin(host): {"secrets": SECRETS} for host in ("localhost", "127.0.0.1")}
        (folder / "webhooks.json").write_text(json.dumps(webhooks))
        os.environ["SSL_CERT_FILE"] = str(folder / "ca.pem")
        stack.callback(os.environ.pop, "SSL_CERT_FILE")
        self.settings = {
            "WEBHOOKS": f"@{folder / 'webhooks.json'}",
            "REPLY_QUEUES": "engine, other",
            "REPLY_FOR_S": "1",
        }
        self.worker = stack.enter_context(WorkerProcess(self.server.url, **self.settings)).wait_until_ready()


def _context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack, tmp_path_factory.mktemp("replies"))


@pytest.fixture
def engine(world: World) -> Iterator[Client]:
    with Client(world.server.url) as client:
        yield client


@pytest.fixture
def client(world: World) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(world.server.url) as client:
        client.delete("engine", "other", "cellblock:undelivered")
        yield client


def job(reply: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"language": "python3", "code": "go", "reply": reply, **fields}


def webhook(url: str) -> dict[str, Any]:
    return {"kind": "webhook", "url": url}


def of(received: list[Received], job_id: str) -> list[Received]:
    return [each for each in received if json.loads(each.body or b"{}").get("job_id") == job_id]


def task_on(client: redis.Redis, queue: str) -> tuple[dict[str, Any], Result]:
    """Wait for a task on a queue, and return its headers and its argument."""
    popped: Any = wait_for(lambda: client.rpop(queue))
    message = json.loads(popped)
    [argument], kwargs, _ = json.loads(message["body"])
    assert kwargs == {}
    return message["headers"], Result.model_validate(argument)


def given_up(client: redis.Redis, job_id: str) -> Unsent:
    def look() -> Unsent | None:
        found = Outbox(client, "cellblock").unsent(100)
        return next((each for each in found if each.given_up and each.name == f"default:{job_id}"), None)

    return wait_for(look)


def test_a_task_gets_the_result(engine: Client, client: redis.Redis) -> None:
    result = engine.run(job(TASK, inputs={"ä": 1}), timeout=30)
    headers, argument = task_on(client, "engine")
    assert argument == result
    assert (headers["task"], headers["argsrepr"]) == (
        "engine.resume",
        f"job_id={result.job_id} tenant=default",
    )
    assert headers["id"].startswith("msg_")
    wait_for(lambda: not client.exists("cellblock:outbox"))


def test_a_webhook_gets_the_result_signed_by_each_secret(
    world: World, engine: Client, client: redis.Redis
) -> None:
    result = engine.run(job(webhook(world.receiver.origin() + "/hook?run=7"), id="signed"), timeout=30)
    wait_for(lambda: of(world.receiver.received, "signed"))
    [request] = of(world.receiver.received, "signed")
    assert (request.path, request.headers["host"]) == ("/hook?run=7", f"localhost:{world.receiver.port}")
    assert request.headers["content-type"] == "application/json"
    assert Result.from_json(request.body) == result
    assert request.body == client.get(result_key(Job(**job(TASK, id="signed")).name))
    for secret in SECRETS:
        assert verify([secret], request.headers, request.body).startswith("msg_")


def test_tls_is_verified_by_the_receivers_name(world: World, engine: Client, client: redis.Redis) -> None:
    for name, receiver in (("tls", world.tls), ("misnamed", world.misnamed), ("untrusted", world.untrusted)):
        engine.run(job(webhook(receiver.origin()), id=name), timeout=30)
    wait_for(lambda: of(world.tls.received, "tls"))
    for name in ("misnamed", "untrusted"):
        assert given_up(client, name).why == "ConnectError"
    assert world.misnamed.received == world.untrusted.received == []


def test_what_a_receiver_does_not_take_is_sent_again_under_its_id(world: World, engine: Client) -> None:
    engine.run(job(webhook(world.moody.origin()), id="again"), timeout=30)
    first, second, third = world.moody.wait_for(3)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == third.headers["webhook-id"]
    assert first.body == third.body


def test_a_redirect_is_not_followed_and_it_is_given_up(
    world: World, engine: Client, client: redis.Redis
) -> None:
    engine.run(job(webhook(world.elsewhere.origin()), id="redirected"), timeout=30)
    unsent = given_up(client, "redirected")
    assert (unsent.why, unsent.tries) == ("answered with status 302", 3)
    assert [request.path for request in world.elsewhere.received] == ["/"] * 3


def test_who_is_gone_is_not_asked_again(world: World, engine: Client, client: redis.Redis) -> None:
    engine.run(job(webhook(world.gone.origin()), id="gone"), timeout=30)
    assert given_up(client, "gone").tries == 1


def test_an_address_that_is_not_public_gets_nothing(
    world: World, engine: Client, client: redis.Redis
) -> None:
    for name, host in (("by-name", "localhost"), ("by-address", "127.0.0.1")):
        engine.run(job(webhook(world.private.origin(host)), id=name), timeout=30)
        assert given_up(client, name).why.startswith("its address is not public")
    assert world.private.received == []


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (TASK | {"queue": "cellblock"}, "reply.queue: not among the queues"),
        (webhook("https://elsewhere.example/"), "reply.url: not among the receivers"),
        (webhook("https://localhost/"), "reply.url: not among the receivers"),
    ],
)
def test_a_job_whose_reply_may_not_be_sent_is_not_run(
    engine: Client, client: redis.Redis, reply: dict[str, Any], words: str
) -> None:
    result = engine.run(job(reply), timeout=30)
    assert result.error is not None
    assert (result.error.kind, result.attempts) == ("invalid_job", 0)
    assert result.error.message.startswith(words)
    assert not client.exists("cellblock:outbox")


def test_results_of_stock_senders_and_those_that_no_run_made_are_sent_as_well(
    engine: Client, client: redis.Redis
) -> None:
    stock = job(TASK, id="stock")
    for message in (stock, job(TASK, id="invalid", inputs=[1]), job(TASK, id="late", deadline_ms=1)):
        client.lpush("cellblock", json.dumps(envelope(message)))
    results = [task_on(client, "engine")[1] for _ in range(3)]
    kinds = {result.job_id: result.error and str(result.error.kind) for result in results}
    assert kinds == {"stock": None, "invalid": "invalid_job", "late": "expired"}


def test_a_job_that_is_cancelled_while_it_runs_has_one_reply(engine: Client, client: redis.Redis) -> None:
    handle = engine.submit(job(TASK, id="stopped", code="hang"))
    wait_for(lambda: client.hget(record_key(handle.name), "state") == b"running")
    handle.cancel()
    result = task_on(client, "engine")[1]
    assert result.error is not None
    assert (result.job_id, result.error.kind) == ("stopped", "cancelled")
    engine.run(job(TASK, id="next"), timeout=30)
    assert task_on(client, "engine")[1].job_id == "next"


def test_each_job_of_a_batch_has_its_own(engine: Client, client: redis.Redis) -> None:
    batch = [job(TASK, id="b1"), job(TASK | {"queue": "other"}, id="b2"), job(TASK, id="b3")]
    for handle in engine.submit_many(batch, per_message=3):
        handle.result(30)
    assert {task_on(client, "engine")[1].job_id for _ in range(2)} == {"b1", "b3"}
    assert task_on(client, "other")[1].job_id == "b2"


def test_a_sender_that_dies_is_started_again(world: World, engine: Client, client: redis.Redis) -> None:
    os.kill(sender_of(world.worker), signal.SIGKILL)
    world.worker.wait_for_log("is started again")
    engine.run(job(TASK, id="after"), timeout=30)
    assert task_on(client, "engine")[1].job_id == "after"


def test_what_was_left_is_sent_by_the_next_worker_and_nobody_stays(
    world: World, engine: Client, client: redis.Redis
) -> None:
    """The worker that wrote the Result died before anything was sent."""
    with Client(world.server.url, queue="left") as nobody:
        nobody.submit(job(TASK, id="left")).cancel()
    assert not client.exists("engine")
    with WorkerProcess(world.server.url, **world.settings, QUEUE="left") as worker:
        assert task_on(client, "engine")[1].job_id == "left"
        sender = seen(sender_of(worker))
        assert worker.stop(signal.SIGTERM) == 0
        wait_for(lambda: not sender.lives)


def test_a_worker_that_may_send_nothing_has_no_sender(world: World) -> None:
    with (
        WorkerProcess(world.server.url, QUEUE="none") as worker,
        Client(world.server.url, queue="none") as engine,
    ):
        worker.wait_until_ready()
        result = engine.run(job(TASK), timeout=30)
        assert result.error is not None
        assert result.error.kind == "invalid_job"
        assert senders_of(worker) == []


def test_neither_urls_nor_secrets_are_logged(world: World) -> None:
    log = world.worker.log
    assert "reply sent by webhook" in log
    assert "/hook" not in log
    assert not [secret for secret in SECRETS if secret in log]


def senders_of(worker: WorkerProcess) -> list[int]:
    """Return the senders among the children of a worker's threads."""
    found = []
    for thread in Path(f"/proc/{worker.pid}/task").iterdir():
        with suppress(FileNotFoundError):  # it has ended meanwhile
            found += [int(pid) for pid in (thread / "children").read_text().split()]
    return [pid for pid in found if b"cellblock_worker.sender" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def sender_of(worker: WorkerProcess) -> int:
    return wait_for(lambda: next(iter(senders_of(worker)), None))
