"""Ctrl-C in a destructor, where Python drops what is raised, is heeded all the same."""

import subprocess
import sys

PROGRAM = """
import os, signal, sys, time
from cellblock_worker.cli.interrupt import heed_interrupts

class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

heed_interrupts()
try:
    Dying()
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(7)
"""


def test_it_is_raised_when_the_destructor_is_over() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")


def test_where_it_is_ignored_it_stays_so() -> None:
    ignoring = PROGRAM.replace("class Dying", "signal.signal(signal.SIGINT, signal.SIG_IGN)\nclass Dying")
    program = ignoring.replace("time.sleep(60)", "")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
