"""Concatenation: the user data header of GSM 03.40 9.2.3.24 and the SAR TLVs of SMPP v3.4 5.3.2.22.

Reading is lenient, for what peers send; writing uses the 8-bit reference in a header, which every
network takes.
"""

from typing import NamedTuple

from protocols.smpp.codec import decode_tlvs, encode_tlv
from protocols.smpp.constants import Tag

IEI_CONCATENATED_8_BIT = 0x00  # GSM 03.40 9.2.3.24.1
IEI_CONCATENATED_16_BIT = 0x08  # GSM 03.40 9.2.3.24.8


class Concatenation(NamedTuple):
    """Place of a part in its message; `number` counts from 1 to `total`."""

    reference: int
    total: int
    number: int


def encode_concatenation(reference: int, total: int, number: int) -> bytes:
    """The six octets in front of a part; `reference` is cut to 8 bits.

    Raises:
        ValueError: `number` outside 1 to `total`, or `total` over 255.
    """
    _check_place(total, number)
    return bytes((0x05, IEI_CONCATENATED_8_BIT, 0x03, reference & 0xFF, total, number))


def split_header(short_message: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Information elements (identifier, data) of a message with the UDH indicator, and its text.

    Elements keep their order and repeats; one that does not fit the header ends it.
    """
    if not short_message:
        return [], b""
    end = 1 + short_message[0]
    header = short_message[1:end]
    elements = []
    position = 0
    while len(header) - position >= 2:
        identifier, length = header[position], header[position + 1]
        position += 2 + length
        if position > len(header):
            break
        elements.append((identifier, header[position - length : position]))
    return elements, short_message[end:]


def concatenation(short_message: bytes) -> Concatenation | None:
    """Place of a part whose esm_class has the UDH indicator.

    None when the header has no concatenation, or an impossible one (part 0 or above the total): the
    part is then a message of its own.
    """
    for identifier, data in split_header(short_message)[0]:
        if identifier == IEI_CONCATENATED_8_BIT and len(data) == 3:
            return _possible(data[0], data[1], data[2])
        if identifier == IEI_CONCATENATED_16_BIT and len(data) == 4:
            return _possible(int.from_bytes(data[:2], "big"), data[2], data[3])
    return None


def encode_sar(reference: int, total: int, number: int) -> bytes:
    """The three SAR TLVs; `reference` is cut to 16 bits.

    Raises:
        ValueError: `number` outside 1 to `total`, or `total` over 255.
    """
    _check_place(total, number)
    return (
        encode_tlv(Tag.SAR_MSG_REF_NUM, (reference & 0xFFFF).to_bytes(2, "big"))
        + encode_tlv(Tag.SAR_TOTAL_SEGMENTS, bytes((total,)))
        + encode_tlv(Tag.SAR_SEGMENT_SEQNUM, bytes((number,)))
    )


def sar(tlvs: bytes) -> Concatenation | None:
    """Place of a part that says so by SAR TLVs; None when they are missing or impossible."""
    values = {tag: int.from_bytes(value, "big") for tag, value in reversed(decode_tlvs(tlvs))}
    try:
        return _possible(
            values[Tag.SAR_MSG_REF_NUM],
            values[Tag.SAR_TOTAL_SEGMENTS],
            values[Tag.SAR_SEGMENT_SEQNUM],
        )
    except KeyError:
        return None


def _possible(reference: int, total: int, number: int) -> Concatenation | None:
    return Concatenation(reference, total, number) if 1 <= number <= total else None


def _check_place(total: int, number: int) -> None:
    if not 1 <= number <= total <= 255:
        raise ValueError(f"part {number} of {total} does not fit one octet each, counted from 1")
