"""The OpenAPI description is true: schemathesis makes requests of it, good and bad, and judges answers."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.calling import KEY, GatewayProcess
from tests.support.stack import Stack

# A job says more than a JSON schema can: bytes of UTF-8, values that go with a strategy. What fits the schema
# may be refused, so that is not a check here; every other check of schemathesis is.
LEFT_OUT = "positive_data_acceptance"

pytestmark = pytest.mark.timeout(400)  # a thousand requests, on a machine that has more to do


def test_answers_are_as_described(gateway: GatewayProcess, tmp_path: Path) -> None:
    judge(gateway, tmp_path, "--phases", "fuzzing", "--max-examples", "10")


def test_answers_to_every_edge_of_the_description(
    stack: Stack, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Among the edges are batches of 1,000 jobs: no worker serves this queue, and nobody waits long.
    monkeypatch.setenv("CELLBLOCK_GATEWAY_WAIT_S", "0.05")
    monkeypatch.setenv("CELLBLOCK_GATEWAY_DIFY_WAIT_S", "0.05")
    with GatewayProcess(stack.url, "--keys", str(keys), "--queue", "edges") as idle:
        judge(idle, tmp_path, "--phases", "coverage")


def judge(gateway: GatewayProcess, folder: Path, *options: str) -> None:
    given = [
        *("--header", f"Authorization: Bearer {KEY}"),
        *("--header", f"X-Api-Key: {KEY}"),
        *("--exclude-checks", LEFT_OUT),
        *("--seed", "1"),
        *("--request-timeout", "60"),
        *("--generation-database", "none"),
        "--no-color",
        *options,
    ]
    program = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [program, "run", f"{gateway.url}/openapi.json", *given],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 11" in done.stdout
