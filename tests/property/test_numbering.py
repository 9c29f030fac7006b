"""Our tables against the library they come from, over every region's example numbers and near misses."""

import phonenumbers
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumber
from phonenumbers.phonemetadata import PhoneMetadata

from gateway.domain.account import NumberCheck
from gateway.policy.numbering import MAX_DIGITS, NumberPlan

KINDS = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "voip", "personal_number",
    "pager", "uan", "voicemail",
)  # fmt: skip
DIGIT = st.sampled_from("0123456789")
PLAN = NumberPlan()


def _examples() -> list[str]:
    found = set()
    for country_code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        for region in regions:
            metadata = PhoneMetadata.metadata_for_region_or_calling_code(country_code, region)
            for kind in KINDS:
                description = getattr(metadata, kind)
                if description is not None and description.example_number:
                    found.add(f"{country_code}{description.example_number}")
    return sorted(found)


EXAMPLES = _examples()


def _national_examples() -> dict[str, list[str]]:
    found = {}
    for region in phonenumbers.SUPPORTED_REGIONS:
        code = phonenumbers.country_code_for_region(region)
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        descriptions = [getattr(metadata, kind) for kind in KINDS]
        found[region] = [d.example_number for d in descriptions if d and d.example_number]
    return found


NATIONAL = _national_examples()


@st.composite
def near_numbers(draw: st.DrawFn) -> str:
    """An example number after up to two edits: a digit changed, dropped or put in."""
    digits = draw(st.sampled_from(EXAMPLES))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(digits) - 1))
        edit = draw(st.sampled_from(("change", "drop", "put in")))
        middle = "" if edit == "drop" else draw(DIGIT)
        digits = digits[:at] + middle + digits[at + (edit != "put in") :]
    return digits


def as_number(digits: str) -> PhoneNumber | None:
    """`digits` as the library's object, nothing added and nothing stripped; None: no country."""
    codes = (digits[:n] for n in (1, 2, 3) if digits[:n] and digits[0] != "0")
    code = next((c for c in codes if int(c) in COUNTRY_CODE_TO_REGION_CODE), None)
    if code is None or len(code) == len(digits):
        return None
    national = digits[len(code) :]
    zeros = min(len(national) - len(national.lstrip("0")), len(national) - 1)
    return PhoneNumber(
        country_code=int(code),
        national_number=int(national),
        italian_leading_zero=True if zeros else None,
        number_of_leading_zeros=zeros if zeros > 1 else None,
    )


@settings(max_examples=1_000)
@given(near_numbers())
def test_equals_the_library(digits: str) -> None:
    number = as_number(digits)
    fits = number is not None and len(digits) <= MAX_DIGITS
    assert PLAN.accepts(digits, NumberCheck.POSSIBLE) == (
        fits and phonenumbers.is_possible_number(number)
    )
    assert PLAN.accepts(digits, NumberCheck.VALID) == (
        fits and phonenumbers.is_valid_number(number)
    )


@given(near_numbers(), st.sampled_from(["", "+", "00"]))
def test_the_three_international_forms_read_the_same(digits: str, prefix: str) -> None:
    expected = digits if digits[0] != "0" and len(digits) <= MAX_DIGITS else None
    if expected is not None or prefix:
        assert PLAN.normalise(prefix + digits, international=True) == expected


@st.composite
def dialled_numbers(draw: st.DrawFn) -> tuple[str, str]:
    """A region, and digits as somebody might dial them there."""
    region = draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    digits = draw(st.sampled_from(NATIONAL[region]))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(digits) - 1))
        digits = digits[:at] + draw(DIGIT) + digits[at + draw(st.integers(0, 1)) :]
    return region, draw(st.sampled_from(["0", "0", "00", "8", "1", ""])) + digits


@settings(max_examples=1_000)
@given(dialled_numbers())
def test_what_is_dialled_with_a_trunk_zero_is_read_as_the_library_does(
    dialled: tuple[str, str],
) -> None:
    region, raw = dialled
    trunk = PLAN._trunk_forms.get(region) or PLAN._compile_trunk_form(region)
    found = trunk.matches(raw)
    if found is not None:
        number = phonenumbers.parse(raw, region)
        expected = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert f"+{trunk.country_code}{found[1]}" == expected
        assert phonenumbers.is_possible_number(number)


def test_most_regions_have_the_fast_form() -> None:
    fast = [region for region in NATIONAL if any(_is_dialled(region, n) for n in NATIONAL[region])]
    assert {"TH", "DE", "FR", "IN", "CH"} <= set(fast)
    assert len(fast) > 80


def _is_dialled(region: str, national: str) -> bool:
    trunk = PLAN._trunk_forms.get(region) or PLAN._compile_trunk_form(region)
    return trunk.matches(f"0{national}") is not None


@given(
    st.one_of(st.text(max_size=30), st.text("0123456789+ ().-", max_size=30)),
    st.sampled_from(["", *sorted(phonenumbers.SUPPORTED_REGIONS)]),
    st.booleans(),
)
def test_any_text_gives_digits_or_none(raw: str, region: str, international: bool) -> None:
    digits = PLAN.normalise(raw, region, international=international)
    if digits is not None:
        assert digits.isascii()
        assert digits.isdigit()
        assert digits[0] != "0"
        assert len(digits) <= MAX_DIGITS
        assert PLAN.normalise(digits) == digits
