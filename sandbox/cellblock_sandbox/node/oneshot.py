"""In place of a warm Node.js where that cannot be forked: boots one for each job, ahead of it.

It is the Python zygote but for what its cells become. They are locked as all cells are, and then start the
interpreter; so their filter, unlike that of others, lets them do that, and start threads.
"""

from __future__ import annotations

import json
import os
import sys

from python import zygote  # type: ignore[import-not-found]  # as the package beside ours is called inside


def main() -> None:
    """Warm up as the owner says, then serve it until it goes."""
    told = json.loads(sys.argv[2])
    argv, environ = told["argv"], told["environ"]
    os.chdir(told["folder"])  # where import() looks from; a cell may not change it
    zygote.main(lambda _: os.execve(argv[0], argv, environ))  # noqa: S606 - no shell is what we want
