"""What the numbering plans say of a number: its country, its kind, and whose range it is.

From the metadata of `phonenumbers` and the table of networks; nobody is asked, so a ported number
still shows the operator that its range was given to.
"""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType, carrier

from gateway.domain.lookup import NumberKind, NumberRecord
from gateway.policy.networks import NO_NETWORK, NetworkTable

_T = PhoneNumberType
_SERVICE = NumberKind.SERVICE
_KINDS: dict[int, NumberKind] = {
    _T.FIXED_LINE: NumberKind.FIXED,
    # Where the plan does not tell them apart (North America), as the vendor's own example has it.
    _T.FIXED_LINE_OR_MOBILE: NumberKind.FIXED,
    _T.MOBILE: NumberKind.MOBILE,
    _T.VOIP: NumberKind.FIXED,
    _T.TOLL_FREE: _SERVICE,
    _T.PREMIUM_RATE: _SERVICE,
    _T.SHARED_COST: _SERVICE,
    _T.PERSONAL_NUMBER: _SERVICE,
    _T.PAGER: _SERVICE,
    _T.UAN: _SERVICE,
    _T.VOICEMAIL: _SERVICE,
}


class NumberFacts:
    """Looks numbers up in the plans; about 0.1 ms each."""

    __slots__ = ("_networks",)

    def __init__(self) -> None:
        self._networks = NetworkTable()

    def record(self, number: str) -> NumberRecord | None:
        """What is known of the E.164 digits `number`; None when no plan has such a number."""
        try:
            parsed = phonenumbers.parse(f"+{number}")
        except NumberParseException:
            return None
        region = phonenumbers.region_code_for_number(parsed)
        if region is None or not phonenumbers.is_valid_number_for_region(parsed, region):
            return None
        kind = _KINDS.get(phonenumbers.number_type(parsed), NumberKind.UNKNOWN)
        operator: str = carrier.name_for_valid_number(parsed, "en")
        network = NO_NETWORK
        if kind is NumberKind.MOBILE:
            network = self._networks.network(region, operator)
        return NumberRecord(
            number,
            self._networks.country(region),
            region if len(region) == 2 else "",  # "001": a code that is no country's
            str(parsed.country_code),
            kind,
            operator,
            *network,
        )

    def country(self, number: str) -> str:
        """English name of the country of E.164 digits; empty when no plan knows it."""
        try:
            parsed = phonenumbers.parse(f"+{number}")
        except NumberParseException:
            return ""
        region = phonenumbers.region_code_for_number(parsed)
        return self._networks.country(region) if region is not None else ""
