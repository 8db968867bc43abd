"""Checks the outputs of a code node against the declared output variables; pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from .jsonvalue import MAX_DEPTH
from .kinds import OutputType
from .spec import OutputSpec

_WORDS = {
    OutputType.STRING: "a string",
    OutputType.NUMBER: "a number",
    OutputType.INTEGER: "an integer",
    OutputType.BOOLEAN: "a boolean",
    OutputType.OBJECT: "an object",
}
_ELEMENTS = {
    OutputType.ARRAY_STRING: OutputType.STRING,
    OutputType.ARRAY_NUMBER: OutputType.NUMBER,
    OutputType.ARRAY_BOOLEAN: OutputType.BOOLEAN,
    OutputType.ARRAY_OBJECT: OutputType.OBJECT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLimits:
    """How large and how exact outputs may be. The defaults are generous; `dify()` is as Dify has it."""

    string_chars: int = 16 * 1024 * 1024
    """Longest string, in characters."""
    number_magnitude: float = float("inf")
    """Largest absolute value of a number."""
    number_digits: int = 4_000
    """Most significant digits of a number."""
    depth: int = MAX_DEPTH
    """Deepest nesting of objects and arrays inside one output."""
    array_items: int = 1_000_000
    """Most elements of an array of strings, booleans or objects."""
    number_items: int = 1_000_000
    """Most elements of an array of numbers."""
    strict: bool = True
    """Whether an output that is not declared is a problem, once any is declared."""
    bool_is_number: bool = False
    """Whether true and false may stand where a number is declared (Dify reads them as 1 and 0)."""

    @classmethod
    def dify(cls) -> Self:
        """Return the limits that a Dify installation has by default."""
        return cls(
            string_chars=400_000,
            number_magnitude=9223372036854775807,
            number_digits=20,
            depth=5,
            array_items=30,
            number_items=1000,
            bool_is_number=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputProblem:
    """The first way in which outputs differ from what was declared."""

    variable: str
    """Where, for example `result` or `users[3].name`."""
    message: str
    """What, in the words of the node's author; never the value itself."""


_DEFAULT = OutputLimits()


def check_outputs(
    declared: Mapping[str, OutputSpec], outputs: Mapping[str, object], limits: OutputLimits = _DEFAULT
) -> OutputProblem | None:
    """Return the first problem of `outputs`, or None. When nothing is declared, every object is right.

    A declared output must be there; it may be null. Null is refused as an element of array[number] only.
    """
    return _check_members(declared, outputs, limits, "", limits.depth) if declared else None


def _check_members(
    declared: Mapping[str, OutputSpec],
    values: Mapping[str, object],
    limits: OutputLimits,
    at: str,
    depth: int,
) -> OutputProblem | None:
    for name, spec in declared.items():
        path = f"{at}{name}"
        if name not in values:
            return _problem(path, f"is declared as {_describe(spec.type)}, but is missing")
        if problem := _check_value(spec, values[name], limits, path, depth):
            return problem
    if limits.strict and (extra := next((name for name in values if name not in declared), None)) is not None:
        return _problem(f"{at}{extra}", "was returned, but is not declared")
    return None


def _check_value(
    spec: OutputSpec, value: object, limits: OutputLimits, path: str, depth: int
) -> OutputProblem | None:
    if value is None:
        return None
    if not _is_a(spec.type, value, limits):
        return _problem(path, f"must be {_describe(spec.type)}, but is {_name_type(value)}")
    if isinstance(value, list):
        return _check_array(spec, value, limits, path, depth)
    if isinstance(value, dict):
        return _check_object(spec, value, limits, path, depth)
    return _check_scalar(value, limits, path)


def _check_array(
    spec: OutputSpec, value: list[object], limits: OutputLimits, path: str, depth: int
) -> OutputProblem | None:
    element = _ELEMENTS[spec.type]
    most = limits.number_items if element is OutputType.NUMBER else limits.array_items
    if len(value) > most:
        return _problem(path, f"has {len(value)} elements, but at most {most} are allowed")
    inner = OutputSpec.model_construct(type=element, children=spec.children)
    for index, part in enumerate(value):
        if part is None and element is OutputType.NUMBER:
            return _problem(f"{path}[{index}]", "must be a number, but is null")
        if problem := _check_value(inner, part, limits, f"{path}[{index}]", depth - 1):
            return problem
    return None


def _check_object(
    spec: OutputSpec, value: dict[str, object], limits: OutputLimits, path: str, depth: int
) -> OutputProblem | None:
    if spec.children is not None and depth > 0:
        return _check_members(spec.children, value, limits, f"{path}.", depth - 1)
    return _check_undeclared(value, limits, path, depth)


def _check_undeclared(value: object, limits: OutputLimits, path: str, depth: int) -> OutputProblem | None:
    if not isinstance(value, dict | list):
        return _check_scalar(value, limits, path)
    if depth <= 0:
        return _problem(path, f"is nested more than {limits.depth} levels deep")
    for part in value.values() if isinstance(value, dict) else value:
        if problem := _check_undeclared(part, limits, path, depth - 1):
            return problem
    return None


def _check_scalar(value: object, limits: OutputLimits, path: str) -> OutputProblem | None:
    if isinstance(value, str) and len(value) > limits.string_chars:
        return _problem(path, f"has {len(value)} characters, but at most {limits.string_chars} are allowed")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if abs(value) > limits.number_magnitude:
        return _problem(path, f"is a number beyond {limits.number_magnitude:g}")
    if len(Decimal(str(value)).as_tuple().digits) > limits.number_digits:
        return _problem(path, f"is a number of more than {limits.number_digits} digits")
    return None


def _is_a(wanted: OutputType, value: object, limits: OutputLimits) -> bool:
    if isinstance(value, bool):
        return wanted is OutputType.BOOLEAN or (wanted is OutputType.NUMBER and limits.bool_is_number)
    if isinstance(value, int):
        return wanted in (OutputType.NUMBER, OutputType.INTEGER)
    if isinstance(value, float):
        return wanted is OutputType.NUMBER
    if isinstance(value, str):
        return wanted is OutputType.STRING
    if isinstance(value, dict):
        return wanted is OutputType.OBJECT
    return isinstance(value, list) and wanted in _ELEMENTS


def _describe(wanted: OutputType) -> str:
    return _WORDS.get(wanted, f"an {wanted.value}")


def _name_type(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    for kind, words in ((int, "an integer"), (float, "a number"), (str, "a string"), (dict, "an object")):
        if isinstance(value, kind):
            return words
    return "an array" if isinstance(value, list) else f"a {type(value).__name__}"


def _problem(path: str, message: str) -> OutputProblem:
    return OutputProblem(variable=path, message=f"output '{path}' {message}")
