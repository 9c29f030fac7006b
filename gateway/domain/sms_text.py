"""Alphabets, septet counting and splitting: what an SMS text costs and how it is cut.

GSM 03.38 6.2.1 (default alphabet and extension table), GSM 03.40 9.2.3.24.1 (concatenation).  A
text that fits the GSM 7-bit alphabet costs 160 septets alone or 153 per part; any other is UCS-2,
70 or 67 UTF-16 units.  Neither an escape pair nor a surrogate pair is ever cut.  Packing octets is
the wire's.
"""

import re
from enum import IntEnum

GSM_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E,
    "|": 0x40, "€": 0x65,
}  # fmt: skip
GSM_SINGLE_LIMIT, GSM_PART_LIMIT = 160, 153
UCS2_SINGLE_LIMIT, UCS2_PART_LIMIT = 70, 67
MAX_PARTS = 255  # GSM 03.40 9.2.3.24.1: one octet counts the parts


class Alphabet(IntEnum):
    """How a message's text travels.  Values are stored."""

    GSM7 = 0
    UCS2 = 1
    OPAQUE = 2  # octets we pass through untouched


# Bound once: reaching a member through its class costs eight times a global.
_GSM7, _UCS2 = Alphabet.GSM7, Alphabet.UCS2
# Characters whose GSM code equals their ASCII code: the fast path of counting and encoding.
_PLAIN = re.compile(r"[ !\"#%&'()*+,\-./0-9:;<=>?A-Za-z\n\r]*")
_BASIC = re.escape(GSM_BASIC.replace("\x1b", ""))
_EXTENSION = re.escape("".join(GSM_EXTENSION))
_GSM = re.compile(f"[{_BASIC}{_EXTENSION}]*")
_ESCAPED = re.compile(f"[{_EXTENSION}]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def is_plain(text: str) -> bool:
    """Whether every character has the same code in GSM 03.38 and ASCII."""
    return _PLAIN.fullmatch(text) is not None


def is_storable(text: str) -> bool:
    """False for text with U+0000 or a lone surrogate, which no store and no wire can carry."""
    return _UNSTORABLE.search(text) is None


def measure(text: str) -> tuple[Alphabet, int]:
    """Alphabet that `text` needs and the number of parts it makes (1 or more)."""
    if _PLAIN.fullmatch(text) is not None:
        units = len(text)
    elif _GSM.fullmatch(text) is not None:
        units = len(text) + len(_ESCAPED.findall(text))
    else:
        units = len(text) + len(_ASTRAL.findall(text))
        if units <= UCS2_SINGLE_LIMIT:
            return _UCS2, 1
        return _UCS2, len(split(text, _UCS2))
    if units <= GSM_SINGLE_LIMIT:
        return _GSM7, 1
    return _GSM7, len(split(text, _GSM7))


def split(text: str, alphabet: Alphabet) -> list[str]:
    """The parts of `text`: itself when it fits alone, else pieces for concatenation."""
    if alphabet == Alphabet.GSM7:
        single, limit, wide = GSM_SINGLE_LIMIT, GSM_PART_LIMIT, _ESCAPED
    else:
        single, limit, wide = UCS2_SINGLE_LIMIT, UCS2_PART_LIMIT, _ASTRAL
    if len(text) + len(wide.findall(text)) <= single:
        return [text]
    if wide.search(text) is None:
        return [text[i : i + limit] for i in range(0, len(text), limit)]
    parts: list[str] = []
    start = used = 0
    for position, character in enumerate(text):
        width = 2 if wide.match(character) else 1
        if used + width > limit:
            parts.append(text[start:position])
            start, used = position, 0
        used += width
    parts.append(text[start:])
    return parts
