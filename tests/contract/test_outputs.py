"""Outputs against declared output variables."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cellblock_producer.contract import (
    OUTPUT_RULES,
    OutputRules,
    OutputSpec,
    OutputType,
    check_outputs,
    convert_outputs,
)

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
DIFY = OUTPUT_RULES["dify"]


def declare(**types: str) -> dict[str, OutputSpec]:
    return {name: OutputSpec(type=OutputType(kind)) for name, kind in types.items()}


def words(spec: dict[str, OutputSpec], outputs: dict[str, Any], rules: OutputRules | None = None) -> str:
    problem = check_outputs(spec, outputs, rules or OutputRules())
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
        "output 'extra' is there, but is not declared"
    )
    assert words(declare(r="string"), {"r": "", "extra": 1}, OutputRules(allow_undeclared=True)) == ""


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
    assert words(spec, {"o": {"n": 1, "m": 1}, "a": []}) == "output 'o.m' is there, but is not declared"


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ("string", "x" * 400_000),
        ("number", 9223372036854775807),
        ("number", 0.1234567890123456),
        ("number", True),
        ("array[string]", ["x"] * 30),
        ("array[number]", [1] * 1000),
        ("number", -9223372036854775807),
        ("number", 1e-20),
        ("array[boolean]", [True] * 31),
        ("array[number]", [1, False]),
        ("object", {"a": {"b": {"c": {"d": 1}}}}),
        ("object", {"a": {"b": {"c": [[], [1]]}}}),
        ("array[object]", [{"a": [{"b": [{"c": [1]}]}]}]),
    ],
)
def test_dify_limits_let_pass_what_dify_lets_pass(wanted: str, value: object) -> None:
    assert words(declare(r=wanted), {"r": value}, DIFY) == ""


@pytest.mark.parametrize(
    ("wanted", "value", "message"),
    [
        ("string", "x" * 400_001, "output 'r' has 400001 characters, but at most 400000 are allowed"),
        ("array[string]", ["", "x" * 400_001], "output 'r[1]' has 400001 characters, but at most 400000 "),
        ("object", {"a": ["x" * 400_001]}, "output 'r.a[0]' has 400001 characters, but at most 400000 "),
        ("number", 10**19, "output 'r' is a number of 20 digits, but must lie within ±9223372036854775807"),
        ("number", -(2**63), "output 'r' is a number of 19 digits, but must lie within ±9223372036854775807"),
        ("number", 1e300, "output 'r' is a number of 301 digits, but must lie within ±9223372036854775807"),
        ("number", 1.5e-20, "output 'r' has 21 digits after the decimal point, but at most 20 are allowed"),
        ("array[string]", ["x"] * 31, "output 'r' has 31 elements, but at most 30 are allowed"),
        ("array[object]", [{}] * 31, "output 'r' has 31 elements, but at most 30 are allowed"),
        ("array[number]", [1] * 1001, "output 'r' has 1001 elements, but at most 1000 are allowed"),
        (
            "object",
            {"a": {"b": {"c": {"d": {}}}}},
            "output 'r.a.b.c.d' is nested 6 levels deep, but at most 5 are allowed",
        ),
        (
            "array[object]",
            [{"a": {"b": {"c": [[[]]]}}}],
            "output 'r[0].a.b.c[0][0]' is nested 6 levels deep, but at most 5 are allowed",
        ),
    ],
)
def test_dify_limits_refuse_what_dify_refuses_and_the_defaults_do_not(
    wanted: str, value: object, message: str
) -> None:
    assert words(declare(r=wanted), {"r": value}, DIFY).startswith(message)
    assert words(declare(r=wanted), {"r": value}) == ""


@pytest.mark.parametrize("array", ["string", "number", "boolean", "object"])
def test_each_array_has_a_length_of_its_own(array: str) -> None:
    length: dict[str, Any] = {f"{array}_array_length": 1}
    rules = OutputRules(**length)
    for wanted in ("array[string]", "array[number]", "array[boolean]", "array[object]"):
        told = words(declare(r=wanted), {"r": VALUES[wanted] * 2}, rules)
        assert bool(told) == (wanted == f"array[{array}]"), told


def test_limits_hold_where_nothing_is_declared() -> None:
    rules = OutputRules(string_length=2, number_max=9, number_decimals=1, depth=2)
    assert words({}, {"a": "xx", "b": 9, "c": 0.5, "d": {"e": True, "f": [None]}}, rules) == ""
    assert words({}, {"a": ["xxx"]}, rules) == "output 'a[0]' has 3 characters, but at most 2 are allowed"
    assert words({}, {"a": -10}, rules) == "output 'a' is a number of 2 digits, but must lie within ±9"
    assert "2 digits after the decimal point" in words({}, {"a": 0.25}, rules)
    assert (
        words({}, {"a": {"b": {}}}, rules)
        == "output 'a.b' is nested 3 levels deep, but at most 2 are allowed"
    )


def test_a_whole_number_has_no_decimals_however_it_is_written() -> None:
    assert words(declare(r="number"), {"r": 2.0}, OutputRules(number_decimals=0)) == ""


def test_limits_hold_for_undeclared_outputs_that_are_kept() -> None:
    rules = OutputRules(string_length=2, allow_undeclared=True)
    assert words(declare(r="number"), {"r": 1, "s": "xx"}, rules) == ""
    assert words(declare(r="number"), {"r": 1, "s": "xxx"}, rules).startswith("output 's' has 3 characters")


def test_outputs_may_be_left_out_and_null_refused_by_other_rules() -> None:
    assert words(declare(r="string"), {}, OutputRules(allow_missing=True)) == ""
    rules = OutputRules(allow_null=False)
    assert words(declare(r="string"), {"r": None}, rules) == "output 'r' must be a string, but is null"
    assert words(declare(r="array[number]"), {"r": None}, rules) == (
        "output 'r' must be an array[number], but is null"
    )
    rules = OutputRules(null_elements=frozenset({OutputType.ARRAY_NUMBER}))
    assert words(declare(r="array[number]"), {"r": [None]}, rules) == ""
    assert words(declare(r="array[object]"), {"r": [None]}, rules) == (
        "output 'r[0]' must be an object, but is null"
    )


def test_paths_name_every_step() -> None:
    item = {"name": OutputSpec(type=OutputType.STRING)}
    items = OutputSpec(type=OutputType.ARRAY_OBJECT, children=item)
    spec = {"result": OutputSpec(type=OutputType.OBJECT, children={"items": items})}
    problem = check_outputs(spec, {"result": {"items": [*[{"name": ""}] * 3, {"name": 1}]}})
    assert problem is not None
    assert problem.variable == "result.items[3].name"
    assert problem.message == "output 'result.items[3].name' must be a string, but is an integer"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("two words", "two words"),
        ("größe", "größe"),
        ("a.b", '["a.b"]'),
        ("a\nb", '["a\\nb"]'),
        ("", '[""]'),
        ("x" * 256, f'["{"x" * 255}..."]'),
    ],
)
def test_names_that_the_code_chose_are_shown_harmlessly(name: str, shown: str) -> None:
    assert words(declare(r="string"), {"r": "", name: 1}) == (
        f"output '{shown}' is there, but is not declared"
    )


def test_booleans_become_numbers_where_a_number_is_declared_and_the_rules_say_so() -> None:
    child = {"n": OutputSpec(type=OutputType.NUMBER), "b": OutputSpec(type=OutputType.BOOLEAN)}
    spec = {
        **declare(n="number", a="array[number]", b="boolean", free="object", null="number"),
        "o": OutputSpec(type=OutputType.OBJECT, children=child),
        "l": OutputSpec(type=OutputType.ARRAY_OBJECT, children=child),
    }
    member = {"n": False, "b": False}
    outputs = {
        "n": True,
        "a": [True, 2],
        "b": True,
        "free": {"x": True},
        "null": None,
        "o": member,
        "l": [member, None],
        "more": True,
    }
    rules = replace(DIFY, allow_undeclared=True)
    assert check_outputs(spec, outputs, rules) is None
    assert json.dumps(convert_outputs(spec, outputs, rules)) == json.dumps(
        {
            "n": 1,
            "a": [1, 2],
            "b": True,
            "free": {"x": True},
            "null": None,
            "o": {"n": 0, "b": False},
            "l": [{"n": 0, "b": False}, None],
            "more": True,
        }
    )
    assert convert_outputs(spec, outputs, OutputRules()) is outputs
    assert words(declare(r="integer"), {"r": True}, DIFY) == "output 'r' must be an integer, but is a boolean"
