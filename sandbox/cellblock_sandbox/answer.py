"""Reads a cell's answer: data from an enemy, checked for size and depth before it is parsed."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cellblock_sandbox.model import Fault, Verdict

MAX_DEPTH: Final = 64
MAX_VALUES: Final = 2_000_000
"""How many values an answer may hold, an object counting twice: parsed, each takes up to a hundred bytes."""
_TEXT_LENGTH: Final = 4_000
_TRACEBACK_LENGTH: Final = 16_000
# Possessive, and content with a string that never ends: there is nothing to go back for, whatever comes.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")  # which closes which is the parser's to say
# What a cell may say of itself; the rest is ours to judge.
_SAYABLE: Final = {
    Verdict.CODE_ERROR,
    Verdict.SYNTAX_ERROR,
    Verdict.INVALID_OUTPUT,
    Verdict.MEMORY_LIMIT,
    Verdict.OUTPUT_LIMIT,
    Verdict.BLOCKED,
}


class InvalidAnswer(ValueError):
    """The answer is not what a cell may send; the message is for the author of the code."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a cell said: outputs where it succeeded, a fault where it did not."""

    verdict: Verdict
    outputs: Mapping[str, object]
    fault: Fault | None
    exit_code: int | None


def parse_answer(body: bytes) -> Answer:
    """The answer in `body`; raises InvalidAnswer."""
    fields = parse_object(body)
    exit_code = fields.get("exit_code")
    if exit_code is not None and not _is_number(exit_code, range(256)):
        raise InvalidAnswer("the answer's exit code is no number from 0 to 255")
    if "error" in fields:
        verdict, fault = _fault(fields["error"])
        return Answer(verdict=verdict, outputs={}, fault=fault, exit_code=exit_code)
    outputs = fields.get("outputs")
    if not isinstance(outputs, dict):
        raise InvalidAnswer("the answer holds no outputs")
    return Answer(verdict=Verdict.SUCCEEDED, outputs=outputs, fault=None, exit_code=exit_code)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, strictly: no NaN, no infinities, no key twice, no lone surrogates.

    Raises InvalidAnswer.
    """
    bare = _STRING.sub(b"", body)
    if _too_deep(bare):
        raise InvalidAnswer(f"the answer is nested more than {MAX_DEPTH} levels deep")
    if _values(bare) > MAX_VALUES:
        raise InvalidAnswer(f"the answer holds more than {MAX_VALUES:,} values")
    try:
        value = _decoder.decode(body.decode())
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()
    except InvalidAnswer:
        raise
    except UnicodeError as error:
        raise InvalidAnswer("the answer holds text that is not valid Unicode (a lone surrogate)") from error
    except (ValueError, RecursionError) as error:
        raise InvalidAnswer(f"the answer is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidAnswer("the answer is no JSON object")
    return value


def _too_deep(bare: bytes) -> bool:
    """Whether brackets nest too deep, at the speed of C: innermost pairs are taken away, level by level."""
    rest = bare.translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH + 1):  # the answer's own object is one level more
        if not rest:
            return False
        rest = rest.replace(b"[]", b"")
    return bool(rest)


def _values(bare: bytes) -> int:
    """Count values: but for the first of an array or object, each has a comma before it."""
    return bare.count(b",") + bare.count(b"[") + 2 * bare.count(b"{")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise InvalidAnswer(f"the answer has the key {twice[:100]!r} twice in one object")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidAnswer("the answer holds a number that is too large")
    return number


def _refuse(text: str) -> None:
    raise InvalidAnswer(f"the answer holds {text}, which is not JSON")


_decoder: Final = json.JSONDecoder(object_pairs_hook=_once, parse_float=_finite, parse_constant=_refuse)


def _fault(error: object) -> tuple[Verdict, Fault]:
    kind = error.get("kind") if isinstance(error, dict) else None
    if not isinstance(error, dict) or not isinstance(kind, str) or kind not in _SAYABLE:
        raise InvalidAnswer("the answer holds an error that is none of a cell's")
    line = error.get("line")
    fault = Fault(
        message=_text(error, "message", _TEXT_LENGTH),
        type=_text(error, "type", 200),
        line=line if _is_number(line, range(1, 1 << 31)) else None,
        traceback=_text(error, "traceback", _TRACEBACK_LENGTH),
    )
    return Verdict(kind), fault


def _is_number(value: object, allowed: range) -> bool:
    return type(value) is int and value in allowed  # a bool is an int, too


def _text(error: dict[str, Any], name: str, most: int) -> str:
    text = error.get(name)
    return text[:most] if isinstance(text, str) else ""
