"""The sandbox is a library of its own."""

import json
import subprocess
import sys


def test_importing_it_brings_in_nothing_of_the_queue() -> None:
    code = "import cellblock_sandbox, json, sys; print(json.dumps([n.split('.')[0] for n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "cellblock_sandbox" in loaded
    assert not loaded & {"celery", "kombu", "redis", "pydantic", "cellblock_producer", "cellblock_worker"}
