"""What went wrong, told in the node's own lines: its traceback without a frame or a path of ours."""

from __future__ import annotations

import errno
import linecache
import traceback
from collections.abc import Callable, Iterable
from pathlib import PurePath
from types import TracebackType
from typing import Final

from .refusals import refusal_behind

NODE: Final = "node.py"  # the name under which the code stands in tracebacks
MESSAGE_LENGTH: Final = 4_000
TRACEBACK_LENGTH: Final = 16_000

_OURS: Final = str(PurePath(__file__).parent)
_folders: list[str] = [str(PurePath(linecache.__file__).parent)]

Fault = dict[str, object]


def hide(folders: Iterable[str]) -> None:
    """Leave out, from now on, that modules are in `folders`: where they are is nothing to a code node."""
    _folders.extend(set(folders) - set(_folders))


def fault(kind: str, message: str, *, type: str = "", line: int | None = None) -> Fault:  # noqa: A002
    """A fault as it goes into the answer."""
    message = _unicode(message)[:MESSAGE_LENGTH]
    return {"kind": kind, "type": _unicode(type)[:200], "message": message, "line": line, "traceback": ""}


def fault_of(error: BaseException) -> Fault:
    """The fault behind what the code raised and did not catch."""
    line = _line(error)
    name = _text(lambda: type(error).__name__)
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return fault("memory_limit", "the code ran out of memory", type=name, line=line)
    refusal = refusal_behind(error)
    described = fault(
        "blocked" if refusal else "code_error",
        _without_paths(refusal or _text(lambda: str(error))),
        type=name,
        line=line,
    )
    described["traceback"] = _unicode(_without_paths(_text(lambda: _traceback(error))))[-TRACEBACK_LENGTH:]
    return described


def syntax_fault(error: Exception) -> Fault:
    """The fault of code that does not compile."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    described = fault("syntax_error", message, type=type(error).__name__, line=line)
    described["traceback"] = _unicode("".join(traceback.format_exception_only(error)))[-TRACEBACK_LENGTH:]
    return described


def release(error: BaseException) -> None:
    """Let go of what the frames of `error` hold, so that there is memory to answer with."""
    traceback.clear_frames(error.__traceback__)
    error.__traceback__ = None


def _unicode(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()  # a message may hold lone surrogates; JSON may not


def _line(error: BaseException) -> int | None:
    line: int | None = None
    step: TracebackType | None = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == NODE:
            line = step.tb_lineno
        step = step.tb_next
    return line


def _text(make: Callable[[], str]) -> str:
    """The text that `make` gives; the code's own __str__ may do anything, so it may also fail."""
    try:
        return make()
    except BaseException:
        return "(it cannot be shown)"


def _traceback(error: BaseException) -> str:
    described = traceback.TracebackException.from_exception(error, limit=-50)
    waiting: list[traceback.TracebackException | None] = [described]
    for part in waiting:
        if part is not None and len(waiting) < 100:
            part.stack = traceback.StackSummary.from_list(
                [frame for frame in part.stack if not frame.filename.startswith(_OURS)]
            )
            waiting += [part.__cause__, part.__context__]
    return "".join(described.format())


def _without_paths(text: str) -> str:
    for folder in _folders:
        text = text.replace(folder + "/", "")
    return text
