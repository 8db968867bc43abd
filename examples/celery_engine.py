"""An engine that is itself a Celery app: it waits for nothing, each Result comes to it as a task.

    engine.start ──submit, with `reply`──> cellblock worker ──> engine.resume(result): next node, or done

    CELLBLOCK_REPLY_QUEUES=engine cellblock worker --redis URL &
    ENGINE_REDIS=URL celery -A examples.celery_engine worker -Q engine &
    ENGINE_REDIS=URL python -m examples.celery_engine

A reply comes at least once. That it may come twice does not matter here: a node's job is named by its run
and its step, and a job that is submitted again is the same one.
"""

import os
from typing import Any

from celery import Celery
from cellblock_producer import Client
from redis import Redis

URL = os.environ.get("ENGINE_REDIS", "redis://127.0.0.1:6379/0")
QUEUE = "engine"
STEPS = [
    "def main(text):\n    return {'words': text.split()}\n",
    "def main(words):\n    assert words, 'no words'\n    return {'count': len(words), 'last': words[-1]}\n",
]

app = Celery("engine", broker=URL.replace("unix://", "redis+socket://"))
app.conf.task_default_queue = QUEUE
app.conf.task_ignore_result = True


def submit(run: str, step: int, inputs: dict[str, Any]) -> None:
    """Submit a step of a run; its Result comes to `resume`."""
    job = {
        "id": f"{run}.{step}",
        "language": "python3",
        "code": STEPS[step],
        "inputs": inputs,
        "reply": {"kind": "celery", "task": resume.name, "queue": QUEUE},
        "labels": {"run": run, "step": str(step)},
    }
    with Client(URL) as client:
        client.submit(job)


@app.task(name="engine.start")
def start(run: str, text: str) -> None:
    """Start a run."""
    submit(run, 0, {"text": text})


@app.task(name="engine.resume")
def resume(result: dict[str, Any]) -> None:
    """Take the next step of the run that this Result belongs to, or end it."""
    run, step = result["labels"]["run"], int(result["labels"]["step"]) + 1
    if result["branch"] == "success" and step < len(STEPS):
        submit(run, step, result["outputs"])
        return
    said = result["error"]["message"] if result["error"] else str(result["outputs"])
    with Redis.from_url(URL) as redis:
        redis.lpush(f"engine:done:{run}", f"{result['status']} {said}")


def main(runs: dict[str, str]) -> None:
    """Start runs, and print how each ended."""
    with Redis.from_url(URL, socket_timeout=None) as redis:
        for run, text in runs.items():
            start.delay(run, text)
        for run in runs:
            ended: Any = redis.brpop([f"engine:done:{run}"], timeout=60)
            print(f"{run}: {ended[1].decode() if ended else 'nothing heard of it'}")


if __name__ == "__main__":
    main({"short": "so it goes", "empty": ""})
