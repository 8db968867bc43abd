"""A fresh job runs while the ledger is asked; whatever the ledger says then is what holds."""

import threading
from collections.abc import Callable, Iterator

import pytest
import redis
from cellblock_producer import Client, Handle
from cellblock_producer.calls import Line
from cellblock_producer.contract import Job, Result, settle_success
from cellblock_producer.errors import JobConflict
from cellblock_producer.job import read_job
from cellblock_producer.keys import JobName, record_key
from cellblock_producer.leases import Delivery, Leases, Stray
from cellblock_producer.ledger import Begun, LeaseLost, Ledger
from cellblock_worker.embedded import EmbeddedServer
from cellblock_worker.settings import Settings
from cellblock_worker.stops import Stop, Stops
from cellblock_worker.task import Station, begin

from tests.worker.harness import WAIT_S

Run = Callable[[Stop], None]
CODE = {"language": "python3", "code": "x"}


@pytest.fixture
def line(client: redis.Redis) -> Iterator[Line]:
    line = Line(client)
    yield line
    line.close()


@pytest.fixture
def producer(server: EmbeddedServer) -> Iterator[Client]:
    with Client(server.url) as producer:
        yield producer


@pytest.fixture
def leases(client: redis.Redis) -> Leases:
    return Leases(client, 60_000)


class Desk:
    """A pool process's place, where what a job does is a function, and what it ran is remembered."""

    def __init__(self, line: Line, delivery: Delivery, during: Run) -> None:
        self.ran: list[str] = []
        self._during = during
        self.station = Station(
            worker="tested",
            settings=Settings(),
            ledger=Ledger(line, ttl_s=60, max_attempts=3),
            execute=self._execute,
            prepare=lambda: None,
            lease=delivery.lease,
            fresh=delivery.fresh,
            stops=Stops(),
            closes=True,
        )

    def _execute(self, job: Job, settings: Settings, stop: Stop) -> Result:
        self.ran.append(job.id)
        self._during(stop)
        return settle_success(job, {"ran": True})


def until_told(stop: Stop) -> None:
    given_up = threading.Event()
    threading.Timer(WAIT_S, given_up.set).start()
    while not stop():
        assert not given_up.is_set(), "nobody told it to stop"


def taken(leases: Leases) -> Delivery:
    delivery = leases.take("cellblock", "1-ab-1")
    assert delivery is not None
    return delivery


def job_of(handle: Handle) -> Job:
    return read_job({"id": handle.job_id, **CODE})


def test_its_begin_is_on_record_before_it_is_done(
    producer: Client, leases: Leases, line: Line, client: redis.Redis
) -> None:
    handle = producer.submit(CODE)
    delivery = taken(leases)

    def running(_: Stop) -> None:
        while client.hget(record_key(handle.name), "state") != b"running":
            pass

    desk = Desk(line, delivery, running)
    start = begin(job_of(handle), desk.station)
    assert isinstance(start.begun, Begun)
    assert (delivery.fresh, start.begun.attempts, desk.ran) == (True, 1, [handle.job_id])
    assert start.ran is not None


def test_one_that_was_cancelled_in_between_is_stopped(producer: Client, leases: Leases, line: Line) -> None:
    handle = producer.submit(CODE)
    delivery = taken(leases)
    handle.cancel()
    start = begin(job_of(handle), Desk(line, delivery, until_told).station)
    assert isinstance(start.begun, Begun)
    assert start.begun.result is not None
    assert start.begun.result.error is not None
    assert start.begun.result.error.kind == "cancelled"


def test_one_that_is_in_other_hands_is_stopped(producer: Client, leases: Leases, line: Line) -> None:
    handle = producer.submit(CODE)
    delivery = taken(leases)
    leases.release(delivery.lease)
    other = leases.take("cellblock", "2-cd-1")
    assert other is not None
    start = begin(job_of(handle), Desk(line, delivery, until_told).station)
    assert isinstance(start.begun, LeaseLost)
    assert other.fresh


def test_one_that_was_begun_before_is_not_run_ahead(producer: Client, leases: Leases, line: Line) -> None:
    handle = producer.submit(CODE)
    first = taken(leases)
    begin(job_of(handle), Desk(line, first, lambda _: None).station)
    leases.release(first.lease)
    again = taken(leases)
    desk = Desk(line, again, lambda _: None)
    start = begin(job_of(handle), desk.station)
    assert isinstance(start.begun, Begun)
    assert (again.fresh, start.begun.attempts, start.ran, desk.ran) == (False, 2, None, [])


def test_one_with_a_deadline_is_not_run_ahead(producer: Client, leases: Leases, line: Line) -> None:
    late = CODE | {"deadline_ms": 1}
    handle = producer.submit(late)
    desk = Desk(line, taken(leases), lambda _: None)
    start = begin(read_job({"id": handle.job_id, **late}), desk.station)
    assert isinstance(start.begun, Begun)
    assert start.begun.expired
    assert desk.ran == []


def test_nothing_runs_ahead_of_a_word_that_could_not_be_sent(
    producer: Client, leases: Leases, line: Line, client: redis.Redis
) -> None:
    """Else an attempt might not be counted that takes the process down."""
    handle = producer.submit(CODE)
    desk = Desk(line, taken(leases), lambda _: None)
    desk.station.ledger.begin(JobName("default", "another"), "digest")
    client.client_kill_filter(_type="normal", skipme=True)
    start = begin(job_of(handle), desk.station)
    assert isinstance(start.begun, Begun)
    assert (start.begun.attempts, start.ran, desk.ran) == (1, None, [])


def test_jobs_of_a_batch_are_fresh_until_one_of_them_is_begun(
    producer: Client, leases: Leases, line: Line
) -> None:
    handles = producer.submit_many([CODE, CODE], per_message=2)
    first = taken(leases)
    start = begin(job_of(handles[0]), Desk(line, first, lambda _: None).station, last=False)
    assert (first.fresh, start.ran is not None) == (True, True)
    leases.release(first.lease)
    assert not taken(leases).fresh


def test_a_job_of_a_stock_sender_is_not_run_ahead(leases: Leases) -> None:
    delivery = leases.adopt("cellblock", Stray("default", "{}"), "1-ab-1")
    assert delivery is not None
    assert not delivery.fresh


def test_a_member_whose_record_is_gone_is_told_from_others_by_its_content(
    producer: Client, leases: Leases, line: Line, client: redis.Redis
) -> None:
    batch = producer.submit_many([CODE, CODE], per_message=2)
    delivery = taken(leases)
    client.delete(record_key(batch[0].name))
    ours = job_of(batch[0])
    start = begin(ours, Desk(line, delivery, until_told).station, last=False)
    assert isinstance(start.begun, Begun)
    assert start.ran is None, "it was told to stop, so what it answered is nobody's"
    assert client.hget(record_key(batch[0].name), "digest") == ours.digest().encode()


def test_another_content_under_its_name_is_a_conflict(producer: Client, leases: Leases, line: Line) -> None:
    """As of a stock sender's message, which nobody has looked at before."""
    handle = producer.submit(CODE)
    other = read_job({"id": handle.job_id, "language": "python3", "code": "y"})
    delivery = leases.adopt("cellblock", Stray("default", "{}"), "1-ab-1")
    assert delivery is not None
    while delivery.lease.unit == record_key(handle.name):  # what is next in line came first
        delivery = leases.take("cellblock", "1-ab-2")
        assert delivery is not None
    start = begin(other, Desk(line, delivery, until_told).station)
    assert isinstance(start.begun, JobConflict)
