"""Checks that a Python value is one that JSON can carry unchanged, and bounds it."""

import math
import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

MAX_DEPTH = 64
"""How deep objects and arrays may be nested."""

MAX_VALUES: Final = 2_000_000
"""How many values inputs may hold, an object counting twice: parsed, each takes up to a hundred bytes."""

# Possessive, and content with a string that never ends: there is nothing to go back for, whatever comes.
STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A string in JSON as text."""

# Python refuses to write integers of more than 4,300 digits; 13,000 bits are 3,914 digits.
_MAX_INTEGER_BITS = 13_000


def json_problem(value: object, *, max_depth: int = MAX_DEPTH) -> str | None:
    """Say why `value` is not plain JSON (for example "holds NaN"), or None when it is.

    Plain JSON is made of dict with str keys, list, str, int, float, bool and None only, has no NaN, no
    infinity, no lone surrogate and no integer beyond 3,900 digits. The words never quote the value.
    """
    if isinstance(value, str):
        return _text_problem(value)
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return "holds an integer of too many digits" if value.bit_length() > _MAX_INTEGER_BITS else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "holds NaN or infinity, which JSON does not have"
    if isinstance(value, dict | list):
        return _container_problem(value, max_depth)
    return f"holds a {type(value).__name__}, which is not a JSON type"


def too_many_values(text: str | bytes, most: int = MAX_VALUES) -> bool:
    """Whether JSON that is not parsed yet holds more than `most` values; short text is not looked at."""
    if 2 * len(text) <= most:
        return False
    whole = text.encode(errors="replace") if isinstance(text, str) else text
    return _values(whole) > most and _values(STRING.sub(b"", whole)) > most


def _values(text: bytes) -> int:
    """Count values: but for the first of an array or object, each has a comma before it."""
    return text.count(b",") + text.count(b"[") + 2 * text.count(b"{")


def _container_problem(value: dict[Any, Any] | list[Any], max_depth: int) -> str | None:
    if max_depth <= 0:
        return "is nested too deeply"
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                return "holds a key that is not a string"
            if problem := _text_problem(key):
                return problem
    for part in value.values() if isinstance(value, dict) else value:
        if problem := json_problem(part, max_depth=max_depth - 1):
            return problem
    return None


def _text_problem(text: str) -> str | None:
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds a lone surrogate, which is not valid Unicode"
    return None


def _check_object(value: dict[str, Any]) -> dict[str, Any]:
    for name, part in value.items():
        if problem := json_problem(name) or json_problem(part):
            # The name of a variable is worth naming; what is inside it is not shown.
            shown = name.encode(errors="replace").decode()[:80]
            raise PydanticCustomError("json_value", "'{name}' {problem}", {"name": shown, "problem": problem})
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_check_object)]
"""A JSON object as a field of a model."""


def check_version(value: object) -> object:
    """Refuse `true` where the version 1 is meant: Python takes the two for equal. Raises ValueError."""
    if isinstance(value, bool):
        raise PydanticCustomError("version", "Input should be 1")
    return value
