"""Checks the outputs of a code node against the declared output variables; pure functions."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from .kinds import OutputType
from .rules import OUTPUT_RULES, OutputRules
from .spec import OutputSpec

_WORDS: Final = {
    OutputType.STRING: "a string",
    OutputType.NUMBER: "a number",
    OutputType.INTEGER: "an integer",
    OutputType.BOOLEAN: "a boolean",
    OutputType.OBJECT: "an object",
}
_ELEMENTS: Final = {
    OutputType.ARRAY_STRING: OutputType.STRING,
    OutputType.ARRAY_NUMBER: OutputType.NUMBER,
    OutputType.ARRAY_BOOLEAN: OutputType.BOOLEAN,
    OutputType.ARRAY_OBJECT: OutputType.OBJECT,
}
_NUMBERS: Final = (int, float)
_LONGEST_NAME: Final = 255
_PLAIN_NAME: Final = re.compile(r"[\w -]+")

_Children = Mapping[str, OutputSpec] | None
_Found = tuple[str, str] | None  # the path from here to the problem, and the message


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputProblem:
    """The first way in which outputs differ from what was declared."""

    variable: str
    """Where, for example `result` or `users[3].name`."""
    message: str
    """What, in the words of the node's author; never the value itself."""


def check_outputs(
    declared: Mapping[str, OutputSpec],
    outputs: Mapping[str, object],
    rules: OutputRules = OUTPUT_RULES["default"],
) -> OutputProblem | None:
    """Return the first problem of `outputs`, or None. Where nothing is declared, only limits are checked."""
    found = find_problem(declared, outputs, rules)
    if found is None:
        return None
    path, message = found
    return OutputProblem(variable=path, message=f"output '{path}' {message}")


def find_problem(
    declared: Mapping[str, OutputSpec], values: Mapping[str, object], rules: OutputRules
) -> tuple[str, str] | None:
    """Return the path to the first problem, and what follows a variable's name to say it; or None."""
    found = _check_object(declared or None, values, rules, 1)
    return None if found is None else (found[0].removeprefix("."), found[1])


def convert_outputs(
    declared: Mapping[str, OutputSpec], outputs: Mapping[str, object], rules: OutputRules
) -> Mapping[str, object]:
    """Return `outputs`, which `check_outputs` found right, as the engine gets them.

    They differ where a boolean stands for a number: it becomes 1 or 0.
    """
    return _convert_members(declared, outputs) if rules.bool_as_number else outputs


def _check_object(children: _Children, value: Mapping[str, object], rules: OutputRules, level: int) -> _Found:
    """`level` is its own: that of the answer is 1."""
    if level > rules.depth:
        return _too_deep(level, rules)
    if children is None:
        return _check_free_members(value, rules, level)
    for name, spec in children.items():
        found = _check_child(name, spec, value, rules, level)
        if found:
            return _inside(name, found)
    extra = {name: part for name, part in value.items() if name not in children}
    if extra and not rules.allow_undeclared:
        return _inside(next(iter(extra)), ("", "is there, but is not declared"))
    return _check_free_members(extra, rules, level)


def _check_child(
    name: str, spec: OutputSpec, values: Mapping[str, object], rules: OutputRules, level: int
) -> _Found:
    if name not in values:
        message = f"is declared as {_describe(spec.type)}, but is missing"
        return None if rules.allow_missing else ("", message)
    value = values[name]
    if value is None and rules.allow_null:
        return None
    if isinstance(value, list) and spec.type in _ELEMENTS:
        return _check_array(spec, value, rules, level)
    return _check_typed(spec.type, spec.children, value, rules, level)


def _check_array(spec: OutputSpec, value: list[object], rules: OutputRules, level: int) -> _Found:
    most = rules.array_length(spec.type)
    if len(value) > most:
        return "", f"has {len(value)} elements, but at most {most} are allowed"
    element = _ELEMENTS[spec.type]
    null_fits = spec.type in rules.null_elements
    for index, part in enumerate(value):
        if part is None and null_fits:
            continue
        found = _check_typed(element, spec.children, part, rules, level)
        if found:
            return _inside(index, found)
    return None


def _check_typed(
    wanted: OutputType, children: _Children, value: object, rules: OutputRules, level: int
) -> _Found:
    """`level` is that of the object around the value. No value here is an array of the type wanted."""
    if not _is_a(wanted, value, rules):
        return "", f"must be {_describe(wanted)}, but is {_name_type(value)}"
    if isinstance(value, dict):
        return _check_object(children, value, rules, level + 1)
    return _check_scalar(value, rules)


def _check_free_members(members: Mapping[str, object], rules: OutputRules, level: int) -> _Found:
    for name, part in members.items():
        found = _check_free(part, rules, level)
        if found:
            return _inside(name, found)
    return None


def _check_free(value: object, rules: OutputRules, level: int) -> _Found:
    """Check a value of which nothing is declared; `level` is that of the object around it."""
    if isinstance(value, dict):
        return _check_object(None, value, rules, level + 1)
    if not isinstance(value, list):
        return _check_scalar(value, rules)
    if level > rules.depth:
        return _too_deep(level, rules)
    for index, part in enumerate(value):
        found = _check_free(part, rules, level + 1 if isinstance(part, list) else level)
        if found:
            return _inside(index, found)
    return None


def _check_scalar(value: object, rules: OutputRules) -> _Found:
    if isinstance(value, str):
        if len(value) > rules.string_length:
            return "", f"has {len(value)} characters, but at most {rules.string_length} are allowed"
    elif isinstance(value, _NUMBERS) and not isinstance(value, bool):
        return _check_number(value, rules)
    return None


def _check_number(value: int | float, rules: OutputRules) -> _Found:
    if rules.number_max is not None and abs(value) > rules.number_max:
        digits = Decimal(value).adjusted() + 1
        return "", f"is a number of {digits} digits, but must lie within ±{rules.number_max}"
    if rules.number_decimals is not None and isinstance(value, float):
        decimals = _count_decimals(value)
        if decimals > rules.number_decimals:
            allowed = f"at most {rules.number_decimals} are allowed"
            return "", f"has {decimals} digits after the decimal point, but {allowed}"
    return None


def _count_decimals(value: float) -> int:
    digits, _, exponent = repr(value).partition("e")
    return max(0, len(digits.partition(".")[2].rstrip("0")) - int(exponent or 0))


def _too_deep(level: int, rules: OutputRules) -> _Found:
    return "", f"is nested {level} levels deep, but at most {rules.depth} are allowed"


def _is_a(wanted: OutputType, value: object, rules: OutputRules) -> bool:
    if isinstance(value, bool):
        return wanted is OutputType.BOOLEAN or (wanted is OutputType.NUMBER and rules.bool_as_number)
    if isinstance(value, int):
        return wanted in (OutputType.NUMBER, OutputType.INTEGER)
    if isinstance(value, float):
        return wanted is OutputType.NUMBER
    if isinstance(value, str):
        return wanted is OutputType.STRING
    return isinstance(value, dict) and wanted is OutputType.OBJECT


def _describe(wanted: OutputType) -> str:
    return _WORDS.get(wanted, f"an {wanted.value}")


def _name_type(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    for kind, words in ((int, "an integer"), (float, "a number"), (str, "a string"), (dict, "an object")):
        if isinstance(value, kind):
            return words
    return "an array" if isinstance(value, list) else f"a {type(value).__name__}"


def _inside(step: str | int, found: tuple[str, str]) -> tuple[str, str]:
    """The problem as seen from one level further out."""
    path, message = found
    return f"{_show(step)}{path}", message


def _show(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if len(step) > _LONGEST_NAME:
        step = f"{step[:_LONGEST_NAME]}..."
    # Names that are not declared are the code's to choose, and may hold anything.
    return f".{step}" if _PLAIN_NAME.fullmatch(step) else f"[{json.dumps(step)}]"


def _convert_members(declared: Mapping[str, OutputSpec], values: Mapping[str, object]) -> dict[str, object]:
    return {
        name: _convert(declared[name], value) if name in declared else value for name, value in values.items()
    }


def _convert(spec: OutputSpec, value: object) -> object:
    if isinstance(value, list):
        inner = OutputSpec.model_construct(type=_ELEMENTS[spec.type], children=spec.children)
        return [_convert(inner, part) for part in value]
    if spec.type is OutputType.NUMBER and isinstance(value, bool):
        return int(value)
    if spec.children is not None and isinstance(value, dict):
        return _convert_members(spec.children, value)
    return value
