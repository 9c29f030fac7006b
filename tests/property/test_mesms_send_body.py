"""The streaming reader of ME-SMS sends agrees with json.loads, however its input is cut."""

import json
import math
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.sms_text import is_storable
from protocols.mesms.contract import InvalidParameters
from protocols.mesms.send_body import ARRAY_KEY, MAX_NUMBER_LENGTH, SendBody, parse_small

KEYS = st.sampled_from(["msisdns", "content", "variables", 'a"b', "a\\", "[", ""]) | st.text(
    max_size=5
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10) | st.just('"msisdns":["1"]'),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(KEYS, children, max_size=4),
    max_leaves=10,
)  # fmt: skip
NUMBERS = st.lists(
    st.sampled_from(["66812345678", "0812345678", '","', "]", "\\"]) | st.text(max_size=8),
    max_size=12,
)
OBJECTS = st.builds(
    lambda fields, numbers, at: dict(
        [*list(fields.items())[:at], (ARRAY_KEY, numbers), *list(fields.items())[at:]]
    ),
    st.dictionaries(KEYS.filter(lambda key: key != ARRAY_KEY), VALUES, max_size=4),
    NUMBERS | VALUES,
    st.integers(0, 4),
)
LAYOUTS = st.sampled_from(
    [{}, {"indent": 1}, {"separators": (",", ":")}, {"separators": (" , ", " : ")}]
)


class Twice(ValueError):
    """A name stands twice."""


def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise Twice
    return dict(pairs)


def finite(digits: str) -> float:
    if math.isinf(float(digits)):
        raise ValueError(digits)
    return float(digits)


def refuse(name: str) -> object:
    raise ValueError(name)


def expected(body: bytes) -> tuple[dict[str, Any], list[str]] | None:
    """What json.loads makes of the whole body; None when that is no request."""
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=no_twins, parse_float=finite, parse_constant=refuse
        )
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    numbers = value.get(ARRAY_KEY)
    if not isinstance(numbers, list):
        return value, []
    if not all(isinstance(n, str) and is_storable(n) for n in numbers):
        return None
    if any(len(n) > MAX_NUMBER_LENGTH for n in numbers):
        return None
    return value | {ARRAY_KEY: []}, numbers


def read(body: bytes, cuts: list[int]) -> tuple[dict[str, Any], list[str]] | None:
    """What the reader makes of it, cut into slices."""
    reader, numbers, start = SendBody(), [], 0
    try:
        for end in [*sorted(cuts), len(body)]:
            for some in reader.feed(body[start:end]):
                numbers += some
            start = max(start, end)
        return reader.finish(), numbers
    except InvalidParameters:
        return None


def read_small(body: bytes) -> tuple[dict[str, Any], list[str]] | None:
    """What is made of it when it came at once."""
    try:
        return parse_small(body)
    except InvalidParameters:
        return None


CUTS = st.lists(st.integers(0, 400), max_size=8)


@given(OBJECTS, LAYOUTS, st.booleans(), CUTS)
def test_any_object_in_any_slices(
    value: dict[str, Any], layout: dict[str, Any], ensure_ascii: bool, cuts: list[int]
) -> None:
    text = json.dumps(value, ensure_ascii=ensure_ascii, **layout)
    body = text.encode("utf-8", "surrogatepass")
    assert read(body, cuts) == read_small(body) == expected(body)


@given(OBJECTS, st.integers(0, 300), st.binary(max_size=3), st.integers(0, 3), CUTS)
def test_any_object_with_some_octets_changed(
    value: dict[str, Any], at: int, octets: bytes, removed: int, cuts: list[int]
) -> None:
    body = json.dumps(value).encode()
    body = body[:at] + octets + body[at + removed :]
    assert read(body, cuts) == read_small(body) == expected(body)


TOKENS = st.sampled_from(
    [b"{", b"}", b"[", b"]", b",", b":", b'"', b'"msisdns"', b'"msisdns":[', b'"1"', b"1", b" ",
     b"\\", b"\\u006d", b"null", b'"a":', b"\xff", "ส".encode()]
)  # fmt: skip


@given(st.lists(TOKENS, max_size=20).map(b"".join), CUTS)
@example(b'{"msisdns":["1"],"msisdns":["1"]}', [])
@example(b'{"msisdns":["\\', [12])
@example(b'{"a":"\\"msisdns":["1"]}', [])
def test_any_row_of_tokens(body: bytes, cuts: list[int]) -> None:
    assert read(body, cuts) == read_small(body) == expected(body)
