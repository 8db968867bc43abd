"""The one line about a job and the audit, as a worker writes them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cellblock_producer import Client
from cellblock_producer.contract import Job
from cellblock_sandbox.python import refusals
from cellblock_worker.joblog import attempt_in

from tests.support.stack import Stack
from tests.worker.harness import wait_for

SECRET = "sEcReT"
LABELS = {"workflow": "orders", "node": "fetch"}
READS = f"def main(a):\n    open('/etc/{SECRET}')  # {SECRET}"


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit") / "audit.log"


@pytest.fixture(scope="module")
def stack(audit: Path) -> Iterator[Stack]:
    with Stack(CELLBLOCK_LOG_FORMAT="json", CELLBLOCK_AUDIT_LOG=str(audit)) as stack:
        yield stack


def run(stack: Stack, code: str, **fields: object) -> str:
    job = Job.model_validate(
        {"language": "python3", "code": code, "inputs": {"a": SECRET}, "labels": LABELS} | fields
    )
    with Client(stack.url) as client:
        client.run(job, timeout=30)
    return job.id


def lines(text: str, job_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if job_id in line]


def test_a_success_has_no_line_and_a_failure_has_one(stack: Stack) -> None:
    right = run(stack, "def main(a): return {'b': a}")
    wrong = run(stack, f"def main(a):\n    raise ValueError('{SECRET}', a)", tenant="acme")
    [line] = wait_for(lambda: lines(stack.log, wrong))
    assert (line["event"], line["job"], line["tenant"], line["labels"]) == ("job", wrong, "acme", LABELS)
    assert (line["status"], line["kind"], line["line"]) == ("failed", "code_error", 2)
    assert line["handled_ms"] > 0
    assert lines(stack.log, right) == []
    assert SECRET not in stack.log


def test_what_was_blocked_is_in_the_audit_and_not_what_it_was_about(stack: Stack, audit: Path) -> None:
    job_id = run(stack, READS)
    [line] = wait_for(lambda: lines(audit.read_text(), job_id) if audit.exists() else [])
    assert (line["event"], line["attempt"], line["kind"]) == ("blocked", "open the file", "blocked")
    assert (line["tenant"], line["labels"], line["line"]) == ("default", LABELS, 2)
    assert line["timestamp"]
    assert SECRET not in audit.read_text() + stack.log


def test_each_line_is_json(stack: Stack) -> None:
    run(stack, "def main(a): return {'b': a}")
    told = [json.loads(line) for line in stack.log.splitlines()]  # as root, Celery's warning of it among them
    assert all(line["event"] and line["logger"] for line in told)


def test_a_forged_refusal_says_nothing_of_its_own() -> None:
    assert attempt_in(f"this code node tried to {SECRET}, which is not allowed") == "do something"
    assert attempt_in(f"{SECRET} tried to open the file") == "do something"


def test_the_audit_knows_what_the_sandbox_refuses() -> None:
    javascript = Path(refusals.__file__).parents[1] / "node" / "refusals.js"
    named = re.findall(r"(?:: |refuse\(|sentence\()'([a-z]+ [^']+)'", javascript.read_text())
    python = {attempt.removesuffix(" {}").removesuffix(" ({})") for attempt in refusals._ATTEMPTS.values()}
    assert len(named) > 10
    for attempt in {*named, *python} - {"do something"}:
        assert attempt_in(f"this code node tried to {attempt}, which is not allowed") == attempt
