from itertools import product

import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.phonemetadata import PhoneMetadata

from gateway.domain.account import NumberCheck
from gateway.policy.numbering import MAX_DIGITS, NumberPlan, is_region

POSSIBLE, VALID = NumberCheck.POSSIBLE, NumberCheck.VALID


@pytest.fixture(scope="module")
def plan() -> NumberPlan:
    return NumberPlan()


@pytest.mark.parametrize(
    "raw",
    [
        "37121234567",
        "+37121234567",
        "0037121234567",
        "+371 2123-4567",
        "371 21.23.45.67",
        "00 371 21234567",
        " (+371) 21234567",
        "(371) 2123 4567",
    ],
)
def test_reads_a_number_however_it_is_written(plan: NumberPlan, raw: str) -> None:
    assert plan.normalise(raw) == "37121234567"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "+",
        "00",
        "()",
        "+ ",
        "0",
        "021234567",
        "+021234567",
        "1-800-FLOWERS",
        "ACME",
        "+371 21234567 ext 5",
        "37121234567;ext=5",
        "tel:+37121234567",
        "++37121234567",
        "371+21234567",
        "37121234567\n",
        "37121234567\x00",
        "٣٧١٢١٢٣٤٥٦٧",
        "\ud800",
        "3" * (MAX_DIGITS + 1),
        "+" + "3" * 100_000,
        "+3 7 1 " * 1_000,
    ],
)
def test_refuses_what_is_no_number(plan: NumberPlan, raw: str) -> None:
    assert plan.normalise(raw) is None
    assert plan.normalise(raw, international=True) is None


def test_reads_fifteen_digits_and_not_sixteen(plan: NumberPlan) -> None:
    assert plan.normalise("+" + "4" * 15) == "4" * 15
    assert plan.normalise("+" + "4" * 16) is None
    assert plan.normalise("+49 176 " + "4" * 11) is None


@pytest.mark.parametrize(
    ("raw", "region", "digits"),
    [
        ("21234567", "LV", "37121234567"),  # no trunk prefix: the length tells
        ("017612345678", "DE", "4917612345678"),
        ("0176 12345678", "DE", "4917612345678"),
        ("7911123456", "GB", "447911123456"),  # the spreadsheet ate the zero
        ("2025550123", "US", "12025550123"),  # would be possible in Egypt, +20
        ("(202) 555-0123", "US", "12025550123"),
        ("12025550123", "US", "12025550123"),
        ("89123456789", "RU", "79123456789"),  # trunk prefix 8
        ("0612345678", "IT", "390612345678"),  # the zero belongs to the number
        ("011 371 21234567", "US", "37121234567"),  # the access code of the region
        ("37121234567", "LV", "37121234567"),
        ("37121234567", "US", "37121234567"),  # no American length: E.164
        ("4917612345678", "LV", "4917612345678"),
        ("+4917612345678", "US", "4917612345678"),
        ("004917612345678", "US", "4917612345678"),
    ],
)
def test_reads_national_numbers_of_a_region(
    plan: NumberPlan, raw: str, region: str, digits: str
) -> None:
    assert plan.normalise(raw, region) == digits
    assert plan.accepts(digits, POSSIBLE)


def test_a_number_marked_international_ignores_the_region(plan: NumberPlan) -> None:
    assert plan.normalise("2025550123", "US") == "12025550123"
    assert plan.normalise("2025550123", "US", international=True) == "2025550123"
    assert plan.normalise("202 555 0123", "US", international=True) == "2025550123"
    assert plan.normalise("017612345678", "DE", international=True) is None


def test_drops_the_trunk_zero_in_parentheses_where_it_is_not_part_of_the_number(
    plan: NumberPlan,
) -> None:
    assert plan.normalise("+44 (0)7911 123456") == "447911123456"
    assert plan.normalise("+39 (0)6 12345678") == "390612345678"


def test_separators_do_not_change_how_a_number_is_read(plan: NumberPlan) -> None:
    # Seven digits are a subscriber number in America, which nobody outside can reach.
    assert plan.normalise("5550123", "US") == "5550123"
    assert plan.normalise("555-0123", "US") == "5550123"
    assert not plan.accepts("5550123", POSSIBLE)


def test_an_unknown_region_is_named(plan: NumberPlan) -> None:
    assert not is_region("XX")
    assert not is_region("lv")
    assert is_region("LV")
    with pytest.raises(ValueError, match="'XX'"):
        plan.normalise("21234567", "XX")


@pytest.mark.parametrize(
    ("digits", "possible", "valid"),
    [
        ("37121234567", True, True),
        ("37191234567", True, False),
        ("3712123456", False, False),
        ("371212345678", False, False),
        ("12025550123", True, True),
        ("12420000000", True, False),  # leading digits of the Bahamas, invalid there
        ("12423591234", True, True),
        ("79123456789", True, True),
        ("77012345678", True, True),  # Kazakhstan shares +7
        ("390612345678", True, True),
        ("39312345678", True, False),
        ("447911123456", True, True),
        ("4407911123456", False, False),  # the trunk zero stayed in
        ("80012345678", True, True),
        ("870301234567", True, True),
        ("881612345678", True, True),
        ("882160012345", True, True),
        ("882987654321", True, False),
        ("88812345678901", True, True),
        ("888123456789", False, False),
        ("979123456789", True, True),
        ("2101234567", False, False),  # no such country code
        ("9991234567", False, False),
        ("37", False, False),
        ("3", False, False),
        ("", False, False),
    ],
)
def test_knows_possible_and_valid_numbers(
    plan: NumberPlan, digits: str, possible: bool, valid: bool
) -> None:
    assert (plan.accepts(digits, POSSIBLE), plan.accepts(digits, VALID)) == (possible, valid)


def test_never_accepts_more_than_fifteen_digits(plan: NumberPlan) -> None:
    # German national numbers may have 15 digits by the metadata; E.164 leaves room for 13.
    assert plan.accepts("49" + "3" * 13, POSSIBLE)
    assert not plan.accepts("49" + "3" * 14, POSSIBLE)


def test_every_example_number_of_the_metadata_is_valid(plan: NumberPlan) -> None:
    refused = []
    for country_code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        for region, kind in product(regions, ("mobile", "fixed_line", "toll_free", "voip")):
            metadata = PhoneMetadata.metadata_for_region_or_calling_code(country_code, region)
            description = getattr(metadata, kind)
            if description is None or description.example_number is None:
                continue
            digits = f"{country_code}{description.example_number}"
            if not (plan.accepts(digits, POSSIBLE) and plan.accepts(digits, VALID)):
                refused.append((region, kind, digits))
    assert refused == []
