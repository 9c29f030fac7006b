from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from conf.fields import (
    Address,
    Amount,
    Currency,
    FilePath,
    ListenAddress,
    Moment,
    Name,
    Network,
    Prefix,
    Price,
    ReadableFile,
    SystemId,
    Title,
    Visible,
    WebUrl,
)
from conf.section import Source


def read(kind: Any, value: object, directory: Path = Path("/etc/postern")) -> Any:
    return TypeAdapter(kind).validate_python(value, context=Source(directory, {}))


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Name, ["a", "carrier-1", "A.b_c", "9"], ["", "-a", "a b", "a/b", "ä", "x" * 65, "a\n"]),
        (Title, ["a", "ACME Ltd", "Ärzte & Co", "x" * 64], ["", " a", "a ", "x" * 65, "a\nb"]),
        (Currency, ["EUR", "CREDIT"], ["", "eur", "EU", "EURO1", "ABCDEFGHI"]),
        (Prefix, ["", "3", "371", "1" * 15], ["+371", "0371", "37 1", "1" * 16, "٣"]),
        (Visible, ["a", "sms:send", "~!"], ["", "a b", "ä", "a\x00"]),
        (SystemId, ["gw", "x" * 15], ["", "x" * 16, "a b", "é"]),
        (
            Network,
            ["192.0.2.1", "10.0.0.0/8", "2001:db8::/32"],
            ["", "localhost", "10.0.0.0/33", "10.0.0"],
        ),
        (
            WebUrl,
            ["https://a.example", "http://[::1]:80/x?y={z}", "https://a/{b}"],
            [
                "", "a.example", "ftp://a", "https://", "https:///x", "https://u@a", "https://u:p@a",
                "https://a:99999", "https://[::1", "https://a/#b",
            ],
        ),
    ],
)  # fmt: skip
def test_texts(kind: Any, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert read(kind, text) is not None
    for text in bad:
        with pytest.raises(ValidationError):
            pytest.fail(f"{text!r} was read as {read(kind, text)!r}")


def test_a_network_is_written_the_usual_way() -> None:
    assert read(Network, "10.1.2.3/8") == "10.0.0.0/8"
    assert read(Network, "10.1.2.3") == "10.1.2.3/32"


@pytest.mark.parametrize(
    ("value", "micros"),
    [("0.035", 35_000), ("100000.00", 100_000_000_000), ("0", 0), (5, 5_000_000), (0, 0)],
)
def test_amounts_are_exact(value: object, micros: int) -> None:
    assert read(Amount, value) == micros
    assert read(Price, value) == micros


@pytest.mark.parametrize("value", [0.035, True, None, "", "abc", "0.0000001", "NaN", "1e20", "1,5"])
def test_refuses_inexact_amounts(value: object) -> None:
    with pytest.raises(ValidationError):
        read(Amount, value)


def test_only_a_price_must_not_be_negative() -> None:
    assert read(Amount, "-50") == -50_000_000
    with pytest.raises(ValidationError, match="must not be negative"):
        read(Price, "-50")


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (date(1970, 1, 2), 86_400_000),
        (datetime(1970, 1, 1, 0, 0, 1), 1000),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 0),
        (datetime(2026, 1, 1, tzinfo=UTC), 1_767_225_600_000),
        (date(1901, 1, 1), 0),
    ],
)
def test_moments_are_utc_milliseconds(value: object, ms: int) -> None:
    assert read(Moment, value) == ms


@pytest.mark.parametrize("value", ["2026-01-01", 1_767_225_600, 0, None, 1.5])
def test_refuses_moments_that_are_no_toml_dates(value: object) -> None:
    with pytest.raises(ValidationError, match="must be a TOML date"):
        read(Moment, value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("[::1]:80", Address("::1", 80)),
        ("[::]:0", Address("::", 0)),
        ("sms.example.com:65535", Address("sms.example.com", 65_535)),
    ],
)
def test_addresses_read_back_as_written(text: str, address: Address) -> None:
    assert read(ListenAddress, text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "value",
    [
        "", "8080", ":8080", "127.0.0.1", "::1:80", "[::1]", "a:", "a:65536", "a:-1", "a:+1", "a:\uff18\uff10",
        "a:" + "1" * 5000, "a:http", 8080,
    ],
)  # fmt: skip
def test_refuses_bad_addresses(value: object) -> None:
    with pytest.raises(ValidationError):
        read(ListenAddress, value)


def test_paths_count_from_the_file(tmp_path: Path) -> None:
    assert read(FilePath, "x/y") == Path("/etc/postern/x/y")
    assert read(FilePath, "/x/y") == Path("/x/y")
    (tmp_path / "there").touch()
    assert read(ReadableFile, "there", tmp_path) == tmp_path / "there"
    for value in ("", 3, None):
        with pytest.raises(ValidationError, match="must be a path"):
            read(FilePath, value)
    with pytest.raises(ValidationError, match=r"cannot read .*/none: No such file"):
        read(ReadableFile, "none", tmp_path)


@given(st.one_of(st.text(), st.text("[]:.0123456789abc/@?#{}", max_size=30)))
def test_any_text_is_read_or_refused(text: str) -> None:
    for kind in (ListenAddress, WebUrl, Network, Amount, FilePath, Name, Title):
        try:
            read(kind, text)
        except ValidationError:
            continue
