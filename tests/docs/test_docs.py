"""What the operator's guide says is there."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.docs.settings_page import PAGE, page
from tests.support.stack import cellblock

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operating.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line and not line.startswith("#")]
COMPOSE = (ROOT / "docker-compose.yaml").read_text()
SMOKE = "".join(file.read_text() for file in (ROOT / "tests" / "compose").glob("*.py"))


def test_the_settings_page_is_that_of_the_models() -> None:
    assert PAGE.read_text() == page(), "make docs writes it anew"


@pytest.mark.parametrize("image", ["worker", "gateway", "flower"])
def test_the_images_have_the_versions_of_the_lock(image: str) -> None:
    recipe = re.search(rf"^\t@?(.*requirements/{image}\.txt)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    command = recipe[1].replace("$(BIN)", str(Path(sys.executable).parent)).split(" > ")[0]
    made = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stdout == (ROOT / "deploy" / "requirements" / f"{image}.txt").read_text(), "make requirements"


@cache
def _help(command: str) -> str:
    done = cellblock(command, "--help", environ={"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("line", [line for line in LINES if "cellblock " in line])
def test_commands_of_the_guide_have_these_options(line: str) -> None:
    words = shlex.split(line[line.index("cellblock ") :], comments=True)
    told = _help(words[1])
    for option in [word.split("=")[0] for word in words[2:] if word.startswith("--")]:
        assert option in told, line


@pytest.mark.parametrize("line", [line for line in LINES if "docker compose " in line])
def test_compose_commands_of_the_guide_are_those_of_the_smoke(line: str) -> None:
    words = shlex.split(line, comments=True)
    command = words[words.index("deploy/local/.env") + 1 :]
    verb = next(word for word in command if not word.startswith("--") and word not in ("strong", "watch"))
    assert f'"{verb}"' in SMOKE.replace("'", '"'), line
    for option in [word for word in command if word.startswith("--") and word != "--profile"]:
        assert f'"{option}"' in SMOKE.replace("'", '"'), line


def test_each_alert_is_in_the_guide() -> None:
    alerts = re.findall(r"alert: (\w+)", (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    assert [alert for alert in alerts if alert not in GUIDE] == []
