"""Two spellings of one id are the same id; two bases of one number only when the operator says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.provider_id import canonical_id, other_readings, read_again, receipted_id

MODES = ("as_is", "hex_to_dec", "dec_to_hex")


@pytest.mark.parametrize("spelling", ["ab12", "AB12", "00ab12", "00Ab12"])
def test_case_and_leading_zeros_make_no_other_id(spelling: str) -> None:
    assert canonical_id(spelling) == "ab12"


@pytest.mark.parametrize("id", ["ab12-7", "a0b", "x", "10"])
def test_the_usual_id_is_its_own_canonical_form(id: str) -> None:
    assert canonical_id(id) == id


def test_only_ascii_letters_are_folded_as_in_the_stores() -> None:
    assert canonical_id("0ÄB") == "Äb"


@pytest.mark.parametrize(
    ("id_mode", "written", "found"),
    [
        ("as_is", "00AB", "00AB"),
        ("hex_to_dec", "171", "ab"),
        ("hex_to_dec", "0000000171", "ab"),
        ("hex_to_dec", "ab", "ab"),
        ("hex_to_dec", "1_0", "1_0"),
        ("hex_to_dec", "-5", "-5"),
        ("dec_to_hex", "00AB", "171"),
        ("dec_to_hex", "0xAB", "171"),
        ("dec_to_hex", "xyz", "xyz"),
        ("hex_to_dec", "9" * 5000, "9" * 5000),
        ("dec_to_hex", "", ""),
    ],
)
def test_ids_are_turned_into_the_form_of_the_answer(id_mode: str, written: str, found: str) -> None:
    assert receipted_id(written, id_mode) == found


@given(
    number=st.integers(min_value=10**6, max_value=16**16),
    before=st.sampled_from(MODES),
    after=st.sampled_from(MODES),
    is_hex=st.booleans(),
)
def test_a_receipt_is_read_again_as_if_the_setting_had_always_stood(
    number: int, before: str, after: str, is_hex: bool
) -> None:
    written = f"{number:x}" if is_hex else str(number)
    if before == "hex_to_dec" and not written.isdecimal():
        return  # that setting left it alone, and nobody can tell any more
    assert read_again(receipted_id(written, before), before, after) == receipted_id(written, after)


def test_a_wrong_setting_is_named_with_what_it_hides() -> None:
    assert other_readings("1193046", "as_is") == {"123456": "hex_to_dec", "18427974": "dec_to_hex"}
    # The setting turned a decimal id that was right as it was.
    assert other_readings("123456", "hex_to_dec") == {
        "1193046": "as_is", "18427974": "dec_to_hex",
    }  # fmt: skip


@pytest.mark.parametrize("id", ["12345", "", "no-number", "x" * 300])
def test_nothing_is_read_into_short_ids_and_words(id: str) -> None:
    assert other_readings(id, "as_is") == {}
