"""The parser of answers: strict, never slow, and never raising anything but InvalidAnswer."""

import json
from typing import Any

import pytest
from cellblock_sandbox import Verdict
from cellblock_sandbox.answer import MAX_DEPTH, InvalidAnswer, parse_answer, parse_object
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=30,
)
# What an attacker would put together: parts of JSON, in any order.
PARTS = st.lists(
    st.sampled_from(
        [b'"', b"\\", b"[", b"]", b"{", b"}", b":", b",", b"\\u", b"d800", b"1e9", b"-", b"NaN", b" "]
    )
    | st.binary(max_size=3),
    max_size=60,
).map(b"".join)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "outputs": JSON,
        "exit_code": JSON,
        "error": JSON
        | st.fixed_dictionaries(
            {"kind": st.sampled_from([*map(str, Verdict)]) | JSON},
            optional={"message": JSON, "type": JSON, "line": JSON, "traceback": JSON},
        ),
    },
)


@given(st.dictionaries(TEXT, JSON, max_size=5), st.booleans())
def test_any_json_comes_back_as_it_was(outputs: dict[str, Any], ascii_only: bool) -> None:
    answer = parse_answer(json.dumps({"outputs": outputs}, ensure_ascii=ascii_only).encode())
    assert answer.outputs == outputs
    assert (answer.verdict, answer.fault, answer.exit_code) == (Verdict.SUCCEEDED, None, None)


@given(st.binary(max_size=100) | PARTS | FIELDS.map(lambda fields: json.dumps(fields).encode()))
def test_nothing_but_invalid_answer_is_raised(body: bytes) -> None:
    try:
        answer = parse_answer(body)
    except InvalidAnswer:
        return
    assert answer.exit_code is None or 0 <= answer.exit_code < 256
    assert (answer.fault is None) == (answer.verdict is Verdict.SUCCEEDED)


@given(st.integers(1, 200), st.sampled_from(["[]", '{"a":}']))
def test_depth_is_bounded(depth: int, pair: str) -> None:
    half = len(pair) - 1
    body = '{"a":' + pair[:half] * depth + "1" + pair[half:] * depth + "}"
    if depth <= MAX_DEPTH:
        assert parse_object(body.encode()) == json.loads(body)
    else:
        with pytest.raises(InvalidAnswer, match="levels deep"):
            parse_object(body.encode())


@given(TEXT)
def test_brackets_in_strings_do_not_count(text: str) -> None:
    body = {"a": text + "[" * 1000 + '"' + "{" * 1000 + "\\"}
    assert parse_object(json.dumps(body).encode()) == body


def test_many_of_them_are_no_values() -> None:
    body = {"a": ["{[," * 1_000_000], "b": [1] * 1_900_000}
    assert parse_object(json.dumps(body).encode()) == body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "nested more than"),  # what never closes counts as deep: it is looked at as no JSON yet
        (b"{}x", "not JSON"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"{}", "holds no outputs"),
        (b'{"outputs": []}', "holds no outputs"),
        (b'{"outputs": {}, "exit_code": "0"}', "exit code"),
        (b'{"outputs": {}, "exit_code": true}', "exit code"),
        (b'{"outputs": {}, "exit_code": 1.0}', "exit code"),
        (b'{"outputs": {}, "exit_code": -1}', "exit code"),
        (b'{"outputs": {}, "exit_code": 256}', "exit code"),
        (b'{"outputs": {"a": NaN}}', "NaN, which is not JSON"),
        (b'{"outputs": {"a": -Infinity}}', "-Infinity, which is not JSON"),
        (b'{"outputs": {"a": 1e400}}', "too large"),
        (b'{"outputs": {"a": -1e400}}', "too large"),
        (b'{"outputs": {"a": ' + b"9" * 5000 + b"}}", "not JSON"),
        (b'{"outputs": {"a": 1, "a": 1}}', "the key 'a' twice"),
        (b'{"outputs": {"a": "\\ud800"}}', "lone surrogate"),
        (b'{"outputs": {"\\udc00": 1}}', "lone surrogate"),
        (b'{"outputs": {"a": "\xed\xa0\x80"}}', "not valid Unicode"),
        (b'{"outputs": {"a": "\xff"}}', "not valid Unicode"),
        (b'{"outputs": {"a": [' + b"{}," * 700_000 + b"1]}}", "more than 2,000,000 values"),
        (b'{"error": null}', "none of a cell's"),
        (b'{"error": {}}', "none of a cell's"),
        (b'{"error": {"kind": []}}', "none of a cell's"),
        (b'{"error": {"kind": "timeout"}}', "none of a cell's"),
        (b'{"error": {"kind": "succeeded"}}', "none of a cell's"),
        (b'{"error": {"kind": "crashed"}}', "none of a cell's"),
    ],
)
def test_refuses(body: bytes, message: str) -> None:
    with pytest.raises(InvalidAnswer, match=message):
        parse_answer(body)


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


# Each of these took time with the square of its length once; a minute and more at this length.
@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + b'\\"' * 500_000,
        b'{"outputs":{' + b",".join(b'"%d":1' % i for i in range(100_000)) + b',"99999":1}}',
        b'{"a":' + b"[" * 1_000_000,
        b'{"a":' + b"[]" * 500_000,
        b'"' * 1_000_001,
        b'{"a":"' + b"\\" * 1_000_001,
    ],
    ids=["string without end", "key twice", "brackets", "pairs", "quotes", "backslashes"],
)
def test_a_hostile_answer_is_refused_fast(body: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        parse_answer(body)


def test_a_fault_is_cut_to_bounds() -> None:
    body = {"kind": "code_error", "type": "T" * 999, "message": "m" * 9999, "line": True, "traceback": 3}
    told = parse_answer(json.dumps({"error": body, "exit_code": 1}).encode()).fault
    assert told is not None
    assert (len(told.type), len(told.message), told.line, told.traceback) == (200, 4000, None, "")
