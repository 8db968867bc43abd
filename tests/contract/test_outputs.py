"""Outputs against declared output variables."""

from typing import Any

import pytest
from cellblock_producer.contract import OutputLimits, OutputSpec, OutputType, check_outputs

VALUES: dict[str, Any] = {
    "string": "x",
    "number": 1.5,
    "integer": 2,
    "boolean": True,
    "object": {"a": 1},
    "array[string]": ["x"],
    "array[number]": [1, 2.5],
    "array[boolean]": [False],
    "array[object]": [{"a": 1}],
}
DIFY = OutputLimits.dify()


def declare(**types: str) -> dict[str, OutputSpec]:
    return {name: OutputSpec(type=OutputType(kind)) for name, kind in types.items()}


def words(spec: dict[str, OutputSpec], outputs: dict[str, Any], limits: OutputLimits | None = None) -> str:
    problem = check_outputs(spec, outputs, limits or OutputLimits())
    return problem.message if problem else ""


@pytest.mark.parametrize("wanted", OutputType)
@pytest.mark.parametrize("given", VALUES)
def test_a_value_passes_as_its_own_type_only(wanted: str, given: str) -> None:
    fits = wanted == given or (wanted, given) == ("number", "integer")
    assert (check_outputs(declare(r=wanted), {"r": VALUES[given]}) is None) == fits


@pytest.mark.parametrize(
    ("wanted", "value", "message"),
    [
        ("number", "1", "output 'r' must be a number, but is a string"),
        ("number", True, "output 'r' must be a number, but is a boolean"),
        ("integer", 1.0, "output 'r' must be an integer, but is a number"),
        ("string", 1, "output 'r' must be a string, but is an integer"),
        ("boolean", 0, "output 'r' must be a boolean, but is an integer"),
        ("object", [], "output 'r' must be an object, but is an array"),
        ("array[string]", {}, "output 'r' must be an array[string], but is an object"),
        ("array[string]", ["a", 1], "output 'r[1]' must be a string, but is an integer"),
        ("array[number]", [1, None], "output 'r[1]' must be a number, but is null"),
        ("array[object]", [[]], "output 'r[0]' must be an object, but is an array"),
    ],
)
def test_the_message_names_the_variable_and_both_types(wanted: str, value: object, message: str) -> None:
    assert words(declare(r=wanted), {"r": value}) == message


@pytest.mark.parametrize("wanted", OutputType)
def test_null_passes_but_a_missing_output_does_not(wanted: str) -> None:
    assert words(declare(r=wanted), {"r": None}) == ""
    assert "'r' is declared as" in words(declare(r=wanted), {})


@pytest.mark.parametrize("wanted", ["array[string]", "array[boolean]", "array[object]"])
def test_null_passes_as_an_element_of_most_arrays(wanted: str) -> None:
    assert words(declare(r=wanted), {"r": [None]}) == ""


def test_undeclared_outputs_are_free_only_when_nothing_is_declared() -> None:
    assert words({}, {"extra": object()}) == ""
    assert words(declare(r="string"), {"r": "", "extra": 1}) == (
        "output 'extra' was returned, but is not declared"
    )
    assert words(declare(r="string"), {"r": "", "extra": 1}, OutputLimits(strict=False)) == ""


def test_children_are_checked_inside_objects_and_arrays_of_objects() -> None:
    child = {"n": OutputSpec(type=OutputType.NUMBER)}
    spec = {
        "o": OutputSpec(type=OutputType.OBJECT, children=child),
        "a": OutputSpec(type=OutputType.ARRAY_OBJECT, children=child),
    }
    assert words(spec, {"o": {"n": 1}, "a": [{"n": 1}, None]}) == ""
    assert words(spec, {"o": {"n": "1"}, "a": []}) == "output 'o.n' must be a number, but is a string"
    assert words(spec, {"o": {}, "a": []}) == "output 'o.n' is declared as a number, but is missing"
    assert words(spec, {"o": {"n": 1}, "a": [{"n": 1}, {"n": ""}]}) == (
        "output 'a[1].n' must be a number, but is a string"
    )
    assert words(spec, {"o": {"n": 1, "m": 1}, "a": []}) == "output 'o.m' was returned, but is not declared"


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ("string", "x" * 400_000),
        ("number", 9223372036854775807),
        ("number", 0.1234567890123456),
        ("number", True),
        ("array[string]", ["x"] * 30),
        ("array[number]", [1] * 1000),
        ("object", {"a": {"b": {"c": {"d": {"e": 1}}}}}),
    ],
)
def test_dify_limits_let_pass_what_dify_lets_pass(wanted: str, value: object) -> None:
    assert words(declare(r=wanted), {"r": value}, DIFY) == ""


@pytest.mark.parametrize(
    ("wanted", "value", "part"),
    [
        ("string", "x" * 400_001, "400001 characters"),
        ("object", {"a": "x" * 400_001}, "400001 characters"),
        ("number", 9223372036854775808 * 4, "beyond"),
        ("array[string]", ["x"] * 31, "31 elements, but at most 30"),
        ("array[object]", [{}] * 31, "31 elements"),
        ("array[boolean]", [True] * 31, "31 elements"),
        ("array[number]", [1] * 1001, "1001 elements, but at most 1000"),
        ("object", {"a": {"b": {"c": {"d": {"e": {}}}}}}, "nested more than 5 levels"),
    ],
)
def test_dify_limits_refuse_what_dify_refuses_and_the_defaults_do_not(
    wanted: str, value: object, part: str
) -> None:
    assert part in words(declare(r=wanted), {"r": value}, DIFY)
    assert words(declare(r=wanted), {"r": value}) == ""


def test_a_number_of_too_many_digits_is_refused() -> None:
    assert "more than 5 digits" in words(declare(r="number"), {"r": 1.23456}, OutputLimits(number_digits=5))
