"""`cellblock doctor`: layers, versions, limits, Redis, and what to fix."""

import json
import shutil
from pathlib import Path

import cellblock_sandbox
from cellblock_worker.embedded import EmbeddedServer

from tests.cli.test_run import cellblock_on_bare_host
from tests.support.stack import cellblock


def test_a_host_that_can_run_a_worker_exits_0_and_names_every_layer() -> None:
    with EmbeddedServer() as server:
        done = cellblock("doctor", "--redis", server.url)
    assert done.returncode == 0, done.stdout
    layers = ("seccomp", "landlock", "no_new_privs", "rlimits", "private root", "cgroup")
    assert [word for word in (*layers, "kernel", "celery", "memory_mb") if word not in done.stdout] == []
    assert "A worker can run here." in done.stdout


def test_json_has_the_same_for_programs() -> None:
    with EmbeddedServer(maxmemory_mb=100) as server:
        done = cellblock("doctor", "--json", "--redis", server.url)
    findings = json.loads(done.stdout)
    assert any("CELLBLOCK_MAX_QUEUED_BYTES" in line for line in findings["advice"])
    layers = {layer["name"]: layer["on"] for layer in findings["layers"]}
    assert layers["seccomp"]
    assert layers["no_new_privs"]
    runtimes = {name: runtime["trivial_job"] for name, runtime in findings["runtimes"].items()}
    assert runtimes == {"python3": "succeeded", "nodejs": "succeeded"}
    assert findings["fix"] == []
    assert findings["redis"].startswith("answers")


def test_a_node_that_cannot_be_forked_is_told_with_the_reason(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    installed = Path(cellblock_sandbox.__file__).parent
    shutil.copytree(installed, tmp_path / installed.name, ignore=shutil.ignore_patterns("*.node"))
    environ = {"PYTHONPATH": str(tmp_path), "CELLBLOCK_RUNTIMES": '{"nodejs": {}}'}
    findings = json.loads(cellblock("doctor", "--json", environ=environ).stdout)
    assert findings["runtimes"]["nodejs"]["trivial_job"] == "succeeded"
    assert findings["runtimes"]["nodejs"]["version"].startswith("v")
    (advice,) = (line for line in findings["advice"] if line.startswith("runtime nodejs: "))
    assert "each job boots a Node.js of its own, which is slow" in advice
    assert "the Node.js addon was not built" in advice


def test_no_redis_exits_3_and_says_what_to_do() -> None:
    done = cellblock("doctor", "--redis", "redis://127.0.0.1:1/0")
    assert done.returncode == 3
    assert "CELLBLOCK_REDIS_URL" in done.stdout


def test_a_host_without_the_required_layers_exits_3_and_says_which() -> None:
    done = cellblock_on_bare_host("doctor", "--json")
    assert done.returncode == 3
    assert any("Landlock" in line for line in json.loads(done.stdout)["fix"])
