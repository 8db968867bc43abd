"""Golden messages and calls: what docs/wire.md promises engines in any language.

`GOLDEN=write pytest tests/contract/test_wire_golden.py` writes them anew, which changes the promise.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cellblock_producer.contract import Result
from cellblock_producer.core import Core
from cellblock_producer.job import read_job
from cellblock_producer.slot import Slot
from cellblock_producer.webhooks import sign, verify
from cellblock_producer.wire import batch_message, batch_part, reply_message, task_message
from cellblock_worker.envelope import Admitted, admit

HERE = Path(__file__).parent
GOLDEN = HERE / "wire"
JOB = read_job(json.loads((HERE / "job_reply_celery.json").read_text()))
RESULT = Result.from_json((HERE / "result_succeeded.json").read_bytes())
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def steady(message: str) -> Any:
    """A message without what differs from time to time and from host to host."""
    read = json.loads(message)
    read["headers"]["origin"] = "cellblock@PID@HOST"
    read["properties"]["delivery_tag"] = "TAG"
    return read


def batch() -> str:
    head, tail = batch_message([JOB, JOB], "cellblock", "01926f3c-7a10-7c3e-9d55-0123456789ab")
    return head + ",".join([batch_part(JOB.to_json())] * 2) + tail


def webhook() -> dict[str, Any]:
    body = RESULT.to_json()
    headers = sign([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1790000000, body.encode())
    return {"secret": SECRET, "headers": headers, "body": body}


def call(command: tuple[str | int, ...]) -> dict[str, Any]:
    """A call of a script: its keys and arguments, the message as an object."""
    _, _, count, *words = command
    keys, arguments = words[: int(count)], words[int(count) :]
    read = [
        "CHANNEL"
        if str(each).startswith("cellblock:reply:")
        else {"message": steady(each)}
        if str(each).startswith('{"body"')
        else each
        for each in map(str, arguments)
    ]
    return {"keys": keys, "arguments": read}


def made() -> dict[str, Any]:
    core = Core(queue="cellblock", ttl_s=3600)
    return {
        "message_job": steady(task_message(JOB, "cellblock")),
        "message_batch": steady(batch()),
        "message_reply": steady(
            reply_message("engine.resume", "engine", "msg_1", RESULT.to_json(), "job_id=… tenant=default")
        ),
        "webhook": webhook(),
        "call_submit": call(core.submit(JOB).command),
        "call_watch": call(core.watch(JOB.name, {}).command),
        "call_cancel": call(core.cancel(Slot(JOB.name, {})).command),
    }


@pytest.mark.parametrize("name", made())
def test_what_is_sent_is_the_golden_file(name: str) -> None:
    path = GOLDEN / f"{name}.json"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(json.dumps(made()[name], indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert made()[name] == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("message_[bjm]*.json")), ids=lambda path: path.stem)
def test_a_worker_takes_the_golden_messages(path: Path) -> None:
    verdict = admit(path.read_bytes(), "cellblock")
    assert isinstance(verdict, Admitted), verdict
    said = json.loads(verdict.envelope["body"])[0][0]
    for job in said if isinstance(said, list) else [said]:
        assert read_job({"id": "x", **job}).language == "python3"


def test_the_golden_webhook_verifies() -> None:
    golden = json.loads((GOLDEN / "webhook.json").read_text(encoding="utf-8"))
    assert verify([golden["secret"]], golden["headers"], golden["body"].encode(), now=1790000000) == (
        "msg_p5jXN8AQM9LWM0D4loKWxJek"
    )


def test_the_digest_in_the_golden_call_is_what_the_document_says() -> None:
    """Keys sorted, no spaces, without `v` and defaults."""
    canonical = (
        '{"code":"def main(): return {}","id":"reply-by-task","language":"python3",'
        '"reply":{"kind":"celery","queue":"engine","task":"engine.resume"}}'
    )
    golden = json.loads((GOLDEN / "call_submit.json").read_text(encoding="utf-8"))
    assert golden["arguments"][0] == hashlib.sha256(canonical.encode()).hexdigest()
