"""Concatenation headers and SAR TLVs."""

import pytest

from protocols.smpp.codec import encode_tlv
from protocols.smpp.constants import Tag
from protocols.smpp.udh import (
    Concatenation,
    concatenation,
    encode_concatenation,
    encode_sar,
    sar,
    split_header,
)


def test_our_header_is_the_six_octets_of_the_standard() -> None:
    assert encode_concatenation(0xA7, 2, 1) == bytes.fromhex("05 00 03 a7 02 01")
    assert encode_concatenation(0x1234, 255, 255) == bytes.fromhex("05 00 03 34 ff ff")


@pytest.mark.parametrize(("total", "number"), [(1, 0), (1, 2), (0, 0), (256, 1)])
def test_an_impossible_place_is_not_written(total: int, number: int) -> None:
    with pytest.raises(ValueError, match=f"part {number} of {total}"):
        encode_concatenation(1, total, number)
    with pytest.raises(ValueError, match=f"part {number} of {total}"):
        encode_sar(1, total, number)


@pytest.mark.parametrize(
    ("header", "place"),
    [
        ("05 00 03 a7 02 01", Concatenation(0xA7, 2, 1)),
        ("06 08 04 12 34 03 02", Concatenation(0x1234, 3, 2)),
        # Port addressing before and after the concatenation.
        ("0b 05 04 15 81 00 00 00 03 07 02 02", Concatenation(7, 2, 2)),
        ("0b 00 03 07 02 02 05 04 15 81 00 00", Concatenation(7, 2, 2)),
        # Two concatenations: the first counts.
        ("0a 00 03 07 02 02 00 03 08 03 03", Concatenation(7, 2, 2)),
        ("06 05 04 15 81 00 00", None),
        ("05 00 03 a7 02 00", None),
        ("05 00 03 a7 02 03", None),
        ("05 00 03 a7 00 00", None),
        ("04 00 02 a7 02", None),
        ("00", None),
    ],
)
def test_the_place_of_a_part(header: str, place: Concatenation | None) -> None:
    assert concatenation(bytes.fromhex(header) + b"text") == place


def test_elements_and_text_of_a_message() -> None:
    message = bytes.fromhex("0b 05 04 15 81 00 00 00 03 07 02 02") + b"text"

    assert split_header(message) == (
        [(5, bytes.fromhex("15810000")), (0, bytes.fromhex("070202"))],
        b"text",
    )


@pytest.mark.parametrize(
    ("message", "elements", "text"),
    [
        ("", [], b""),
        ("00 41", [], b"A"),
        ("05 00 03 07", [], b""),
        ("ff 00 01 07", [(0, b"\7")], b""),
        ("03 00 03 07 41", [], b"A"),
        ("04 00 01 07 05 41", [(0, b"\7")], b"A"),
    ],
)
def test_a_broken_header_ends_where_it_breaks(
    message: str, elements: list[tuple[int, bytes]], text: bytes
) -> None:
    assert split_header(bytes.fromhex(message)) == (elements, text)


def test_sar_tlvs_make_the_round_trip() -> None:
    raw = encode_sar(0x12345, 3, 2)

    assert raw == bytes.fromhex("020c0002 2345 020e0001 03 020f0001 02")
    assert sar(raw) == Concatenation(0x2345, 3, 2)
    assert sar(encode_tlv(Tag.USER_MESSAGE_REFERENCE, b"\0\1") + raw) == Concatenation(0x2345, 3, 2)


def test_repeated_sar_tlvs_the_first_counts() -> None:
    raw = encode_sar(1, 3, 2) + encode_sar(2, 4, 4)

    assert sar(raw) == Concatenation(1, 3, 2)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        encode_sar(1, 2, 1)[:-5],
        encode_tlv(Tag.SAR_MSG_REF_NUM, b"\0\1")
        + encode_tlv(Tag.SAR_TOTAL_SEGMENTS, b"\1")
        + encode_tlv(Tag.SAR_SEGMENT_SEQNUM, b"\2"),
    ],
)
def test_missing_or_impossible_sar_tlvs_are_none(raw: bytes) -> None:
    assert sar(raw) is None
