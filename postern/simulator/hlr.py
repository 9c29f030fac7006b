"""The simulated HLR: ``GET /hlr?number=N``, decided by the number's last four digits.  Pure."""

from collections.abc import Mapping
from typing import NamedTuple

# Printed in docs/simulator.md.  Anything else is live, at home and not ported.
MAGIC_NUMBERS: Mapping[str, Mapping[str, object]] = {
    "0001": {"state": "dead"},
    "0002": {"state": "inconclusive"},
    "0003": {"state": "absent"},
    "0004": {"state": "no_teleservice"},
    "0005": {"state": "unsupported"},
    "0006": {"type": "landline", "mccmnc": "", "operator": "Simulated Fixed"},
    "0010": {"roaming": True, "ported": True},
}
FAILS, BABBLES = "0008", "0009"

_LIVE: Mapping[str, object] = {
    "state": "live",
    "operator": "Simulated Mobile",
    "type": "mobile",
    "mccmnc": "00101",  # the test network of ITU-T E.212
    "roaming": False,
    "ported": False,
}


class HlrReply(NamedTuple):
    """Status and JSON body."""

    status: int
    body: Mapping[str, object]


def hlr_reply(number: str) -> HlrReply:
    """What is answered about `number`, digits with or without "+"."""
    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal()):
        return HlrReply(400, {"error": "number is no number"})
    ending = digits[-4:]
    if ending == FAILS:
        return HlrReply(503, {"error": "no network could be asked"})
    if ending == BABBLES:
        return HlrReply(200, {"oops": True})
    return HlrReply(200, {"number": digits, **_LIVE, **MAGIC_NUMBERS.get(ending, {})})
