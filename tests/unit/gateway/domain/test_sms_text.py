from itertools import pairwise

import pytest

from gateway.domain.sms_text import (
    GSM_BASIC,
    GSM_EXTENSION,
    Alphabet,
    is_plain,
    is_storable,
    measure,
    split,
)

ASTRAL = "\U0001f600"  # two UTF-16 units


@pytest.mark.parametrize(
    ("text", "alphabet", "parts"),
    [
        ("a" * 160, Alphabet.GSM7, 1),
        ("a" * 161, Alphabet.GSM7, 2),
        ("a" * 306, Alphabet.GSM7, 2),
        ("a" * 307, Alphabet.GSM7, 3),
        ("é" * 160, Alphabet.GSM7, 1),
        ("€" * 80, Alphabet.GSM7, 1),
        ("€" * 81, Alphabet.GSM7, 2),
        ("ж" * 70, Alphabet.UCS2, 1),
        ("ж" * 71, Alphabet.UCS2, 2),
        ("ж" * 134, Alphabet.UCS2, 2),
        ("ж" * 135, Alphabet.UCS2, 3),
        (ASTRAL * 35, Alphabet.UCS2, 1),
        (ASTRAL * 36, Alphabet.UCS2, 2),
        ("a" * 159 + "ж", Alphabet.UCS2, 3),
        ("", Alphabet.GSM7, 1),
    ],
)
def test_alphabet_and_parts(text: str, alphabet: Alphabet, parts: int) -> None:
    assert measure(text) == (alphabet, parts)
    assert len(split(text, alphabet)) == parts


def test_an_escape_pair_is_never_cut() -> None:
    # The pair would take septets 153 and 154.
    text = "a" * 152 + "€" + "b" * 20
    assert split(text, Alphabet.GSM7) == ["a" * 152, "€" + "b" * 20]


def test_escapes_make_more_parts_than_their_sum() -> None:
    text = ("a" * 152 + "€") * 2  # 308 septets: 3 parts, since no pair may be cut
    assert measure(text) == (Alphabet.GSM7, 3)
    assert "".join(split(text, Alphabet.GSM7)) == text


def test_a_surrogate_pair_is_never_cut() -> None:
    text = "ж" * 66 + ASTRAL + "ж" * 10
    assert split(text, Alphabet.UCS2) == ["ж" * 66, ASTRAL + "ж" * 10]


def test_255_parts_are_counted_and_so_is_one_more() -> None:
    assert measure("a" * 153 * 255) == (Alphabet.GSM7, 255)
    assert measure("a" * 153 * 255 + "a") == (Alphabet.GSM7, 256)


def test_every_character_of_both_tables_is_gsm() -> None:
    for character in GSM_BASIC.replace("\x1b", "") + "".join(GSM_EXTENSION):
        assert measure(character) == (Alphabet.GSM7, 1)
    assert measure("\x1b")[0] == Alphabet.UCS2  # the escape itself is no text


def test_the_tables_are_those_of_the_standard() -> None:
    assert len(GSM_BASIC) == len(set(GSM_BASIC)) == 128
    assert (GSM_BASIC[0], GSM_BASIC[0x1B], GSM_BASIC[0x24]) == ("@", "\x1b", "¤")
    assert GSM_BASIC[0x41:0x5B] == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert all(later > earlier for earlier, later in pairwise(GSM_EXTENSION.values()))


@pytest.mark.parametrize(
    ("text", "plain"), [("Hello, 5+5=10?\r\n", True), ("$", False), ("_", False), ("{", False)]
)
def test_plain_text_has_the_codes_of_ascii(text: str, plain: bool) -> None:
    assert is_plain(text) is plain
    if plain:
        assert all(GSM_BASIC.index(character) == ord(character) for character in text)


@pytest.mark.parametrize("text", ["\x00", "a\ud800b", "\udfff"])
def test_what_no_store_can_carry(text: str) -> None:
    assert not is_storable(text)


def test_a_whole_pair_is_storable() -> None:
    assert is_storable(ASTRAL + "é€ж")
