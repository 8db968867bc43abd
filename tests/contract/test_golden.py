"""Golden messages: what is written today must be read tomorrow, every field of the contract."""

import json
from pathlib import Path
from typing import Any

import pytest
from cellblock_producer.contract import (
    CeleryReply,
    ErrorInfo,
    ErrorKind,
    Job,
    Limits,
    OnError,
    OutputSpec,
    OutputType,
    Result,
    Retry,
    Trace,
    Usage,
    WebhookReply,
)
from pydantic import BaseModel

HERE = Path(__file__).parent
JOBS = sorted(HERE.glob("job_*.json"), key=lambda path: path.name)
RESULTS = sorted(HERE.glob("result_*.json"), key=lambda path: path.name)

FIELDS: dict[type[BaseModel], str] = {
    Job: "v id tenant language runtime mode code inputs outputs limits on_error retry deadline_ms priority "
    "reply trace labels",
    Limits: "wall_ms cpu_ms memory_mb output_bytes",
    OnError: "strategy values",
    Retry: "max_retries interval_ms kinds",
    OutputSpec: "type children",
    Trace: "traceparent tracestate",
    CeleryReply: "kind task queue",
    WebhookReply: "kind url",
    Result: "v job_id tenant status branch outputs error stdout stderr stdout_truncated stderr_truncated "
    "exit_code usage attempts worker labels",
    ErrorInfo: "kind type message line traceback",
    Usage: "queue_ms wall_ms cpu_ms peak_memory_kb",
}


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_job_comes_back_as_it_was(path: Path) -> None:
    golden = load(path)
    job = Job.model_validate(golden)
    assert json.loads(job.to_json()) == golden
    assert Job.model_validate_json(path.read_bytes()) == job


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_result_comes_back_as_it_was(path: Path) -> None:
    golden = load(path)
    result = Result.model_validate(golden)
    assert json.loads(result.to_json()) == golden
    assert Result.from_json(path.read_bytes()) == result


@pytest.mark.parametrize("model", FIELDS, ids=lambda model: model.__name__)
def test_models_have_the_fields_of_the_contract_and_explain_each(model: type[BaseModel]) -> None:
    assert list(model.model_fields) == FIELDS[model].split()
    assert all(field.description for field in model.model_fields.values())


def test_every_served_field_of_a_job_is_in_some_golden_file() -> None:
    used = {field for path in JOBS for field in load(path)}
    assert used == set(Job.model_fields)


def test_every_error_kind_has_a_golden_result() -> None:
    kinds = {load(path)["error"]["kind"] for path in RESULTS if load(path)["error"]}
    assert kinds > {str(kind) for kind in ErrorKind}


def test_every_output_type_is_in_the_full_job() -> None:
    declared = load(HERE / "job_full_python.json")["outputs"]
    inside = [child for spec in declared.values() for child in spec.get("children", {}).values()]
    assert {spec["type"] for spec in [*declared.values(), *inside]} == {str(kind) for kind in OutputType}


def test_a_field_with_its_default_spelled_out_is_the_same_job() -> None:
    short = load(HERE / "job_minimal.json")
    spelled = short | {
        "tenant": "default",
        "runtime": None,
        "mode": "main",
        "inputs": {},
        "outputs": {},
        "limits": {"wall_ms": None},
        "on_error": {"strategy": "stop"},
        "retry": {"max_retries": 0},
        "deadline_ms": None,
        "priority": 5,
        "reply": None,
        "trace": None,
        "labels": {},
    }
    assert Job(**spelled) == Job(**short)
    assert Job(**spelled).digest() == Job(**short).digest()


def test_the_digest_of_a_golden_job_never_changes() -> None:
    # Workers and engines of different versions compare digests.
    digest = Job(**load(HERE / "job_full_python.json")).digest()
    assert digest == "19190fcef507e379bfcf7f21067eee02df63d9663e95f4a69700376f2c890365"


def test_a_reader_ignores_what_newer_workers_add_to_a_result() -> None:
    golden = load(HERE / "result_succeeded.json")
    newer = golden | {"novelty": 1, "usage": golden["usage"] | {"gpu_ms": 3}}
    assert Result.model_validate(newer) == Result.model_validate(golden)
