"""Runs one program in its cell: the job comes in, one answer goes out."""

from __future__ import annotations

import functools
import gc
import io
import json
import linecache
import os
import resource
import sys
import types
from contextlib import suppress
from typing import Any, Final, Protocol

from . import refusals
from .faults import NODE, Fault, fault, fault_of, release, syntax_fault

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
# What they come to, without what finds that out anew each time.
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_pieces: Any = _encoder.iterencode
with suppress(AttributeError, TypeError):  # another Python may have it otherwise
    _pieces = functools.partial(
        json.encoder.c_make_encoder(  # type: ignore[attr-defined]
            {}, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, False
        ),
        _current_indent_level=0,
    )

_REHEARSAL: Final = json.dumps(
    {
        "code": "def main(a):\n    print(end='')\n    return {'a': [str(i) for i in range(a)]}\n",
        "mode": "main",
        "inputs": {"a": 3},
    }
).encode()


class Channel(Protocol):
    """How it talks with the owner: `channel.py`, or `cell.c`."""

    def take_job(self) -> tuple[bytes, int]: ...  # noqa: D102
    def drop_ballast(self) -> None: ...  # noqa: D102
    def give_answer(self, body: bytes, /) -> None: ...  # noqa: D102


def rehearse() -> None:
    """Run a program of our own, so that the pages which every job writes to are copied beforehand.

    In the zygote it is for the interpreter, which learns from it and hands on what it has learnt.
    """
    answer(_REHEARSAL, 1 << 20)
    refusals.forget()


def serve(channel: Channel) -> None:
    """Say that we are ready, take the one job, answer it and be gone."""
    try:
        job, answer_bytes = channel.take_job()
        body = answer(job, answer_bytes)
    except MemoryError as error:
        channel.drop_ballast()
        body = _failed(_out_of_memory(error))
    channel.give_answer(body)


def answer(job: bytes, most: int) -> bytes:
    """The answer to a job, at most `most` bytes long; raises MemoryError."""
    try:
        fields, _ = _scan(job.decode(), 0)
    except RecursionError:
        return _failed(fault("code_error", "the inputs are nested too deep", type="RecursionError"))
    body = _run(fields["code"], fields["mode"], fields["inputs"])
    if len(body) > most:
        return _failed(fault("output_limit", f"the answer has {len(body)} bytes; {most} are allowed"))
    return body


def use_standard_streams() -> None:
    """Make stdout and stderr pass everything on at once: what was printed survives a kill.

    Done in the zygote, over a pipe as the cell's own will be, since it would cost each cell 0.2 ms.
    """
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.close(reading)
    os.close(writing)
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
    return _guarded(code, mode, inputs)


# A handler that hands an exception on keeps its own place in the function as an int. Beyond the small ones
# that takes memory; where there is none left, the interpreter tries for ever. So such functions are short.
def _guarded(code: types.CodeType, mode: str, inputs: dict[str, object]) -> bytes:
    try:
        return _script(code) if mode == "script" else _main(code, inputs)
    except MemoryError:
        raise
    except SystemExit as error:
        return _exited(error, mode)
    except BaseException as error:
        return _flushed(_failed(fault_of(error), exit_code=1 if mode == "script" else None))


def _script(code: types.CodeType) -> bytes:
    exec(code, _module("__main__").__dict__)  # noqa: S102 - this is what a cell is for
    return _flushed(b'{"outputs":{},"exit_code":0}')


def _module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__["__builtins__"] = __builtins__
    sys.modules[name] = module  # dataclasses and pickle look their classes' module up
    return module


def _main(code: types.CodeType, inputs: dict[str, object]) -> bytes:
    module = _module("node")
    exec(code, module.__dict__)  # noqa: S102
    main: Any = getattr(module, "main", None)
    if not callable(main):
        return _failed(fault("code_error", "the code defines no function main", type="NameError"))
    outputs, mismatch = _called(main, inputs)
    if mismatch:
        return _failed(mismatch)
    if isinstance(outputs, types.CoroutineType):
        import asyncio  # rarely wanted, and too large to be in every cell

        outputs = asyncio.run(outputs)
    if not isinstance(outputs, dict):
        message = f"main must return a dict of its outputs, but it returned {type(outputs).__name__}"
        return _failed(fault("invalid_output", message, type=type(outputs).__name__))
    return _flushed(_encoded(outputs))


def _called(main: Any, inputs: dict[str, object]) -> tuple[Any, Fault | None]:  # noqa: ANN401
    try:
        return main(**inputs), None
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise  # it comes from within main
        return None, _mismatch(error, main, inputs)


def _mismatch(error: TypeError, main: Any, inputs: dict[str, object]) -> Fault:  # noqa: ANN401
    line = getattr(getattr(main, "__code__", None), "co_firstlineno", None)
    message = f"{error} (the inputs are: {', '.join(inputs) or 'none'})"
    return fault("code_error", message, type="TypeError", line=line)


def _encode(value: object) -> str:
    return "".join(_pieces(value))


def _encoded(outputs: dict[object, object]) -> bytes:
    try:
        return b'{"outputs":' + _encode(outputs).encode() + b"}"
    except (TypeError, ValueError, RecursionError) as error:
        culprit = next((f"output {name!r}" for name in outputs if not _fits(outputs[name])), "the answer")
        return _failed(fault("invalid_output", f"{culprit} is not JSON: {error}", type=type(error).__name__))


def _fits(value: object) -> bool:
    try:
        _encoder.encode(value).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _exited(error: SystemExit, mode: str) -> bytes:
    code = error.code or 0
    status = code & 0xFF if isinstance(code, int) else 1  # as the kernel cuts it
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
        try:  # noqa: SIM105 - by hand, since `suppress` is a class with three methods: ten copied pages
            stream.flush()
        except BaseException:  # noqa: S110 - the code may have put its own there, which may do anything
            pass
    return body
