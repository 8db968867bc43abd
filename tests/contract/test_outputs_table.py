"""Outputs of any shape against any declaration and rules: the check agrees with a table."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from cellblock_producer.contract import (
    OUTPUT_RULES,
    OutputRules,
    OutputSpec,
    OutputType,
    check_outputs,
    convert_outputs,
)
from hypothesis import event, given, settings
from hypothesis import strategies as st

# What fits where; a bool fits a number by a rule.
FITS: Final = {
    ("string", str),
    ("number", int),
    ("number", float),
    ("integer", int),
    ("boolean", bool),
    ("object", dict),
    ("array[string]", list),
    ("array[number]", list),
    ("array[boolean]", list),
    ("array[object]", list),
}
WORDS: Final = {
    int: "an integer",
    float: "a number",
    str: "a string",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
NAMES: Final = st.sampled_from("abc")

SPECS: Final = st.recursive(
    st.sampled_from(OutputType).map(lambda wanted: OutputSpec(type=wanted)),
    lambda inner: st.builds(
        OutputSpec,
        type=st.sampled_from([OutputType.OBJECT, OutputType.ARRAY_OBJECT]),
        children=st.dictionaries(NAMES, inner, max_size=3),
    ),
    max_leaves=4,
)
SCALARS: Final = (
    st.none()
    | st.booleans()
    | st.integers(-30, 30)
    | st.sampled_from([0.5, -0.125, 1e-7, 2.5e-3, 20.0, -1e22])
    | st.text("xy", max_size=4)
)
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
SMALL: Final = st.integers(0, 4)
RULES: Final = st.sampled_from(list(OUTPUT_RULES.values())) | st.builds(
    OutputRules,
    string_length=SMALL,
    number_max=st.none() | st.integers(0, 30),
    number_decimals=st.none() | st.integers(0, 7),
    depth=st.integers(1, 4),
    string_array_length=SMALL,
    number_array_length=SMALL,
    boolean_array_length=SMALL,
    object_array_length=SMALL,
    allow_undeclared=st.booleans(),
    allow_missing=st.booleans(),
    allow_null=st.booleans(),
    null_elements=st.frozensets(st.sampled_from([kind for kind in OutputType if "[" in kind])),
    bool_as_number=st.booleans(),
)


def element_of(wanted: str) -> str:
    return wanted.removeprefix("array[").removesuffix("]")


def fitting(spec: OutputSpec) -> st.SearchStrategy[Any]:
    """Values that are mostly of the declared type."""
    children = {name: fitting(child) for name, child in (spec.children or {}).items()}
    plain: dict[str, st.SearchStrategy[Any]] = {
        "string": st.text("xy", max_size=4),
        "number": st.integers(-30, 30) | st.sampled_from([0.5, 1e-7, True]),
        "integer": st.integers(-30, 30),
        "boolean": st.booleans(),
        "object": st.fixed_dictionaries(children, optional={"d": VALUES}) if children else VALUES,
    }
    one = plain[element_of(spec.type)]
    return st.lists(one | st.none(), max_size=4) if "[" in spec.type else one


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, OutputSpec], dict[str, Any], OutputRules]:
    declared = draw(st.dictionaries(NAMES, SPECS, max_size=3))
    near = st.fixed_dictionaries({name: fitting(spec) for name, spec in declared.items()})
    outputs = draw(near | st.dictionaries(NAMES, VALUES, max_size=3))
    return declared, outputs, draw(RULES)


def article(wanted: str) -> str:
    return f"{'an' if wanted[0] in 'aio' else 'a'} {wanted}"


# The oracle. Unlike the check it goes on after the first problem, takes each value by itself, and counts
# levels from the types on the way to it. A place is a declared type, a value, and the types down to it.
Place = tuple[str | None, Any, tuple[type, ...]]


def level(place: Place) -> int:
    path = place[2]
    return path.count(dict) + list(pairwise(path)).count((list, list))


def digits(place: Place) -> int:
    return Decimal(place[1]).adjusted() + 1


def decimals(place: Place) -> int:
    exponent = Decimal(repr(place[1])).normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def length(wanted: str, rules: OutputRules) -> int:
    limit = getattr(rules, f"{element_of(wanted)}_array_length")
    assert isinstance(limit, int)
    return limit


# Where a row applies, what is compared with which limit, the size that is shown, and the words.
Row = tuple[
    Callable[[Place], bool],
    Callable[[Place], float],
    Callable[[Place, OutputRules], int | None],
    Callable[[Place], int],
    str,
]
LIMITS: Final[list[Row]] = [
    (
        lambda place: type(place[1]) is str,
        lambda place: len(place[1]),
        lambda _, rules: rules.string_length,
        lambda place: len(place[1]),
        "has {} characters, but at most {} are allowed",
    ),
    (
        lambda place: type(place[1]) in (int, float),
        lambda place: max(place[1], -place[1]),
        lambda _, rules: rules.number_max,
        digits,
        "is a number of {} digits, but must lie within ±{}",
    ),
    (
        lambda place: type(place[1]) is float,
        decimals,
        lambda _, rules: rules.number_decimals,
        decimals,
        "has {} digits after the decimal point, but at most {} are allowed",
    ),
    (
        lambda place: type(place[1]) in (dict, list),
        level,
        lambda _, rules: rules.depth,
        level,
        "is nested {} levels deep, but at most {} are allowed",
    ),
    (
        lambda place: type(place[1]) is list and place[0] is not None,
        lambda place: len(place[1]),
        lambda place, rules: length(str(place[0]), rules),
        lambda place: len(place[1]),
        "has {} elements, but at most {} are allowed",
    ),
]


def problems(declared: Mapping[str, OutputSpec], outputs: Mapping[str, Any], rules: OutputRules) -> set[str]:
    found = members(declared or None, outputs, rules, (dict,))
    return {f"output '{told.removeprefix('.')}" for told in found}


def members(
    declared: Mapping[str, OutputSpec] | None,
    values: Mapping[str, Any],
    rules: OutputRules,
    path: tuple[type, ...],
) -> Iterator[str]:
    known = declared or {}
    for name in known.keys() - values.keys():
        if not rules.allow_missing:
            yield f".{name}' is declared as {article(known[name].type)}, but is missing"
    for name, value in values.items():
        spec = known.get(name)
        if spec is None and declared is not None and not rules.allow_undeclared:
            yield f".{name}' is there, but is not declared"
            continue
        wanted, children = (str(spec.type), spec.children) if spec else (None, None)
        place = (wanted, value, (*path, type(value)))
        yield from (f".{name}{told}" for told in problems_of(place, children, rules, rules.allow_null))


def problems_of(
    place: Place, children: Mapping[str, OutputSpec] | None, rules: OutputRules, null_fits: bool
) -> Iterator[str]:
    wanted, value, path = place
    if wanted is not None and not fits(wanted, value, rules, null_fits):
        yield f"' must be {article(wanted)}, but is {WORDS[type(value)]}"
        return
    for applies, size, limit, shown, words in LIMITS:
        most = limit(place, rules) if applies(place) else None
        if most is not None and size(place) > most:
            yield f"' {words.format(shown(place), most)}"
    if type(value) is dict:
        yield from members(children, value, rules, path)
    if type(value) is list:
        element = element_of(wanted) if wanted else None
        for index, part in enumerate(value):
            inner = (element, part, (*path, type(part)))
            found = problems_of(inner, children, rules, wanted in rules.null_elements)
            yield from (f"[{index}]{told}" for told in found)


def fits(wanted: str, value: object, rules: OutputRules, null_fits: bool) -> bool:
    by_rule = (value is None and null_fits) or (
        rules.bool_as_number and (wanted, type(value)) == ("number", bool)
    )
    return by_rule or (wanted, type(value)) in FITS


@settings(max_examples=500, deadline=None)
@given(cases())
def test_the_check_finds_a_problem_of_the_table_exactly_where_there_is_one(
    case: tuple[dict[str, OutputSpec], dict[str, Any], OutputRules],
) -> None:
    declared, outputs, rules = case
    wanted = problems(declared, outputs, rules)
    found = check_outputs(declared, outputs, rules)
    event(found.message.rpartition("'")[2][:12] if found else "right")
    if found is None:
        assert wanted == set()
    else:
        assert found.message in wanted


@given(cases())
def test_outputs_that_were_right_stay_so_and_differ_in_booleans_only(
    case: tuple[dict[str, OutputSpec], dict[str, Any], OutputRules],
) -> None:
    declared, outputs, rules = case
    if check_outputs(declared, outputs, rules) is None:
        converted = convert_outputs(declared, outputs, rules)
        assert converted == outputs  # 1 == True
        assert check_outputs(declared, converted, rules) is None or rules.number_max == 0
