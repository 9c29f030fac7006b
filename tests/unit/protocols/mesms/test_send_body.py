import json

import pytest

from protocols.mesms import send_body
from protocols.mesms.contract import InvalidParameters
from protocols.mesms.send_body import (
    MAX_MARKS,
    MAX_NUMBER_LENGTH,
    MAX_REST_OCTETS,
    MOST_TOGETHER,
    SendBody,
    parse_small,
)


def read(body: bytes, size: int = 1 << 20) -> tuple[dict[str, object], list[str]]:
    """Fields and numbers of `body`, fed in slices of `size` octets."""
    reader = SendBody()
    numbers: list[str] = []
    for start in range(0, len(body), size):
        for some in reader.feed(body[start : start + size]):
            assert 0 < len(some) <= MOST_TOGETHER
            numbers += some
    assert reader.number_count == len(numbers)
    return reader.finish(), numbers


def refusal_of(body: bytes, size: int = 1 << 20) -> str:
    with pytest.raises(InvalidParameters) as caught:
        read(body, size)
    return str(caught.value)


BODY = {"sender": "MYBRAND", "content": "Hi", "msisdns": ["66812345678", "0898765432"]}
SPELLINGS = [
    json.dumps(BODY).encode(),
    json.dumps(BODY, indent=2).encode(),
    json.dumps(BODY, separators=(",", ":")).encode(),
    json.dumps({"msisdns": BODY["msisdns"], **BODY}).encode(),
    b'{"content":"Hi","msisdns":["66812345678" , "0898765432"\r\n] ,\t"sender":"MYBRAND"}',
    rb'{"\u006dsisdns":["\u00366812345678","0898765432"],"sender":"MYBRAND","content":"Hi"}',
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("body", SPELLINGS)
def test_one_body_in_its_spellings_and_slices(body: bytes, size: int) -> None:
    assert read(body, size) == (BODY | {"msisdns": []}, BODY["msisdns"])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"{}", {}),
        (b' \n{ "a" : 1 } ', {"a": 1}),
        (b'{"msisdns": []}', {"msisdns": []}),
        (b'{"msisdns": "66812345678"}', {"msisdns": "66812345678"}),
        (b'{"msisdns": null}', {"msisdns": None}),
        (b'{"msisdns": {"a": ["1"]}}', {"msisdns": {"a": ["1"]}}),
        # Only the key of the object itself is the array's.
        (b'{"variables": {"msisdns": ["1"]}}', {"variables": {"msisdns": ["1"]}}),
        (b'{"a": ["msisdns", ["1"]]}', {"a": ["msisdns", ["1"]]}),
        (b'{"content": "\\"msisdns\\":[\\"1\\"]"}', {"content": '"msisdns":["1"]'}),
        (b'{"a": "msisdns", "b": ["1"]}', {"a": "msisdns", "b": ["1"]}),
        (b'{"msisdns2": ["1"], "b": "}{]["}', {"msisdns2": ["1"], "b": "}{]["}),
        ('{"content": "สวัสดี"}'.encode(), {"content": "สวัสดี"}),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_not_the_array_is_a_field(
    body: bytes, size: int, fields: dict[str, object]
) -> None:
    assert read(body, size) == (fields, [])


def test_elements_may_hold_anything() -> None:
    odd = [
        "",
        "+66",
        "a,b",
        '","',
        "]",
        "\\",
        "\\\\",
        'x\\"',
        "สวัสดี",
        "\U0001f600",
        "a\nb",
        "\u2028",
    ]
    for ensure_ascii in (True, False):
        body = json.dumps({"msisdns": odd}, ensure_ascii=ensure_ascii).encode()
        for size in (1, 5, 1000):
            assert read(body, size) == ({"msisdns": []}, odd)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"text",
        b"[]",
        b'"text"',
        b"null",
        b"\xef\xbb\xbf{}",
        b"{",
        b'{"a": 1',
        b'{"a"}',
        b'{"a": 1,}',
        b"{'a': 1}",
        b'{"a": 1} {"b": 2}',
        b'{"a": 1}}',
        b'}{"msisdns": ["1"]}',
        b'{} {"msisdns": ["1"]}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\xff"}',
        b'{"a": "\n"}',
        b'{"a": "\\x"}',
        b'{"a": "\\',
        b'{"msisdns"}',
        b'{"msisdns": [',
        b'{"msisdns": ["1"',
        b'{"msisdns": ["1"]',
        b'{"msisdns": ["1",]}',
        b'{"msisdns": [,"1"]}',
        b'{"msisdns": ["1" "2"]}',
        b'{"msisdns": ["1" 2, "3"]}',
        b'{"msisdns": ["1"}',
        b'{"msisdns": ["1"]]}',
        b'{"msisdns": ["1\x01"]}',
        b'{"msisdns": ["\\x"]}',
        b'{"msisdns": ["\xff"]}',
        b'{"msisdns": ["\xe0\xb8"]}',
        b'{"msisdns" ["1"]}',
        b'{"msisdns": 5 ["1"]}',
        b'{"sender" "x", "msisdns": ["1"]}',
        b'{"sender": x, "msisdns": ["1"]}',
        b"{" * 2000,
        b'{"a": ' + b"[" * 2000,
    ],
    ids=lambda body: repr(body[:30]),
)
@pytest.mark.parametrize("size", [1, 1000])
def test_malformed_bodies(body: bytes, size: int) -> None:
    assert refusal_of(body, size) == "The request body is not a JSON object."


@pytest.mark.parametrize(
    "element", [b"66812345678", b"null", b"true", b'["1"]', b"{}", b"\xff", b"x"]
)
@pytest.mark.parametrize("before", [b"", b'"66812345678", '])
@pytest.mark.parametrize("size", [1, 1000])
def test_elements_are_strings(element: bytes, before: bytes, size: int) -> None:
    body = b'{"msisdns": [' + before + element + b', "1"]}'
    assert refusal_of(body, size) == "msisdns must be an array of strings."


@pytest.mark.parametrize(
    "body",
    [
        b'{"msisdns": ["1"], "msisdns": ["2"]}',
        b'{"msisdns": ["1"], "msisdns": "2"}',
        b'{"msisdns": "1", "msisdns": ["2"]}',
        b'{"sender": "a", "content": "Hi", "sender": "b"}',
        b'{"sender": "a", "sender": "b", "msisdns": ["1"]}',
        b'{"variables": {"a": "1", "a": "2"}}',
    ],
)
def test_a_name_stands_once(body: bytes) -> None:
    assert refusal_of(body) == "A name stands twice in an object of the request body."


@pytest.mark.parametrize("text", [b"\\u0000", b"\\ud800"])
def test_elements_that_no_store_can_keep(text: bytes) -> None:
    body = b'{"msisdns": ["1", "' + text + b'", "2"]}'
    assert refusal_of(body) == "An element of msisdns cannot be stored as text."


def test_the_numbers_before_a_fault_are_not_worth_taking() -> None:
    reader = SendBody()
    with pytest.raises(InvalidParameters):
        list(reader.feed(b'{"sender": oops, "msisdns": ["66812345678", '))
    assert reader.number_count == 0


def test_what_stood_before_the_array_is_known_with_its_first_number() -> None:
    reader = SendBody()
    assert list(reader.feed(b'{"dryRun": true, "msisdns": ["1", ')) == [["1"]]
    assert reader.fields_before_array == {"dryRun": True, "msisdns": []}


# --- small bodies -------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [*SPELLINGS, b"{}", b'{"msisdns": []}', b'{"msisdns": "1"}'])
def test_a_small_body_is_parsed_at_once(body: bytes) -> None:
    assert parse_small(body) == read(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"msisdns": ["1"',
        b'{"msisdns": ["1"], "msisdns": ["1"]}',
        b'{"msisdns": ["1", 2]}',
        b'{"msisdns": ["1", "\\u0000"]}',
        b'{"msisdns": ["1", "%b"]}' % (b"2" * 257),
        b'{"a": NaN}',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_small_body_is_refused_in_the_same_words(body: bytes) -> None:
    with pytest.raises(InvalidParameters) as caught:
        parse_small(body)
    assert str(caught.value) == refusal_of(body)


# --- bounds -------------------------------------------------------------------------------------


def test_numbers_over_the_limit_are_noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_body, "MAX_RECIPIENTS", 2500)
    elements = b'"66812345678",' * 2500
    assert len(read(b'{"msisdns": [' + elements[:-1] + b"]}")[1]) == 2500
    reader = SendBody()
    with pytest.raises(InvalidParameters, match="at most 2000000 recipients"):
        list(reader.feed(b'{"msisdns": [' + elements + b'"1",'))


def test_two_million_numbers_are_taken_and_one_more_is_not() -> None:
    reader = SendBody()
    list(reader.feed(b'{"sender": "MYBRAND", "msisdns": ['))
    thousand = b'"66812345678", ' * 1000
    taken = sum(len(some) for _ in range(2000) for some in reader.feed(thousand))
    assert taken == reader.number_count == 2_000_000
    with pytest.raises(InvalidParameters, match="at most 2000000 recipients"):
        list(reader.feed(b'"66812345678"]'))


def test_the_rest_of_the_body_is_bounded() -> None:
    frame = b'{"content":""}'
    text = b"x" * (MAX_REST_OCTETS - len(frame))
    assert read(b'{"content":"' + text + b'"}')[0] == {"content": text.decode()}
    too_much = b'{"content":"' + text + b'x"}'
    for size in (1000, 1 << 20):
        assert refusal_of(too_much, size) == (
            "The request body has more than 65536 octets beside msisdns."
        )


def test_the_array_does_not_count_as_rest() -> None:
    numbers = ["66812345678"] * 20_000
    body = json.dumps({"msisdns": numbers, "content": "x" * 60_000}).encode()
    assert read(body, 65_536)[1] == numbers


def test_blanks_between_elements_cost_nothing() -> None:
    reader = SendBody()
    list(reader.feed(b'{"msisdns": ["1"'))
    for _ in range(100):
        assert not list(reader.feed(b" \n\r\t" * 1000))
    assert list(reader.feed(b' , "2"]}')) == [["1"], ["2"]]
    assert reader.finish() == {"msisdns": []}


def test_the_values_of_the_rest_are_bounded() -> None:
    assert refusal_of(b'{"a": [' + b"0," * MAX_MARKS) == "The request body has too many values."


@pytest.mark.parametrize("character", ["x", "\U0001f600"])
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_the_length_of_an_element_is_bounded(character: str, size: int) -> None:
    longest = character * MAX_NUMBER_LENGTH
    assert read(json.dumps({"msisdns": [longest, "1"]}).encode(), size)[1] == [longest, "1"]
    for numbers in ([longest + "x", "1"], ["1", longest + "x"]):
        body = json.dumps({"msisdns": numbers}).encode()
        assert refusal_of(body, size) == "An element of msisdns has more than 256 characters."


def test_an_element_without_an_end_is_not_kept() -> None:
    reader = SendBody()
    with pytest.raises(InvalidParameters, match="more than 256 characters"):
        list(reader.feed(b'{"msisdns": ["' + b"1" * 10_000))
