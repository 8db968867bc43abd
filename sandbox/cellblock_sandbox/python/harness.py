"""Runs one program in its cell: a header of limits and the job come in, one answer goes out.

in   header (HEADER), then the job as JSON      out   READY once, then length and answer as JSON
"""

from __future__ import annotations

import gc
import io
import json
import linecache
import os
import resource
import struct
import sys
import time
import types
from typing import Any, Final

from . import refusals
from .faults import NODE, Fault, fault, fault_of, release, syntax_fault

CHANNEL: Final = 3
READY: Final = struct.Struct("!Q")  # CPU nanoseconds used so far
HEADER: Final = struct.Struct("!QQQQQ")  # data bytes, address space bytes, CPU s, answer bytes, job bytes
LENGTH: Final = struct.Struct("!I")
_RESERVE: Final = 8 << 20  # what the harness may use beyond the job's memory, to tell that it ran out

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_REHEARSAL: Final = json.dumps(
    {
        "code": "def main(a):\n    print(end='')\n    return {'a': [str(i) for i in range(a)]}\n",
        "mode": "main",
        "inputs": {"a": 3},
    }
).encode()


def rehearse() -> None:
    """Run a program of our own, so that the pages which every job writes to are copied beforehand."""
    answer(_REHEARSAL, 1 << 20)
    refusals.forget()


def serve() -> None:
    """Say that we are ready, take the one job, answer it and be gone."""
    _write(READY.pack(time.process_time_ns()))
    data, address_space, cpu_s, answer_bytes, job_bytes = HEADER.unpack(_read(HEADER.size))
    resource.setrlimit(resource.RLIMIT_DATA, (data, data + _RESERVE))
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    body = answer(_read(job_bytes), answer_bytes)
    _write(LENGTH.pack(len(body)) + body)
    os._exit(0)


def answer(job: bytes, most: int) -> bytes:
    """The answer to a job, at most `most` bytes long."""
    try:
        fields = json.loads(job)
        body = _run(fields["code"], fields["mode"], fields["inputs"])
    except MemoryError as error:
        given_up = _out_of_memory(error)
        return _failed(given_up)
    if len(body) > most:
        return _failed(fault("output_limit", f"the answer has {len(body)} bytes; {most} are allowed"))
    return body


def use_standard_streams() -> None:
    """Fresh stdout and stderr that pass everything on at once: what was printed survives a kill."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        raw: Any = io.FileIO(number, "w", closefd=False)
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _run(source: str, mode: str, inputs: dict[str, object]) -> bytes:
    linecache.cache[NODE] = (len(source), None, source.splitlines(keepends=True), NODE)
    try:
        code = compile(source, NODE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, OverflowError) as error:
        return _failed(syntax_fault(error))
    try:
        if mode == "script":
            exec(code, _module("__main__").__dict__)  # noqa: S102 - this is what a cell is for
            return _flushed(b'{"outputs":{},"exit_code":0}')
        module = _module("node")
        exec(code, module.__dict__)  # noqa: S102
        return _called(module, inputs)
    except SystemExit as error:
        return _exited(error, mode)
    except MemoryError:
        raise
    except BaseException as error:
        return _flushed(_failed(fault_of(error), exit_code=1 if mode == "script" else None))


def _module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__["__builtins__"] = __builtins__
    sys.modules[name] = module  # dataclasses and pickle look their classes' module up
    return module


def _called(module: types.ModuleType, inputs: dict[str, object]) -> bytes:
    main: Any = getattr(module, "main", None)
    if not callable(main):
        return _failed(fault("code_error", "the code defines no function main", type="NameError"))
    try:
        outputs = main(**inputs)
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise  # it comes from within main
        line = getattr(getattr(main, "__code__", None), "co_firstlineno", None)
        message = f"{error} (the inputs are: {', '.join(inputs) or 'none'})"
        return _failed(fault("code_error", message, type="TypeError", line=line))
    if isinstance(outputs, types.CoroutineType):
        import asyncio  # rarely wanted, and too large to be in every cell

        outputs = asyncio.run(outputs)
    if not isinstance(outputs, dict):
        message = f"main must return a dict of its outputs, but it returned {type(outputs).__name__}"
        return _failed(fault("invalid_output", message, type=type(outputs).__name__))
    return _flushed(_encoded(outputs))


def _encoded(outputs: dict[object, object]) -> bytes:
    try:
        return b'{"outputs":' + _encode(outputs).encode() + b"}"
    except (TypeError, ValueError, RecursionError) as error:
        culprit = next((f"output {name!r}" for name in outputs if not _fits(outputs[name])), "the answer")
        return _failed(fault("invalid_output", f"{culprit} is not JSON: {error}", type=type(error).__name__))


def _fits(value: object) -> bool:
    try:
        _encode(value).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _exited(error: SystemExit, mode: str) -> bytes:
    if error.code is None or error.code == 0:
        status = 0
    else:
        status = error.code if isinstance(error.code, int) else 1
    if mode == "script" and status == 0:
        return _flushed(b'{"outputs":{},"exit_code":0}')
    message = (
        "the code called exit before main returned" if mode == "main" else f"the code exited: {error.code}"
    )
    described = fault_of(error)
    described["message"] = message
    return _flushed(_failed(described, exit_code=status if mode == "script" else None))


def _out_of_memory(error: MemoryError) -> Fault:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    described = fault_of(error)
    release(error)
    gc.collect()
    return described


def _failed(described: Fault, exit_code: int | None = None) -> bytes:
    body = {"error": described} if exit_code is None else {"error": described, "exit_code": exit_code}
    return json.dumps(body).encode()


def _flushed(body: bytes) -> bytes:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()  # the code may have put its own there
        except BaseException:  # noqa: S110 - and that may do anything
            pass
    return body


def _read(count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(CHANNEL, min(count - len(parts), 1 << 20))
        if not part:
            os._exit(0)  # the owner has no job for us any more
        parts += part
    return bytes(parts)


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(CHANNEL, view) :]
