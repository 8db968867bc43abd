"""`cellblock up`: the whole stack by one command, of which Ctrl-C leaves nothing."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import pytest
from cellblock_producer import Client

from tests.support.processes import seen
from tests.support.stack import COMMAND, cellblock
from tests.watch.looking import ask
from tests.worker.harness import processes_under

PORTS = ("--port", "0", "--flower-port", "0", "--metrics-port", "0")


def test_up_runs_the_stack_and_leaves_nothing(tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with tempfile.TemporaryFile() as output:
        up = subprocess.Popen(
            [*COMMAND, "up", "-c", "1", *PORTS], stdout=output, stderr=subprocess.STDOUT, env=environ
        )
        try:
            while "Up;" not in (said := _said(output)):
                assert up.poll() is None, said
                time.sleep(0.05)
            urls = dict(re.findall(r"^(\w+) +(\S+)", said, re.MULTILINE))
            assert ask(urls["Worker"].removesuffix("/metrics,") + "/ready")[0] == 200
            assert re.fullmatch(r"http://admin:[\w-]{10,}@127\.0\.0\.1:\d+", urls["Flower"])
            with Client(urls["Redis"]) as client:
                result = client.run({"language": "python3", "code": "def main(): return {'a': 1}"}, 30)
            assert result.outputs == {"a": 1}
            started = [seen(pid) for pid in processes_under(up.pid)]
            assert len(started) > 3
            up.send_signal(signal.SIGINT)
            assert up.wait(60) == 0
        finally:
            up.kill()
            up.wait()
    assert [process for process in started if process.lives] == []
    assert list(tmp_path.iterdir()) == []


def _said(output: IO[bytes]) -> str:
    return os.pread(output.fileno(), 1 << 16, 0).decode()


@pytest.mark.parametrize("option", ["--port", "--flower-port", "--metrics-port"])
def test_a_port_that_was_asked_for_and_is_taken_is_told_before_anything_starts(option: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = cellblock("up", *PORTS, option, str(port))
    assert (done.returncode, done.stdout) == (3, "")
    assert f"port {port} cannot be had (Address already in use)" in done.stderr


def test_up_says_why_a_part_does_not_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("bare_host.py")), "up", *PORTS],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 3
    assert "Worker ended with exit code 3" in done.stderr
    assert "the worker does not start" in done.stderr
