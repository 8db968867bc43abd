"""What is made of something else is up to date: the page of settings, the lists of the images."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.settings_page import PAGE, page

ROOT = Path(__file__).parents[2]


def test_the_settings_page_is_that_of_the_models() -> None:
    assert PAGE.read_text() == page(), "make docs writes it anew"


@pytest.mark.parametrize("image", ["worker", "gateway", "flower"])
def test_the_images_have_the_versions_of_the_lock(image: str) -> None:
    recipe = re.search(rf"^\t@?(.*requirements/{image}\.txt)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    command = recipe[1].replace("$(BIN)", str(Path(sys.executable).parent)).split(" > ")[0]
    made = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stdout == (ROOT / "deploy" / "requirements" / f"{image}.txt").read_text(), "make requirements"
