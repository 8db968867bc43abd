"""The door as a pure function: whatever comes, what it lets through is what Celery can take."""

import json
from typing import Any

import pytest
from cellblock_producer.contract import Job
from cellblock_producer.keys import JobName
from cellblock_producer.leases import Lease
from cellblock_producer.wire import (
    TASK_NAME,
    batch_message,
    batch_part,
    describe,
    describe_batch,
    task_message,
)
from cellblock_worker.envelope import Admitted, Refused, admit, safe_batch_repr, safe_repr
from cellblock_worker.sealed import Sealed, job_name
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.harness import envelope

JOB = {"language": "python3", "code": "x", "id": "the-id"}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
PLACES = ["body", "content-type", "content-encoding", "headers", "properties"]
HEADERS = [
    "task",
    "id",
    "eta",
    "expires",
    "retries",
    "timelimit",
    "group",
    "root_id",
    "compression",
    "stamps",
]
PROPERTIES = ["delivery_tag", "delivery_info", "priority", "body_encoding", "correlation_id"]


def check(verdict: Admitted | Refused) -> None:
    if isinstance(verdict, Refused):
        assert verdict.reason
        return
    headers = verdict.envelope["headers"]
    assert headers["task"] == TASK_NAME
    assert headers["timelimit"] == [None, None]
    [what], kwargs, embed = json.loads(verdict.envelope["body"])
    sealed = Sealed(headers["id"], verdict.envelope["body"].encode(), Lease("", ""))
    jobs = sealed.jobs()  # each has a name
    assert headers["jobs"] == len(jobs) >= 1
    if isinstance(what, list):
        assert headers["argsrepr"] == safe_batch_repr(what, jobs[0].name)
    else:
        assert headers["argsrepr"] == safe_repr(what, jobs[0].name)
    assert (kwargs, type(embed)) == ({}, dict)


@given(st.binary(max_size=200))
def test_any_bytes(item: bytes) -> None:
    check(admit(item, "cellblock"))


@given(values)
def test_any_json(value: object) -> None:
    check(admit(json.dumps(value).encode(), "cellblock"))


@given(st.sampled_from(PLACES), values)
def test_any_value_in_any_place_of_the_envelope(place: str, value: object) -> None:
    check(admit(json.dumps(envelope(JOB) | {place: value}).encode(), "cellblock"))


@given(st.sampled_from(HEADERS), st.sampled_from(PROPERTIES), values, values)
def test_any_value_in_any_header_and_property(header: str, place: str, one: object, other: object) -> None:
    message = envelope(JOB)
    message["headers"][header] = one
    message["properties"][place] = other
    check(admit(json.dumps(message).encode(), "cellblock"))


@given(values)
def test_any_body(value: object) -> None:
    check(admit(json.dumps(envelope(JOB, body=json.dumps(value))).encode(), "cellblock"))


@given(st.dictionaries(st.sampled_from(["id", "tenant", "language", "code", "v"]), values))
def test_any_job(job: dict[str, Any]) -> None:
    check(admit(json.dumps(envelope(job)).encode(), "cellblock"))


@given(st.lists(values | st.fixed_dictionaries({}, optional={"id": values, "tenant": values}), max_size=5))
def test_any_batch(members: list[object]) -> None:
    check(admit(json.dumps(envelope(members)).encode(), "cellblock"))


def test_a_refused_batch_tells_whose_it_was() -> None:
    message = envelope([JOB, JOB | {"id": "other"}, 5], content_type="text/plain")
    message["headers"]["id"] = "several"
    verdict = admit(json.dumps(message).encode(), "cellblock")
    assert isinstance(verdict, Refused)
    assert [name.id for name in verdict.names] == ["the-id", "other", "several.2"]


@pytest.mark.parametrize("place", ["body", "argsrepr"])
def test_what_would_take_much_memory_is_not_parsed(place: str) -> None:
    many: list[object] = [{}] * 750_000
    message = envelope(JOB | {"inputs": {"a": many if place == "body" else "{[" * 750_000}})
    message["headers"]["id"] = "whose"
    if place == "argsrepr":
        message["headers"][place] = many
    verdict = admit(json.dumps(message).encode(), "cellblock")
    assert isinstance(verdict, Refused)
    assert "too many values" in verdict.reason
    assert [name.id for name in verdict.names] == (["whose"] if place == "body" else [])


def test_what_stands_in_strings_is_no_value() -> None:
    text = '{[,"\\' * 750_000
    verdict = admit(json.dumps(envelope(JOB | {"inputs": {"a": text}})).encode(), "cellblock")
    check(verdict)
    assert isinstance(verdict, Admitted)


def test_describes_a_batch_as_the_client_does() -> None:
    jobs = [Job.model_validate(JOB | {"tenant": "acme", "id": f"n{number}"}) for number in range(3)]
    head, tail = batch_message(jobs, "cellblock", "the-batch")
    message = head + ",".join(batch_part(job.to_json()) for job in jobs) + tail
    verdict = admit(message.encode(), "cellblock")
    assert isinstance(verdict, Admitted)
    assert verdict.envelope["headers"]["argsrepr"] == describe_batch(jobs)


def test_admitting_what_was_admitted_changes_nothing_but_the_tag() -> None:
    first = admit(json.dumps(envelope(JOB)).encode(), "q")
    assert isinstance(first, Admitted)
    second = admit(json.dumps(first.envelope).encode(), "q")
    assert isinstance(second, Admitted)
    tags = {verdict.envelope["properties"].pop("delivery_tag") for verdict in (first, second)}
    assert first == second
    assert len(tags) == 2


def test_goes_back_to_the_queue_it_came_from_whatever_it_says() -> None:
    message = envelope(JOB)
    message["properties"]["delivery_info"] = {"exchange": "elsewhere", "routing_key": "nowhere"}
    verdict = admit(json.dumps(message).encode(), "here")
    assert isinstance(verdict, Admitted)
    info = verdict.envelope["properties"]["delivery_info"]
    assert (info["exchange"], info["routing_key"]) == ("", "here")


def test_describes_a_job_as_the_client_does() -> None:
    job = Job.model_validate(JOB | {"tenant": "acme"})
    verdict = admit(task_message(job, "cellblock").encode(), "cellblock")
    assert isinstance(verdict, Admitted)
    assert verdict.envelope["headers"]["argsrepr"] == describe(job)


@pytest.mark.parametrize(
    ("job", "task_id", "expected"),
    [
        ({"id": "a", "tenant": "t"}, "x", JobName("t", "a")),
        ({"id": "a"}, "x", JobName("default", "a")),
        ({}, "x", JobName("default", "x")),
        ({"tenant": "t"}, "x", JobName("t", "x")),
        ({"id": "not an id"}, "x", JobName("default", "x")),
        ({"id": 5}, "t:x", JobName("t", "x")),
        ({"id": "a", "tenant": "a b"}, "x y", None),
        ({}, None, None),
    ],
)
def test_name_of_a_job(job: dict[str, Any], task_id: object, expected: JobName | None) -> None:
    assert job_name(job, task_id) == expected
