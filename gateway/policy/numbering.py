"""Recipient numbers: from what a customer wrote to E.164 digits, and whether they can exist.

The numbering plans come from the metadata of `phonenumbers`, read once into one look-up by the
first three digits: a country code has one to three digits and none is the beginning of another, so
three digits name the country.  The library itself, 20 times slower, is only asked for numbers in
national form and numbers with separators.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, NumberParseException, PhoneNumberFormat
from phonenumbers.phonemetadata import PhoneMetadata, PhoneNumberDesc

from gateway.domain.account import NumberCheck

MAX_DIGITS = 15  # ITU-T E.164 6.2.1, country code included

# "+" or the international access code, then the number: what most customers send.
_E164 = re.compile(r"(\+|00)?([1-9][0-9]{0,14})").fullmatch
# Digits as people group them.  The length bounds the work of the slow path.
_WRITTEN = re.compile(r"[ (]{0,3}\+?[0-9 ().\-]{1,40}").fullmatch
_SEPARATORS = str.maketrans("", "", " ().-")

Match = Callable[[str], object]  # a compiled `fullmatch`


class Plan(NamedTuple):
    """The numbering plan of one region."""

    metadata: PhoneMetadata
    general: PhoneNumberDesc


class TrunkForm(NamedTuple):
    """How a number of a region is dialled there with its trunk "0"; group 1 is the national one."""

    country_code: str
    matches: Callable[[str], re.Match[str] | None]


def is_region(code: str) -> bool:
    """Whether `code` is an ISO 3166 alpha-2 region with a numbering plan (upper case)."""
    return code in phonenumbers.SUPPORTED_REGIONS


class NumberPlan:
    """The numbering plans of all countries and of the non-geographic codes (800, 870, 881 ...)."""

    __slots__ = ("_national_forms", "_total_lengths", "_trunk_forms", "_valid")

    def __init__(self) -> None:
        self._total_lengths: dict[str, frozenset[int]] = {}
        for country_code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
            # Regions that share a code share the lengths of the main one, which comes first.
            general = _plan(country_code, regions[0]).general
            # The library calls a subscriber number without its area code possible too.
            lengths = (*general.possible_length, *general.possible_length_local_only)
            code = str(country_code)
            totals = frozenset(len(code) + n for n in lengths if len(code) + n <= MAX_DIGITS)
            for head in _heads(code):
                self._total_lengths[head] = totals
        # Compiled on first use: most gateways see few countries, and +1 alone is 25 plans.
        self._valid: dict[str, Match] = {}
        self._national_forms: dict[str, Match] = {}
        self._trunk_forms: dict[str, TrunkForm] = {}

    def normalise(self, raw: str, region: str = "", *, international: bool = False) -> str | None:
        """E.164 digits of `raw`, without "+", or None when it is no number at all.

        Reads "+371...", "00371..." and plain digits, which are E.164 digits when `region` is empty
        or `international` is set (SMPP TON 1).  Space, ".", "-" and parentheses may separate
        digits; letters, extensions and digits of other scripts are refused.  The result has 1 to 15
        digits; whether such a number can exist is the question of `accepts`.

        With a `region` (see `is_region`), a number with neither "+" nor "00" is read as dialled
        there when it starts with "0" or has a length of that region's plan, with or without the
        trunk prefix; if that makes no possible number, it is E.164 digits after all.  So an account
        with a region writes foreign numbers with "+" or "00".

        Fast paths: "+", "00" or nothing before at most 15 digits that are not in doubt; and a trunk
        "0" before a national number of the region.  The library reads the rest, at 10 to 30 us:
        numbers with separators, and other national forms that are possible.
        """
        written = _E164(raw)
        if written is not None:
            digits: str = written[2]
            if not region or international or written[1]:
                return digits
            if not self._is_national_form(digits, region):
                return digits
        else:
            if region and not international:
                trunk_form = self._trunk_forms.get(region) or self._compile_trunk_form(region)
                dialled = trunk_form.matches(raw)
                if dialled is not None:
                    return trunk_form.country_code + dialled[1]
            if _WRITTEN(raw) is None:
                return None
        return self._read_written(raw, "" if international else region)

    def accepts(self, digits: str, check: NumberCheck) -> bool:
        """Whether the E.164 `digits` are possible (known country code and length) or valid.

        Equal to `is_possible_number` and `is_valid_number` of the library for the same digits,
        except that more than 15 are never accepted.
        """
        if len(digits) not in self._total_lengths.get(digits[:3], ()):
            return False
        if check == NumberCheck.POSSIBLE:
            return True
        matches = self._valid.get(digits[:3]) or self._compile_valid(digits[:3])
        return matches(digits) is not None

    def _is_national_form(self, digits: str, region: str) -> bool:
        matches = self._national_forms.get(region) or self._compile_national_form(region)
        return matches(digits) is not None

    def _read_written(self, raw: str, region: str) -> str | None:
        bare = raw.translate(_SEPARATORS)
        if bare.startswith("+"):
            return _parsed(raw)
        if bare.startswith("00"):
            return _parsed(f"+{bare[2:]}")
        if region and (bare.startswith("0") or self._is_national_form(bare, region)):
            digits = _parsed(raw, region)
            if digits is not None and self.accepts(digits, NumberCheck.POSSIBLE):
                return digits
        return _parsed(f"+{bare}")

    def _compile_national_form(self, region: str) -> Match:
        plan = _plan(phonenumbers.country_code_for_region(region), region)
        prefix = plan.metadata.national_prefix
        trunk = f"(?:{prefix})?" if prefix else ""
        matches = re.compile(trunk + _any_length(plan.general)).fullmatch
        self._national_forms[region] = matches
        return matches

    def _compile_trunk_form(self, region: str) -> "TrunkForm":
        code = phonenumbers.country_code_for_region(region)
        plan = _plan(code, region)
        metadata = plan.metadata
        pattern = "(?!)"
        # The library reads these as we do.  Where a plan has more to say of its trunk prefix, or a
        # number might be one dialled abroad, we ask it.
        if (
            metadata.national_prefix_for_parsing == "0"
            and not metadata.national_prefix_transform_rule
        ):
            totals = self._total_lengths[f"{code}00"[:3]]
            lengths = [n for n in plan.general.possible_length if len(str(code)) + n in totals]
            abroad = metadata.international_prefix or "(?!)"
            national = plan.general.national_number_pattern
            anyhow = "|".join(rf"\d{{{n}}}" for n in lengths)
            pattern = rf"(?!{abroad})0(?=(?:{anyhow})\Z)((?:{national}))"
        matches = re.compile(pattern, re.ASCII).fullmatch
        form = self._trunk_forms[region] = TrunkForm(str(code), matches)
        return form

    def _compile_valid(self, head: str) -> Match:
        code = next(c for c in (head[:1], head[:2], head) if int(c) in COUNTRY_CODE_TO_REGION_CODE)
        matches = re.compile(_valid_pattern(int(code)), re.ASCII).fullmatch
        for each in _heads(code):
            self._valid[each] = matches
        return matches


def _heads(code: str) -> Iterator[str]:
    """Every three digits that a number with country code `code` can start with."""
    width = 3 - len(code)
    return (f"{code}{n:0{width}d}" if width else code for n in range(10**width))


def _plan(country_code: int, region: str) -> Plan:
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(country_code, region)
    if metadata is None or metadata.general_desc is None:
        raise ValueError(f"no numbering plan for region {region!r}, country code {country_code}")
    return Plan(metadata, metadata.general_desc)


def _parsed(text: str, region: str | None = None) -> str | None:
    """E.164 digits of `text` as the library reads it; None when it cannot or they are too many."""
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return None
    digits = phonenumbers.format_number(number, PhoneNumberFormat.E164)[1:]
    return digits if len(digits) <= MAX_DIGITS else None


def _valid_pattern(country_code: int) -> str:
    """One regex for all regions of a country code, with the library's order of decision.

    A region with leading digits owns every number that starts with them, valid or not; a region
    without them owns a number only when one of its types matches.
    """
    pattern = "(?!)"
    for region in reversed(COUNTRY_CODE_TO_REGION_CODE[country_code]):
        plan = _plan(country_code, region)
        own = _region_pattern(plan)
        leading = plan.metadata.leading_digits
        if leading is None:
            pattern = f"(?:{own}|{pattern})"
        else:
            pattern = f"(?:(?={leading}){own}|(?!{leading}){pattern})"
    return str(country_code) + pattern


def _region_pattern(plan: Plan) -> str:
    """A national number of the region: its general form, and the form of one of its types."""
    metadata = plan.metadata
    # Which type it is does not matter here, so the one that receives most messages comes first.
    types = (
        metadata.mobile, metadata.fixed_line, metadata.toll_free, metadata.premium_rate,
        metadata.shared_cost, metadata.voip, metadata.personal_number, metadata.pager,
        metadata.uan, metadata.voicemail,
    )  # fmt: skip
    forms = [_form(desc) for desc in types if desc and desc.national_number_pattern]
    return rf"(?={_form(plan.general)}\Z)(?:{'|'.join(forms)})\Z"


def _form(desc: PhoneNumberDesc) -> str:
    return rf"(?={_any_length(desc)}\Z)(?:{desc.national_number_pattern})"


def _any_length(desc: PhoneNumberDesc) -> str:
    return "(?:" + "|".join(f"[0-9]{{{n}}}" for n in desc.possible_length if n > 0) + ")"
