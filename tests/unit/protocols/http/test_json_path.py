import pytest

from protocols.http.json_path import (
    MISSING,
    JsonPath,
    parse_json,
    scalar_text,
    short_text,
    storable_id,
)

VALUE = {"data": [{"status": "ok"}, {"0": None}], "7": "seven"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("data.0.status", "ok"),
        ("data.1.0", None),
        ("7", "seven"),
        ("data.2", MISSING),
        ("data.-1", MISSING),
        ("data.status", MISSING),
        ("data.0.status.x", MISSING),
        ("data.99999999999999999999", MISSING),
        ("data.²", MISSING),
        ("$", VALUE),
    ],
)
def test_find(path: str, found: object):
    assert JsonPath(path).find(VALUE) == found


@pytest.mark.parametrize("source", ["", ".", "a..b", "a."])
def test_an_empty_step_is_no_path(source: str):
    with pytest.raises(ValueError, match="not a path"):
        JsonPath(source)


@pytest.mark.parametrize(
    "octets", [b"", b"{", b"\xff", b"[" * 60_000, b"9" * 5000, b'{"a": }', b"\x00"]
)
def test_what_is_not_json_is_missing(octets: bytes):
    assert parse_json(octets) is MISSING


def test_null_is_a_value():
    assert parse_json(b"null") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"), (0, "0"), (False, "false"), (True, "true"), (2.0, "2"), (2.5, "2.5"),
        (1e300, "1e+300"), (None, None), ([], None), ({}, None),
    ],
)  # fmt: skip
def test_scalar_text(value: object, text: str | None):
    assert scalar_text(value) == text


@pytest.mark.parametrize("text", [None, "", "a\x00b", "\ud800", "x" * 256])
def test_what_no_store_can_keep_is_no_id(text: str | None):
    assert storable_id(text) == ""


def test_an_id_is_kept_raw():
    assert storable_id(" Ab-ü ") == " Ab-ü "
    assert storable_id("x" * 255) == "x" * 255


def test_short_text_is_one_line_within_its_limit():
    assert short_text("a\r\n\x00b\ud800c", 10) == "a b c"
    assert short_text("x" * 50, 10) == "x" * 10


def test_a_number_too_long_to_print_is_no_text():
    assert scalar_text(10**5000) is None
