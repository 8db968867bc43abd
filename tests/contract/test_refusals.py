"""What the contract refuses: each refusal names the field, and none shows the code or the inputs."""

from typing import Any

import pytest
from cellblock_producer import InvalidJob, read_job
from cellblock_producer.contract import MAX_CODE_BYTES, MAX_DEPTH, MAX_INPUT_BYTES, ErrorInfo, Job, Result
from pydantic import ValidationError

SECRET = "hunter2"
NUMBER = {"r": {"type": "number"}}


def nested(depth: int) -> Any:
    value: Any = SECRET
    for _ in range(depth):
        value = [value]
    return value


def deep_spec(depth: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"type": "object"}
    for _ in range(depth):
        spec = {"type": "object", "children": {"a": spec}}
    return spec


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"language": ...}, "language: is required"),
    ({"code": ...}, "code: is required"),
    ({"novelty": 1}, "novelty: is not a field of a job"),
    ({"limits": {"wall": 1}}, "limits.wall: is not a field of a job"),
    ({"v": 2}, "v: Input should be 1"),
    ({"v": True}, "v: Input should be 1"),
    ({"id": ""}, "id: "),
    ({"id": "a:b"}, "id: "),
    ({"id": "a b"}, "id: "),
    ({"id": "a\n"}, "id: "),
    ({"id": "x" * 129}, "id: "),
    ({"id": None}, "id: "),
    ({"tenant": "x" * 65}, "tenant: "),
    ({"tenant": "a:b"}, "tenant: "),
    ({"language": "ruby"}, "language: "),
    ({"runtime": "../x"}, "runtime: "),
    ({"mode": "eval"}, "mode: "),
    ({"code": ""}, "code: "),
    ({"code": SECRET + "\ud800"}, "code: "),
    ({"code": SECRET + "é" * (MAX_CODE_BYTES // 2)}, "code: code is larger"),
    ({"inputs": [1]}, "inputs: "),
    ({"inputs": {"": 1}}, "inputs: an input needs a name"),
    ({"inputs": {"a": float("nan")}}, "inputs: 'a' holds NaN"),
    ({"inputs": {"a": [1, {"b": float("-inf")}]}}, "inputs: 'a' holds NaN or infinity"),
    ({"inputs": {"a": SECRET + "\udfff"}}, "inputs: 'a' holds a lone surrogate"),
    ({"inputs": {"a": {"\ud800": 1}}}, "inputs: 'a' holds a lone surrogate"),
    ({"inputs": {"a\ud800": 1}}, "inputs: 'a?' holds a lone surrogate"),
    ({"inputs": {"a": {1: 2}}}, "inputs: 'a' holds a key that is not a string"),
    ({"inputs": {"a": {SECRET}}}, "inputs: 'a' holds a set"),
    ({"inputs": {"a": b"x"}}, "inputs: 'a' holds a bytes"),
    ({"inputs": {"a": 10**4000}}, "inputs: 'a' holds an integer of too many digits"),
    ({"inputs": {"a": nested(MAX_DEPTH + 1)}}, "inputs: 'a' is nested too deeply"),
    ({"inputs": {"a": nested(100_000)}}, "inputs: 'a' is nested too deeply"),
    ({"inputs": {"a": "x" * MAX_INPUT_BYTES}}, "inputs: inputs are larger"),
    ({"inputs": {"a": [{}] * 700_000}}, "inputs: inputs hold more than 2,000,000 values"),
    ({"inputs": {"a": [1] * 2_000_001}}, "inputs: inputs hold more than 2,000,000 values"),
    ({"outputs": {"r": {"type": "float"}}}, "outputs.r.type: "),
    ({"outputs": {"r": {"type": "string", "children": NUMBER}}}, "outputs.r: only an object"),
    ({"outputs": {"r": deep_spec(20)}}, "outputs.r"),
    ({"outputs": {"": {"type": "string"}}}, "outputs."),
    ({"limits": {"wall_ms": 0}}, "limits.wall_ms: "),
    ({"limits": {"cpu_ms": "5"}}, "limits.cpu_ms: "),
    ({"limits": {"memory_mb": True}}, "limits.memory_mb: "),
    ({"limits": {"output_bytes": 1.0}}, "limits.output_bytes: "),
    ({"limits": None}, "limits: "),
    ({"on_error": {"strategy": "ignore"}}, "on_error.strategy: "),
    ({"on_error": {"strategy": "stop", "values": {"r": 1}}}, "on_error: values belong"),
    ({"on_error": {"strategy": "default", "values": {"r": float("nan")}}}, "on_error.values: 'r' holds NaN"),
    ({"on_error": {"strategy": "default"}, "outputs": NUMBER}, "on_error.values: output 'r' is declared"),
    (
        {"on_error": {"strategy": "default", "values": {"r": SECRET}}, "outputs": NUMBER},
        "on_error.values: output 'r' must be a number, but is a string",
    ),
    ({"retry": {"max_retries": 11}}, "retry.max_retries: "),
    ({"retry": {"interval_ms": 60_001}}, "retry.interval_ms: "),
    ({"retry": {"kinds": ["novelty"]}}, "retry.kinds.0: "),
    ({"deadline_ms": 0}, "deadline_ms: "),
    ({"deadline_ms": 1.5}, "deadline_ms: "),
    ({"priority": -1}, "priority: "),
    ({"priority": 10}, "priority: "),
    ({"priority": "5"}, "priority: "),
    ({"reply": {"kind": "celery", "task": "t"}}, "reply.celery.queue: is required"),
    ({"reply": {"kind": "celery", "task": "", "queue": "q"}}, "reply.celery.task: "),
    ({"reply": {"kind": "webhook", "url": "ftp://example.org/"}}, "reply.webhook.url: "),
    ({"reply": {"kind": "webhook", "url": f"https://a:{SECRET}@example.org/"}}, "reply.webhook.url: "),
    ({"reply": {"kind": "webhook", "url": f"https://example.org/#{SECRET}"}}, "reply.webhook.url: "),
    ({"reply": {"kind": "webhook", "url": "https://a.org/", "secret": SECRET}}, "reply.webhook.secret: "),
    ({"reply": {"kind": "pigeon"}}, "reply: "),
    ({"trace": {"traceparent": "x"}}, "trace.traceparent: "),
    ({"labels": {"a": 1}}, "labels.a: "),
    ({"labels": {"a": "x" * 257}}, "labels.a: "),
    ({"labels": {str(i): "" for i in range(33)}}, "labels: "),
]


@pytest.mark.parametrize(("change", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_refusal_names_the_field_and_hides_the_content(change: dict[str, Any], words: str) -> None:
    given = {"language": "python3", "code": SECRET, "inputs": {"a": SECRET}} | change
    source = {name: value for name, value in given.items() if value is not ...}
    with pytest.raises(InvalidJob) as caught:
        read_job(source)
    assert any(problem.startswith(words) for problem in caught.value.problems), caught.value.problems
    assert SECRET not in str(caught.value)
    with pytest.raises(ValidationError) as raw:
        Job(**source)
    assert SECRET not in str(raw.value)


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(InvalidJob) as caught:
        read_job({"code": "", "tenant": " "})
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["tenant", "language", "code"]


def test_what_is_no_mapping_is_an_invalid_job() -> None:
    with pytest.raises(InvalidJob):
        read_job([SECRET])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "branch", "error"),
    [
        ("succeeded", "fail", None),
        ("succeeded", None, None),
        ("succeeded", "success", ErrorInfo(kind="internal")),
        ("failed", "fail", ErrorInfo(kind="internal")),
        ("failed", None, None),
        ("exception", None, ErrorInfo(kind="internal")),
        ("exception", "fail", None),
    ],
)
def test_a_result_that_contradicts_itself_is_refused(
    status: str, branch: str | None, error: ErrorInfo | None
) -> None:
    with pytest.raises(ValidationError):
        Result.model_validate(
            {"job_id": "a", "tenant": "b", "status": status, "branch": branch, "error": error}
        )


def test_a_result_of_another_version_is_refused() -> None:
    with pytest.raises(ValidationError, match="v"):
        Result.model_validate(
            {"v": 2, "job_id": "a", "tenant": "b", "status": "succeeded", "branch": "success"}
        )


def test_values_are_counted_and_not_what_stands_in_strings() -> None:
    given = {"language": "python3", "code": "x", "inputs": {"a": ['{[,"' * 1_000_000], "b": [1] * 1_900_000}}
    assert read_job(given).inputs == given["inputs"]
