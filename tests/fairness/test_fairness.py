"""A tenant that floods, a real worker with two pool processes, real cells: whose job is begun when."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from cellblock_producer import Client, QueueFull

from tests.fairness.flood import SLOTS, Flood, job, world

MOST_EACH = 2000


@pytest.fixture(scope="module")
def producer_and_flood() -> Iterator[tuple[Client, Flood]]:
    with world(MOST_EACH) as (client, server):
        yield client, Flood(client, server)


@pytest.fixture
def producer(producer_and_flood: tuple[Client, Flood]) -> Client:
    return producer_and_flood[0]


@pytest.fixture
def flood(producer_and_flood: tuple[Client, Flood]) -> Flood:
    """A flood that has just been filled up."""
    full = producer_and_flood[1].fill()
    assert (full.tenant, full.bound, full.most) == (Flood.tenant, "tenant", MOST_EACH)
    return producer_and_flood[1]


def test_the_single_jobs_of_other_tenants_wait_for_what_is_in_hand_alone(
    flood: Flood, producer: Client
) -> None:
    for n in range(5):
        handle = producer.submit(job("single", f"small-{n}"))
        assert handle.result(timeout=60).status == "succeeded"
        assert flood.begun_before(handle.name) <= SLOTS
    assert flood.waiting


def test_several_other_tenants_at_once_wait_for_each_other_and_not_for_the_flood(
    flood: Flood, producer: Client
) -> None:
    handles = producer.submit_many([job("at-once", f"small-{n}") for n in range(10)])
    for handle in handles:
        handle.result(timeout=60)
    assert max(flood.begun_before(handle.name) for handle in handles) <= SLOTS + len(handles)
    assert flood.waiting


def test_an_urgent_job_of_the_flood_itself_goes_before_the_rest(flood: Flood, producer: Client) -> None:
    handle = None
    while handle is None:  # the flood has left no room; a job that is taken makes some
        with suppress(QueueFull):
            handle = producer.submit(job("urgent", flood.tenant, priority=9))
    handle.result(timeout=60)
    assert flood.begun_before(handle.name) <= SLOTS
    assert flood.waiting
