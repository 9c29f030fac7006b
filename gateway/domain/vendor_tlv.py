"""TLVs that carriers ask for beside a text: the ids of India's DLT registers, as octets and back.

The operators there take them in the range that is free for vendors (SMPP v3.4 5.3); a value is
ASCII, with or without the NUL of a C-octet string.
"""

import struct
from collections.abc import Mapping

PE_ID = 0x1400  # the registered entity whose message it is
TEMPLATE_ID = 0x1401  # its registered template
TM_ID = 0x1402  # the chain of telemarketers it goes through

_HEADER = struct.Struct(">HH")  # tag, length


def encode_texts(texts: Mapping[int, str]) -> bytes:
    """The TLVs of ASCII texts by tag, in their order; empty ones are left out."""
    return b"".join(
        _HEADER.pack(tag, len(text)) + text.encode("ascii") for tag, text in texts.items() if text
    )


def decode_texts(tlvs: bytes) -> dict[int, str]:
    """The texts by tag, of equal tags the first; what is no ASCII, or cut short, is left out."""
    texts: dict[int, str] = {}
    at = 0
    while at + _HEADER.size <= len(tlvs):
        tag, length = _HEADER.unpack_from(tlvs, at)
        at += _HEADER.size
        value = tlvs[at : at + length].rstrip(b"\0")
        at += length
        if value.isascii() and at <= len(tlvs):
            texts.setdefault(tag, value.decode("ascii"))
    return texts
