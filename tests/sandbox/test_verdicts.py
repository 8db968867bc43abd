"""Each way in which a piece of code can end has its own verdict, message, type and line."""

from dataclasses import dataclass

import pytest
from cellblock_sandbox import Limits, Sandbox, Verdict

from tests.sandbox.running import SHORT, fault, run_body


@dataclass(frozen=True, kw_only=True)
class Case:
    body: str
    verdict: Verdict
    message: str  # a part of it
    type: str = ""
    line: int | None = None
    limits: Limits | None = None


CASES = {
    "raises": Case(
        body="x = 1\nreturn {'r': x / 0}",
        verdict=Verdict.CODE_ERROR,
        message="division by zero",
        type="ZeroDivisionError",
        line=3,
    ),
    "raises an error of its own": Case(
        body="class Odd(Exception): pass\nraise Odd('so')",
        verdict=Verdict.CODE_ERROR,
        message="so",
        type="Odd",
        line=3,
    ),
    "raises from within the library": Case(
        body="import json\njson.loads('{')",
        verdict=Verdict.CODE_ERROR,
        message="Expecting property name",
        type="JSONDecodeError",
        line=3,
    ),
    "raises an error that cannot be shown": Case(
        body="class Odd(Exception):\n    def __str__(self): return 1 / 0\nraise Odd",
        verdict=Verdict.CODE_ERROR,
        message="(it cannot be shown)",
        type="Odd",
        line=4,
    ),
    "raises with a lone surrogate": Case(
        body="raise ValueError(chr(0xD800))",
        verdict=Verdict.CODE_ERROR,
        message="\\ud800",
        type="ValueError",
        line=2,
    ),
    "raises a very long message": Case(
        body="raise ValueError('x' * 100_000)",
        verdict=Verdict.CODE_ERROR,
        message="x" * 4000,
        type="ValueError",
        line=2,
    ),
    "recurses for ever": Case(
        body="def f(): return f()\nf()",
        verdict=Verdict.CODE_ERROR,
        message="maximum recursion depth",
        type="RecursionError",
        line=2,
    ),
    "exits": Case(
        body="import sys\nsys.exit(3)",
        verdict=Verdict.CODE_ERROR,
        message="called exit before main returned",
        type="SystemExit",
        line=3,
    ),
    "is interrupted by itself": Case(
        body="raise KeyboardInterrupt",
        verdict=Verdict.CODE_ERROR,
        message="",
        type="KeyboardInterrupt",
        line=2,
    ),
    "imports what is not there": Case(
        body="import numpy",
        verdict=Verdict.CODE_ERROR,
        message="No module named 'numpy'",
        type="ModuleNotFoundError",
        line=2,
    ),
    "returns no dict": Case(
        body="return [1]",
        verdict=Verdict.INVALID_OUTPUT,
        message="main must return a dict of its outputs, but it returned list",
        type="list",
    ),
    "returns nothing": Case(
        body="pass",
        verdict=Verdict.INVALID_OUTPUT,
        message="but it returned NoneType",
        type="NoneType",
    ),
    "returns what is not JSON": Case(
        body="return {'a': 1, 'b': {1, 2}}",
        verdict=Verdict.INVALID_OUTPUT,
        message="output 'b' is not JSON: Object of type set",
        type="TypeError",
    ),
    "returns NaN": Case(
        body="return {'a': float('nan')}",
        verdict=Verdict.INVALID_OUTPUT,
        message="output 'a' is not JSON",
        type="ValueError",
    ),
    "returns an infinity": Case(
        body="return {'a': [1e999]}",
        verdict=Verdict.INVALID_OUTPUT,
        message="output 'a' is not JSON",
        type="ValueError",
    ),
    "returns a key twice": Case(
        body="return {'a': {1: 1, '1': 2}}",
        verdict=Verdict.INVALID_OUTPUT,
        message="the key '1' twice",
    ),
    "returns a lone surrogate": Case(
        body="return {'a': chr(0xD800)}",
        verdict=Verdict.INVALID_OUTPUT,
        message="output 'a' is not JSON",
        type="UnicodeEncodeError",
    ),
    "returns what is nested too deep": Case(
        body="a = []\nfor _ in range(80): a = [a]\nreturn {'a': a}",
        verdict=Verdict.INVALID_OUTPUT,
        message="more than 64 levels deep",
    ),
    "returns what is nested beyond reason": Case(
        body="a = []\nfor _ in range(100_000): a = [a]\nreturn {'a': a}",
        verdict=Verdict.INVALID_OUTPUT,
        message="output 'a' is not JSON",
        type="RecursionError",
    ),
    "returns a circle": Case(
        body="a = {}\na['a'] = a\nreturn a",
        verdict=Verdict.INVALID_OUTPUT,
        message="Circular reference",
        type="ValueError",
    ),
    "returns too many digits": Case(
        body="return {'a': 10**5000}",
        verdict=Verdict.INVALID_OUTPUT,
        message="digits",
        type="ValueError",
    ),
    "returns too much": Case(
        body="return {'a': 'x' * 3000}",
        verdict=Verdict.OUTPUT_LIMIT,
        message="the answer has 3020 bytes; 1000 are allowed",
        limits=Limits(output_bytes=1000),
    ),
    "sleeps too long": Case(
        body="import time\ntime.sleep(60)",
        verdict=Verdict.TIMEOUT,
        message="longer than its limit of 400 ms",
        limits=SHORT,
    ),
    "computes too long": Case(
        body="while True: pass",
        verdict=Verdict.CPU_LIMIT,
        message="more CPU time than its limit of 200 ms",
        limits=Limits(cpu_ms=200),
    ),
    "takes too much memory": Case(
        body="a = []\nwhile True: a.append('x' * 100_000)",
        verdict=Verdict.MEMORY_LIMIT,
        message="the code used more memory than its limit of 64 MB",
        type="MemoryError",
        line=3,
        limits=SHORT,
    ),
    "opens a file": Case(
        body="open('/etc/passwd')",
        verdict=Verdict.BLOCKED,
        message="this code node tried to open the file '/etc/passwd', which is not allowed",
        line=2,
    ),
    "writes a file": Case(
        body="open('/tmp/x', 'w')",
        verdict=Verdict.BLOCKED,
        message="this code node tried to open the file '/tmp/x', which is not allowed",
        type="PermissionError",
        line=2,
    ),
    "makes a temporary file": Case(
        body="import tempfile\ntempfile.TemporaryFile()",
        verdict=Verdict.BLOCKED,
        message="this code node tried to make a temporary file, which is not allowed",
        type="FileNotFoundError",
        line=3,
    ),
    "looks at a file": Case(
        body="import os, colorsys\nos.stat('/nowhere')",
        verdict=Verdict.BLOCKED,
        message="this code node tried to reach the file '/nowhere', which is not allowed",
        type="FileNotFoundError",
        line=3,
    ),
    "does what has no name": Case(
        body="import os, wave\nos.nice(1)",
        verdict=Verdict.BLOCKED,
        message="this code node tried to do something, which is not allowed",
        type="PermissionError",
        line=3,
    ),
    "runs a program": Case(
        body="import os\nos.execv('/bin/ls', ['ls'])",
        verdict=Verdict.BLOCKED,
        message="this code node tried to start another process, which is not allowed",
        type="PermissionError",
        line=3,
    ),
    "removes a file": Case(
        body="import os\nos.remove('/tmp/x')",
        verdict=Verdict.BLOCKED,
        message="this code node tried to change files",
        type="PermissionError",
        line=3,
    ),
    "opens a connection": Case(
        body="import socket\nsocket.create_connection(('127.0.0.1', 6379))",
        verdict=Verdict.BLOCKED,
        message="this code node tried to open a network connection, which is not allowed",
        type="PermissionError",
        line=3,
    ),
    "looks up a host": Case(
        body="import socket\nsocket.getaddrinfo('example.com', 80)",
        verdict=Verdict.BLOCKED,
        message="this code node tried to look up a host on the network, which is not allowed",
        type="gaierror",
        line=3,
    ),
    "fetches a page": Case(
        body="import urllib.request\nurllib.request.urlopen('http://192.0.2.1/')",
        verdict=Verdict.BLOCKED,
        message="this code node tried to open a network connection, which is not allowed",
        type="URLError",
        line=3,
    ),
    "starts a process": Case(
        body="import subprocess\nsubprocess.run(['ls'])",
        verdict=Verdict.BLOCKED,
        message="this code node tried to start another process, which is not allowed",
        type="PermissionError",
        line=3,
    ),
    "signals another process": Case(
        body="import os\nos.kill(os.getppid(), 9)",
        verdict=Verdict.BLOCKED,
        message="this code node tried to signal another process, which is not allowed",
        type="PermissionError",
        line=3,
    ),
    "makes a deadly call": Case(
        body="import ctypes\nctypes.CDLL(None).ptrace(0, 0, 0, 0)",
        verdict=Verdict.BLOCKED,
        message="a system call that no code node needs",
    ),
    "crashes": Case(
        body="import ctypes\nctypes.string_at(0)",
        verdict=Verdict.CRASHED,
        message="the code crashed (SIGSEGV)",
        type="SIGSEGV",
    ),
    "kills itself": Case(
        body="import os\nos.kill(os.getpid(), 9)",
        verdict=Verdict.CRASHED,
        message="the code crashed (SIGKILL)",
        type="SIGKILL",
    ),
    "leaves without an answer": Case(
        body="import os\nos._exit(3)",
        verdict=Verdict.CRASHED,
        message="ended without an answer (exit status 3)",
    ),
    "stops itself": Case(
        body="import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
        verdict=Verdict.TIMEOUT,
        message="longer than its limit",
        limits=SHORT,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_code_that(case: Case, sandbox: Sandbox) -> None:
    outcome = run_body(sandbox, case.body, case.limits)
    told = fault(outcome)
    assert outcome.verdict is case.verdict, told
    assert case.message in told.message
    assert len(told.message) <= 4000
    assert told.line == case.line
    assert told.type == case.type or (case.verdict is Verdict.BLOCKED and not case.type)
    assert outcome.outputs == {}
