"""Starts a process that cannot outlive us: it is killed when we end, however we end.

    this process -- a fresh interpreter: prctl(parent-death signal), execv --> the program

It has its own session too, so that Ctrl-C in the terminal reaches us first and we end it in order.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Final

# A fresh interpreter does this, since code between fork and exec in this process (preexec_fn) may meet locks
# that other threads held. A parent that died before prctl sends no signal: hence the look at getppid.
_LAUNCHER: Final = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


def start_attached(
    argv: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    output: int | IO[bytes] = subprocess.DEVNULL,
    environ: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` (an absolute path first); stdout and stderr both go to `output`.

    It is bound to the calling thread, which must live as long as the process is wanted.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *argv],
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environ,
        start_new_session=True,
    )
