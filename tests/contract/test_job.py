"""Jobs: names, aliases, digests, and what their repr shows."""

import uuid

import pytest
from cellblock_producer.contract import Job, Language, OnError, Result, Strategy, settle_success
from cellblock_producer.keys import JobName, record_key, reply_channel, result_key
from cellblock_producer.uuid7 import uuid7
from pydantic import ValidationError

SECRET = "hunter2"


def job(**fields: object) -> Job:
    return Job.model_validate({"language": "python3", "code": "def main(): return {}", "id": "one"} | fields)


def test_neither_repr_nor_str_show_code_inputs_or_outputs() -> None:
    told = job(code=SECRET, inputs={"a": SECRET}, on_error={"strategy": "default", "values": {"a": SECRET}})
    result = settle_success(told, {"a": SECRET})
    result = result.model_copy(update={"stdout": SECRET, "stderr": SECRET})
    for value in (told, [told], told.on_error, result, [result]):
        assert SECRET not in f"{value!r} {value}"
    assert repr(told) == "Job(id='one', language='python3', tenant='default')"


@pytest.mark.parametrize(("said", "meant"), [("python", "python3"), ("javascript", "nodejs")])
def test_languages_have_aliases(said: str, meant: str) -> None:
    assert job(language=said).language == Language(meant)
    assert job(language=said).digest() == job(language=meant).digest()


def test_an_id_is_made_where_none_is_given() -> None:
    first, second = (Job(language=Language.PYTHON3, code="pass") for _ in range(2))
    assert first.id != second.id
    assert uuid.UUID(first.id).version == 7


def test_uuid7_sorts_by_time_and_has_the_variant_of_rfc_9562() -> None:
    made = [uuid.UUID(uuid7()) for _ in range(100)]
    assert [one.int >> 80 for one in made] == sorted(one.int >> 80 for one in made)
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}


def test_a_job_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        job().code = "other"


def test_the_digest_is_of_the_content_alone() -> None:
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    assert job(trace=trace).digest() == job().digest()
    assert (
        job(inputs={"a": 1, "b": {"c": 1, "d": 2}}).digest()
        == job(inputs={"b": {"d": 2, "c": 1}, "a": 1}).digest()
    )
    # A job that went through JSON is the same job.
    told = job(inputs={"a": [1.0, 1e300, -0.0, 10**30, "é\u2028"]})
    assert Job.model_validate_json(told.to_json()).digest() == told.digest()


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "two"},
        {"tenant": "other"},
        {"language": "nodejs"},
        {"code": "def main(): return {'a': 1}"},
        {"inputs": {"a": 1}},
        {"inputs": {"a": True}},
        {"labels": {"a": "b"}},
        {"limits": {"wall_ms": 1}},
        {"mode": "script"},
        {"on_error": {"strategy": "branch"}},
    ],
)
def test_other_content_has_another_digest(fields: dict[str, object]) -> None:
    assert job(**fields).digest() != job().digest()


def test_names_become_keys_channels_and_task_ids() -> None:
    name = JobName("acme", "a-1")
    assert (record_key(name), result_key(name)) == ("cellblock:job:acme:a-1", "cellblock:result:acme:a-1")
    assert reply_channel("x") == "cellblock:reply:x"
    assert (name.task_id, JobName("default", "a-1").task_id) == ("acme:a-1", "a-1")


@pytest.mark.parametrize("name", [JobName("acme", "a-1"), JobName("default", "a-1")], ids=str)
def test_a_name_can_be_read_back(name: JobName) -> None:
    assert JobName.parse(str(name)) == name
    assert JobName.from_task_id(name.task_id) == name


@pytest.mark.parametrize(
    ("tenant", "job_id"), [("", "a"), ("a", ""), ("a b", "c"), ("a", "b:c"), ("a", "b\n")]
)
def test_a_name_of_other_characters_is_refused(tenant: str, job_id: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        JobName(tenant, job_id)


def test_default_outputs_may_be_anything_when_nothing_is_declared() -> None:
    handling = OnError(strategy=Strategy.DEFAULT, values={"a": [1, None]})
    assert job(on_error=handling).on_error == handling


def test_a_result_knows_its_job() -> None:
    result: Result = settle_success(job(tenant="acme", labels={"a": "b"}), {})
    assert (result.name, result.labels) == (JobName("acme", "one"), {"a": "b"})
