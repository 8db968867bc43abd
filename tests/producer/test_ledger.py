"""The ledger, as workers use it."""

import threading
from typing import Any

import pytest
from cellblock_producer import Client, JobConflict
from cellblock_producer.contract import ErrorInfo, ErrorKind, Job, Result, settle_failure, settle_success
from cellblock_producer.keys import DEFAULT_QUEUE, SHARES, JobName, record_key, result_key, stop_channel
from cellblock_producer.leases import Lease, Leases, Released
from cellblock_producer.ledger import Begun, Grave, JobBusy, LeaseLost, Ledger, Turn
from cellblock_producer.listing import Place, list_dead, list_queue
from cellblock_producer.scripts import DEAD_TTL_S, UNFINISHED_TTL_S
from cellblock_producer.wire import task_message
from redis import Redis

from tests.producer.fake_worker import answer, take
from tests.support.valkey import ValkeyServer

NAME = JobName("acme", "one")


def job(number: int = 1) -> Job:
    return Job.model_validate(
        {"id": "one", "tenant": "acme", "language": "python3", "code": "x", "inputs": {"n": number}}
    )


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, ttl_s=60)


def record(redis: "Redis") -> dict[str, str]:
    found: dict[Any, Any] = redis.hgetall(record_key(NAME))
    return {name.decode(): value.decode() for name, value in found.items()}


def test_a_record_goes_from_queued_to_running_to_done(client: Client, ledger: Ledger, redis: Redis) -> None:
    client.submit(job())
    queued = record(redis)
    assert (queued["state"], queued["attempts"], queued["digest"]) == ("queued", "0", job().digest())
    assert queued["reply"].startswith("cellblock:reply:")
    begun = ledger.begin(NAME, job().digest())
    assert (begun.result, begun.attempts) == (None, 1)
    assert 0 <= begun.queue_ms == begun.now_ms - int(queued["submitted_ms"])
    assert record(redis)["state"] == "running"
    ledger.finish(NAME, answer(job()))
    assert (record(redis)["state"], record(redis)["reply"]) == ("done", "")


def test_each_begin_counts(client: Client, ledger: Ledger) -> None:
    client.submit(job())
    assert [ledger.begin(NAME, job().digest()).attempts for _ in range(3)] == [1, 2, 3]


def test_a_job_without_a_record_gets_one(ledger: Ledger, redis: Redis) -> None:
    begun = ledger.begin(NAME, job().digest())
    assert (begun.attempts, begun.queue_ms) == (1, 0)
    assert record(redis)["digest"] == job().digest()
    ledger.finish(NAME, answer(job()))
    assert 0 < redis.ttl(result_key(NAME)) <= 60
    assert 0 < redis.ttl(record_key(NAME)) <= 60


def test_an_unfinished_job_outlives_the_time_that_results_are_kept(client: Client, redis: Redis) -> None:
    client.submit(job())
    assert redis.ttl(record_key(NAME)) > UNFINISHED_TTL_S - 60


def test_the_first_result_stands(client: Client, ledger: Ledger) -> None:
    handle = client.submit(job())
    first = settle_success(job(), {"n": 1})
    second = settle_failure(job(), ErrorInfo(kind=ErrorKind.WORKER_LOST))
    assert ledger.finish(NAME, first) == first
    assert ledger.finish(NAME, second) == first
    assert ledger.begin(NAME, job().digest()).result == first
    assert handle.result(60) == first
    assert client.get("one", "acme") == first


def test_of_two_workers_that_finish_at_once_one_wins_for_everybody(
    server: ValkeyServer, client: Client
) -> None:
    handle = client.submit(job())
    stands: list[Result] = []
    together = threading.Barrier(4)

    def finish(number: int) -> None:
        with server.connect() as redis:
            together.wait()
            stands.append(Ledger(redis, ttl_s=60).finish(NAME, settle_success(job(), {"by": number})))

    threads = [threading.Thread(target=finish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stands == [handle.result(60)] * 4


def test_a_name_taken_by_another_job_is_a_conflict(client: Client, ledger: Ledger) -> None:
    client.submit(job(1))
    with pytest.raises(JobConflict, match="acme:one"):
        ledger.begin(NAME, job(2).digest())
    assert ledger.begin(NAME, job(1).digest()).attempts == 1


def test_a_result_without_a_record_is_found_by_a_submission(client: Client, ledger: Ledger) -> None:
    result = ledger.finish(NAME, answer(job()))
    assert client.submit(job()).result(60) == result


def test_scripts_are_sent_when_the_server_has_lost_them(ledger: Ledger, redis: Redis) -> None:
    redis.script_flush()
    assert ledger.begin(NAME, job().digest()).attempts == 1
    redis.script_flush()
    assert ledger.finish(NAME, answer(job())) == answer(job())


def test_a_client_that_decodes_replies_will_do(server: ValkeyServer) -> None:
    with Redis.from_url(server.url, decode_responses=True) as redis:
        ledger = Ledger(redis, ttl_s=60)
        assert ledger.begin(NAME, job().digest()).attempts == 1
        result = ledger.finish(NAME, answer(job()))
        assert ledger.begin(NAME, job().digest()).result == result


def test_every_client_that_waits_is_told(server: ValkeyServer, client: Client, ledger: Ledger) -> None:
    with Client(server.url) as second, Client(server.url) as third:
        handles = [client.submit(job()), second.submit(job()), third.attach("one", "acme")]
        result = ledger.finish(NAME, answer(job()))
        assert [handle.result(60) for handle in handles] == [result] * 3


@pytest.mark.parametrize("flushed", [False, True])
def test_handing_over_finishes_one_and_begins_the_next(ledger: Ledger, redis: Redis, flushed: bool) -> None:
    ledger.begin(NAME, job().digest())
    if flushed:
        redis.script_flush()
    following = JobName("acme", "two")
    stands, begun = ledger.begin_soon(following, "digest", finished=(answer(job()), None)).read()
    assert stands == answer(job())
    assert isinstance(begun, Begun)
    assert (begun.result, begun.attempts) == (None, 1)
    late = settle_failure(job(), ErrorInfo(kind=ErrorKind.WORKER_LOST))
    stands, conflict = ledger.begin_soon(following, "another digest", finished=(late, None)).read()
    assert stands == answer(job())
    assert isinstance(conflict, JobConflict)
    _, done = ledger.begin_soon(NAME, job().digest(), finished=(answer(job()), None)).read()
    assert isinstance(done, Begun)
    assert done.result == answer(job())


def test_a_dead_job_and_its_result_are_kept_for_as_long(client: Client, ledger: Ledger, redis: Redis) -> None:
    handle = client.submit(job())
    lost = settle_failure(job(), ErrorInfo(kind=ErrorKind.WORKER_LOST))
    ledger.finish(NAME, lost, grave=Grave(DEFAULT_QUEUE, task_message(job(), DEFAULT_QUEUE)))
    assert handle.result(60) == lost
    assert [dead.name for dead in list_dead(redis, DEFAULT_QUEUE, 10)] == [str(NAME)]
    assert min(redis.ttl(record_key(NAME)), redis.ttl(result_key(NAME))) > DEAD_TTL_S - 60
    assert client.submit(job()).result(60) == lost
    assert ledger.drop(NAME)
    assert list_dead(redis, DEFAULT_QUEUE, 10) == []
    assert 60 < max(redis.ttl(record_key(NAME)), redis.ttl(result_key(NAME))) <= 3600
    assert not ledger.drop(NAME)
    assert not ledger.retry(NAME)


def test_a_dead_job_starts_anew(client: Client, ledger: Ledger, redis: Redis) -> None:
    client.submit(job())
    lost = settle_failure(job(), ErrorInfo(kind=ErrorKind.WORKER_LOST))
    ledger.finish(NAME, lost, grave=Grave(DEFAULT_QUEUE, task_message(job(), DEFAULT_QUEUE)))
    assert ledger.retry(NAME)
    assert take(redis) == job()
    assert ledger.begin(NAME, job().digest()).attempts == 1
    assert ledger.finish(NAME, answer(job())) == answer(job())


@pytest.mark.parametrize("begins", [True, False])
def test_who_lost_a_job_is_counted_where_it_is_listed(
    client: Client, ledger: Ledger, redis: Redis, *, begins: bool
) -> None:
    """Also where it is dead, and not where the operator has it start anew."""
    leases = Leases(redis, 60_000)
    lease = in_hand(client, redis, job())
    if begins:
        ledger.begin(NAME, job().digest(), Turn(lease))
    leases.release(lease, lost=not begins)  # as the main process does when its pool process dies
    [waiting] = list_queue(redis, DEFAULT_QUEUE, 10)
    assert (waiting.attempts, waiting.lost) == (int(begins), 1)
    given_up = settle_failure(job(), ErrorInfo(kind=ErrorKind.WORKER_LOST))
    ledger.finish(NAME, given_up, grave=Grave(DEFAULT_QUEUE, task_message(job(), DEFAULT_QUEUE)))
    [dead] = list_dead(redis, DEFAULT_QUEUE, 10)
    assert (dead.attempts, dead.lost) == (int(begins), 1)
    ledger.retry(NAME)
    delivery = leases.take(DEFAULT_QUEUE, HOLDER)
    assert delivery is not None
    assert delivery.lost == 0
    ledger.begin(NAME, job().digest(), Turn(delivery.lease))
    [running] = list_queue(redis, DEFAULT_QUEUE, 10)
    assert (running.attempts, running.lost) == (1, 0)


HOLDER = "1-ab-7"


def retried_job(**fields: Any) -> Job:
    retry = {"max_retries": 2, "interval_ms": 60_000}
    return Job.model_validate(job().model_dump(exclude_defaults=True) | {"retry": retry} | fields)


def in_hand(client: Client, redis: "Redis", ours: Job) -> Lease:
    """Submit a job and take it, as a worker does."""
    client.submit(ours)
    delivery = Leases(redis, 60_000).take(DEFAULT_QUEUE, HOLDER)
    assert delivery is not None
    return delivery.lease


def test_a_job_is_put_off_and_begun_again_when_it_is_due(
    client: Client, ledger: Ledger, redis: Redis
) -> None:
    ours, leases = retried_job(), Leases(redis, 60_000)
    lease = in_hand(client, redis, ours)
    assert ledger.begin(NAME, ours.digest(), Turn(lease)).attempts == 1
    for _ in range(2):  # the second time since the answer got lost
        delay = ledger.postpone(NAME, ours.retry, lease, None)
        assert isinstance(delay, int)
        assert 0 < delay <= 60_000
    assert (record(redis)["state"], record(redis)["retries"]) == ("queued", "1")
    with pytest.raises(JobBusy, match="not due") as early:
        ledger.begin(NAME, ours.digest(), Turn(lease))
    assert 0 < early.value.for_ms <= 60_000
    assert leases.release(lease, delay_ms=60_000) is Released.RELEASED
    assert [each.place for each in list_queue(redis, DEFAULT_QUEUE, 9)] == [Place.DELAYED]
    leases.reap(DEFAULT_QUEUE, pause_ms=0)
    redis.delete("cellblock")  # the list of wake-ups
    assert leases.take(DEFAULT_QUEUE, HOLDER) is None
    redis.zadd("cellblock:delayed", {lease.unit: 1})
    redis.hset(record_key(NAME), "due_ms", 1)
    leases.reap(DEFAULT_QUEUE, pause_ms=60_000)  # although somebody has looked just now
    assert redis.llen(DEFAULT_QUEUE) == 1
    again = leases.take(DEFAULT_QUEUE, "1-ab-8")
    assert again is not None
    assert ledger.begin(NAME, ours.digest(), Turn(again.lease)).attempts == 2


def test_a_job_is_put_off_as_often_as_it_may_be(client: Client, ledger: Ledger, redis: Redis) -> None:
    ours = retried_job()
    lease = in_hand(client, redis, ours)
    for attempt in (1, 2):
        assert ledger.begin(NAME, ours.digest(), Turn(lease)).attempts == attempt
        assert isinstance(ledger.postpone(NAME, ours.retry, lease, None), int)
        redis.hdel(record_key(NAME), "due_ms")
    assert ledger.begin(NAME, ours.digest(), Turn(lease)).attempts == 3
    assert ledger.postpone(NAME, ours.retry, lease, None) is None


def test_only_its_holder_puts_a_job_off(client: Client, ledger: Ledger, redis: Redis) -> None:
    ours = retried_job()
    lease = in_hand(client, redis, ours)
    with pytest.raises(LeaseLost):
        ledger.postpone(NAME, ours.retry, Lease(lease.unit, "another"), None)
    stands = ledger.finish(NAME, answer(ours), Turn(lease))
    assert ledger.postpone(NAME, ours.retry, lease, None) == stands


def test_lost_workers_are_counted_apart_from_retries(client: Client, redis: Redis) -> None:
    ours, ledger = retried_job(), Ledger(redis, ttl_s=60, max_attempts=1)
    lease = in_hand(client, redis, ours)
    assert not ledger.begin(NAME, ours.digest(), Turn(lease)).exhausted
    ledger.postpone(NAME, ours.retry, lease, None)
    redis.hdel(record_key(NAME), "due_ms")
    assert not ledger.begin(NAME, ours.digest(), Turn(lease)).exhausted
    lost = Lease(lease.unit, "another")  # the first holder is gone
    redis.hset(lease.unit, "holder", "another")
    begun = ledger.begin(NAME, ours.digest(), Turn(lost))
    assert (begun.exhausted, begun.attempts) == (True, 2)


def test_what_a_holder_hands_back_does_not_count_against_the_bound(client: Client, redis: Redis) -> None:
    ours, ledger, leases = retried_job(), Ledger(redis, ttl_s=60, max_attempts=1), Leases(redis, 60_000)
    lease = in_hand(client, redis, ours)
    for attempt in (1, 2, 3):
        begun = ledger.begin(NAME, ours.digest(), Turn(lease))
        assert (begun.exhausted, begun.attempts) == (False, attempt)
        leases.release(lease, handed=True)
        taken = leases.take(DEFAULT_QUEUE, f"1-ab-{attempt}")
        assert taken is not None
        leases.release(taken.lease, handed=True)  # it was not begun, so it is not counted
        taken = leases.take(DEFAULT_QUEUE, f"1-ac-{attempt}")
        assert taken is not None
        lease = taken.lease
    ledger.begin(NAME, ours.digest(), Turn(lease))
    leases.release(lease)
    taken = leases.take(DEFAULT_QUEUE, "1-ad-1")
    assert taken is not None
    begun = ledger.begin(NAME, ours.digest(), Turn(taken.lease))
    assert (begun.exhausted, begun.attempts) == (True, 4)


def test_past_its_deadline_a_job_is_not_begun(client: Client, ledger: Ledger, redis: Redis) -> None:
    ours = retried_job(deadline_ms=1)
    begun = ledger.begin(NAME, ours.digest(), Turn(in_hand(client, redis, ours)), ours.deadline_ms)
    assert (begun.expired, begun.attempts, record(redis)["state"]) == (True, 0, "queued")


def test_a_deadline_ends_the_wait_for_a_retry(client: Client, ledger: Ledger, redis: Redis) -> None:
    now: Any = redis.time()
    ours = retried_job(deadline_ms=(now[0] + 30) * 1000)
    lease = in_hand(client, redis, ours)
    assert not ledger.begin(NAME, ours.digest(), Turn(lease), ours.deadline_ms).expired
    delay = ledger.postpone(NAME, ours.retry, lease, ours.deadline_ms)
    assert isinstance(delay, int)
    assert 0 < delay <= 30_001
    redis.hset(record_key(NAME), "due_ms", (now[0] + 3600) * 1000)
    assert ledger.begin(NAME, ours.digest(), Turn(lease), deadline_ms=1).expired


def test_a_job_that_is_put_off_can_be_cancelled(client: Client, ledger: Ledger, redis: Redis) -> None:
    ours = retried_job()
    lease = in_hand(client, redis, ours)
    ledger.begin(NAME, ours.digest(), Turn(lease))
    ledger.postpone(NAME, ours.retry, lease, None)
    Leases(redis, 60_000).release(lease, delay_ms=60_000)
    client.attach("one", "acme").cancel()
    result = client.get("one", "acme")
    assert result is not None
    assert (result.error and result.error.kind, result.attempts) == ("cancelled", 1)
    assert not redis.exists("cellblock:delayed", "cellblock:leases", "cellblock:tenants")


def test_who_runs_a_cancelled_job_is_told_and_told_again(
    client: Client, ledger: Ledger, redis: Redis
) -> None:
    with redis.pubsub(ignore_subscribe_messages=True) as ears:  # type: ignore[no-untyped-call]
        ears.subscribe(stop_channel("1-ab"))
        ears.get_message(timeout=60)  # the subscription
        lease = in_hand(client, redis, job())
        ledger.begin(NAME, job().digest(), Turn(lease))
        client.attach("one", "acme").cancel()
        heard = ears.get_message(timeout=60)
    assert heard["data"] == f"{HOLDER} {NAME}".encode()
    kept = Leases(redis, 60_000).renew([lease, Lease(lease.unit, "1-ab-70")])
    assert (len(kept.lost), kept.stops) == (2, (f"{HOLDER} {NAME}",))


@pytest.mark.parametrize("per_message", [1, 2])
def test_what_a_cancelled_job_has_used_is_charged(
    client: Client, ledger: Ledger, redis: Redis, per_message: int
) -> None:
    other = job().model_copy(update={"id": "two"})
    client.submit_many([job(), other], per_message)
    delivery = Leases(redis, 60_000).take(DEFAULT_QUEUE, HOLDER)
    assert delivery is not None
    ledger.begin(NAME, job().digest(), Turn(delivery.lease, last=False))
    client.attach("one", "acme").cancel()
    share: Any = redis.hget(DEFAULT_QUEUE + SHARES, "acme")
    waiting, hands, used, _ = (int(number) for number in share.split())
    assert (waiting, hands) == ((1, 0) if per_message == 1 else (0, 1))
    assert used > 0
    # Its holder's own word, which comes later, is charged to nobody.
    ledger.finish(NAME, answer(job()), Turn(delivery.lease, last=False))
    assert redis.hget(DEFAULT_QUEUE + SHARES, "acme") == share


def test_what_runs_is_left_alone_on_request(client: Client, ledger: Ledger, redis: Redis) -> None:
    lease = in_hand(client, redis, job())
    cancelled = settle_failure(job(), ErrorInfo(kind=ErrorKind.CANCELLED))
    ledger.begin(NAME, job().digest(), Turn(lease))
    assert not ledger.cancel(NAME, cancelled, unless_running=True)
    assert ledger.cancel(NAME, cancelled, unless_running=False)
    assert not ledger.cancel(NAME, cancelled, unless_running=False)
