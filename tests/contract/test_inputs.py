"""Inputs against what an engine has declared of them, before it submits."""

import pytest
from cellblock_producer import InvalidJob, OutputRules, OutputSpec, check_inputs

DECLARED = {
    "count": OutputSpec.model_validate({"type": "integer"}),
    "users": OutputSpec.model_validate({"type": "array[object]", "children": {"name": {"type": "string"}}}),
}
RIGHT = {"count": 1, "users": [{"name": "a"}]}
SECRET = "nobody should read this"


def test_inputs_that_are_as_declared_pass() -> None:
    check_inputs(DECLARED, RIGHT)
    check_inputs(DECLARED, RIGHT | {"count": None})
    check_inputs({}, {"anything": [1, {"at": "all"}]})


def test_declarations_may_be_mappings_as_those_of_a_job() -> None:
    check_inputs({"count": {"type": "number"}}, {"count": 1})
    with pytest.raises(InvalidJob, match="input 'count' must be a number, but is a string"):
        check_inputs({"count": {"type": "number"}}, {"count": "1"})
    with pytest.raises(InvalidJob, match=r"declared: count\.type: Input should be"):
        check_inputs({"count": {"type": "num"}}, {"count": 1})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": SECRET}, "input 'count' must be an integer, but is a string"),
        ({"count": 1.5}, "input 'count' must be an integer, but is a number"),
        ({"users": [{"name": 1}]}, r"input 'users\[0\].name' must be a string, but is an integer"),
        ({"users": [{}]}, r"input 'users\[0\].name' is declared as a string, but is missing"),
        ({"users": "a"}, r"input 'users' must be an array\[object\], but is a string"),
        ({SECRET: 1}, f"input '{SECRET}' is there, but is not declared"),
    ],
)
def test_the_first_problem_names_the_variable_and_both_types(change: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidJob, match=words) as invalid:
        check_inputs(DECLARED, RIGHT | change)
    assert SECRET not in str(invalid.value) or SECRET in change


def test_a_missing_input_and_limits() -> None:
    with pytest.raises(InvalidJob, match="input 'users' is declared as an array"):
        check_inputs(DECLARED, {"count": 1})
    with pytest.raises(InvalidJob, match="has 3 characters, but at most 2 are allowed"):
        check_inputs({}, {"a": "xyz"}, OutputRules(string_length=2))
