"""data_coding and octets to text and back (SMPP v3.4 5.2.19, GSM 03.38 6.2.1).

Text in the GSM alphabet travels one septet per octet, never packed.  The characters and their codes
come from `gateway.domain.sms_text`, which prices them.
"""

import codecs
import re

from gateway.domain.sms_text import GSM_BASIC, GSM_EXTENSION, Alphabet, is_plain

DATA_CODING_DEFAULT = 0x00
DATA_CODING_ASCII = 0x01
DATA_CODING_LATIN1 = 0x03
DATA_CODING_UCS2 = 0x08

GSM = "gsm"
# Charsets that a peer may mean by data_coding 0, and what Python calls them.
DEFAULT_CHARSETS = {GSM: GSM, "latin1": "latin-1", "ascii": "ascii", "utf8": "utf-8"}

_ESC = "\x1b"
_CONTROL = re.compile(rb"[^\t\n\r -\xff]")
_UNDEFINED = "\ufffe"  # how a table of codecs.charmap_decode marks a hole
_DECODE_BASIC = GSM_BASIC.replace(_ESC, _UNDEFINED)
_DECODE_EXTENSION = {chr(code): character for character, code in GSM_EXTENSION.items()}
_ENCODE: dict[int, bytes] = {
    ord(character): bytes((code,)) for code, character in enumerate(GSM_BASIC) if character != _ESC
} | {ord(character): bytes((0x1B, code)) for character, code in GSM_EXTENSION.items()}


def decode(octets: bytes, data_coding: int, default_charset: str) -> str | None:
    """The text of a short message, or None when `data_coding` is none that we read.

    None means: pass the octets through.  That covers binary (2 and 4), the alphabets of other
    regions, reserved values, and the forms of GSM 03.38 section 4 with a message class or waiting
    indication (0x10-0x1F, 0xC0-0xFF): some of those hold text, but it would lose its class.

    `default_charset` is what the peer means by data_coding 0, one of `DEFAULT_CHARSETS`.

    Raises:
        ValueError: octets that the alphabet does not have, half a UTF-16 unit or a lone surrogate.
    """
    if data_coding == DATA_CODING_DEFAULT:
        charset = DEFAULT_CHARSETS[default_charset]
        return _decode_gsm(octets) if charset == GSM else octets.decode(charset)
    if data_coding == DATA_CODING_UCS2:
        return _decode_utf16(octets)
    if data_coding == DATA_CODING_LATIN1:
        return octets.decode("latin-1")
    if data_coding == DATA_CODING_ASCII:
        # node-smpp and others send the GSM alphabet as 1, with "@" and the escape as control codes.
        if _CONTROL.search(octets):
            return _decode_gsm(octets)
        return octets.decode("ascii")
    return None


def encode(text: str, alphabet: Alphabet) -> bytes:
    """Octets of `text` in GSM7 (one septet per octet) or UCS2 (UTF-16 big-endian).

    Raises:
        ValueError: a character that GSM7 does not have, a lone surrogate, or the alphabet OPAQUE.
    """
    if alphabet == Alphabet.GSM7:
        if is_plain(text):
            return text.encode("ascii")
        return codecs.charmap_encode(text, "strict", _ENCODE)[0]
    if alphabet == Alphabet.UCS2:
        return text.encode("utf-16-be")
    raise ValueError("opaque octets are passed through, not encoded")


def _decode_gsm(octets: bytes) -> str:
    if _ESC.encode() not in octets:
        return codecs.charmap_decode(octets, "strict", _DECODE_BASIC)[0]
    head, *escaped = octets.split(_ESC.encode())
    text = codecs.charmap_decode(head, "strict", _DECODE_BASIC)[0]
    for piece in escaped:
        character = _DECODE_EXTENSION.get(chr(piece[0])) if piece else None
        if character is None:
            raise ValueError("an escape is followed by no code of the GSM extension table")
        text += character + codecs.charmap_decode(piece[1:], "strict", _DECODE_BASIC)[0]
    return text


def _decode_utf16(octets: bytes) -> str:
    """Big-endian by the standard; peers send surrogate pairs and either byte order mark."""
    if octets.startswith(codecs.BOM_UTF16_LE):
        return octets[2:].decode("utf-16-le")
    if octets.startswith(codecs.BOM_UTF16_BE):
        return octets[2:].decode("utf-16-be")
    return octets.decode("utf-16-be")
