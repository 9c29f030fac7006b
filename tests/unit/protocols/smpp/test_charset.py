"""data_coding and octets to text and back."""

import pytest
from smpplib import gsm

from gateway.domain.sms_text import GSM_BASIC, GSM_EXTENSION, Alphabet
from protocols.smpp.charset import decode, encode

ALPHABET = GSM_BASIC.replace("\x1b", "") + "".join(GSM_EXTENSION)


def test_the_whole_gsm_alphabet_makes_the_round_trip() -> None:
    octets = encode(ALPHABET, Alphabet.GSM7)

    assert len(octets) == 127 + 2 * len(GSM_EXTENSION)
    assert decode(octets, 0, "gsm") == ALPHABET


def test_every_character_has_the_code_smpplib_gives_it() -> None:
    # smpplib 2.2.4 has a grave accent where GSM 03.38 has the section sign, and no form feed.
    for character in ALPHABET.replace("§", "").replace("\f", ""):
        assert encode(character, Alphabet.GSM7) == gsm.gsm_encode(character)
    assert encode("§", Alphabet.GSM7) == gsm.gsm_encode("`")


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("@", b"\0"),
        ("a@b_c", b"a\0b\x11c"),
        ("10€", b"10\x1b\x65"),
        ("{[]}", b"\x1b\x28\x1b\x3c\x1b\x3e\x1b\x29"),
        ("€", b"\x1b\x65"),
        ("", b""),
        ("Grüße", b"Gr\x7e\x1ee"),
    ],
)
def test_gsm_text(text: str, octets: bytes) -> None:
    assert encode(text, Alphabet.GSM7) == octets
    assert decode(octets, 0, "gsm") == text


@pytest.mark.parametrize(
    "octets",
    [b"\x80", b"a\xff", b"\x1b", b"abc\x1b", b"\x1b\x1b\x65", b"\x1b\x41", b"\x1b\x65\x80"],
)
def test_octets_that_gsm_does_not_have_are_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(octets, 0, "gsm")


@pytest.mark.parametrize("text", ["ж", "😀", "[ж", "\x1b", "`"])
def test_characters_that_gsm_does_not_have_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(text, Alphabet.GSM7)


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        (b"caf\x05", "gsm", "café"),
        (b"caf\xe9", "latin1", "café"),
        (b"cafe", "ascii", "cafe"),
        ("café ж".encode(), "utf8", "café ж"),
    ],
)
def test_data_coding_0_is_what_the_peer_means_by_it(octets: bytes, charset: str, text: str) -> None:
    assert decode(octets, 0, charset) == text


def test_the_default_charset_does_not_touch_the_other_codings() -> None:
    for charset in ("gsm", "latin1", "ascii", "utf8"):
        assert decode(b"@", 1, charset) == "@"
        assert decode(b"\xe9", 3, charset) == "é"
        assert decode(b"\x04\x16", 8, charset) == "Ж"


@pytest.mark.parametrize(("octets", "charset"), [(b"\xe9", "ascii"), (b"\xe9", "utf8")])
def test_octets_outside_the_default_charset_are_refused(octets: bytes, charset: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(octets, 0, charset)


def test_ascii_is_seven_bit() -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(b"\x80", 1, "gsm")


def test_ucs2_is_utf16_with_surrogate_pairs() -> None:
    octets = b"\xd8\x3d\xde\x00"

    assert decode(octets, 8, "gsm") == "😀"
    assert encode("😀", Alphabet.UCS2) == octets


@pytest.mark.parametrize("octets", [b"\x04", b"\x04\x16\x04", b"\xd8\x3d", b"\xde\x00\x00a"])
def test_broken_ucs2_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(octets, 8, "gsm")


@pytest.mark.parametrize("octets", [b"\xfe\xff\x04\x16", b"\xff\xfe\x16\x04"])
def test_a_byte_order_mark_is_believed_and_removed(octets: bytes) -> None:
    assert decode(octets, 8, "gsm") == "Ж"


def test_a_lone_surrogate_is_not_encoded() -> None:
    with pytest.raises(ValueError, match=r"."):
        encode("\ud83d", Alphabet.UCS2)


def test_opaque_is_no_alphabet_to_encode_in() -> None:
    with pytest.raises(ValueError, match="opaque"):
        encode("a", Alphabet.OPAQUE)


@pytest.mark.parametrize(
    "data_coding", [c for c in range(256) if c not in (0x00, 0x01, 0x03, 0x08)]
)
def test_any_other_data_coding_passes_through(data_coding: int) -> None:
    assert decode(b"\0\xff", data_coding, "gsm") is None
