"""Message numbers as phone numbers and back.

Recipients are +49 1 (mobile), a digit for the area, which decides the route, and nine digits made
of the message's number.  One message of PERIOD in turn gets one of the simulators' magic endings
0001 to 0005 (docs/simulator.md).
"""

from enum import Enum

PERIOD = 500  # consecutive numbers that share their first five digits
MAGIC = frozenset(range(1, 6))
MOST = 10**5 * PERIOD

_PREFIX = "491"
_DIGITS = 9


class Area(Enum):
    """Where a number belongs; the value is its digit."""

    SMSC = "5"  # one SMPP carrier
    HTTP = "6"  # one HTTP carrier
    EITHER = "7"  # the SMPP carrier, or the HTTP carrier when that one cannot take it

    @property
    def prefix(self) -> str:
        """The first digits of its numbers."""
        return _PREFIX + self.value


def recipient(number: int, area: Area) -> str:
    """E.164 digits without "+"; `number` below MOST."""
    return area.prefix + digits(number)


def digits(number: int) -> str:
    """The last nine digits of a message's recipient: those that are its number."""
    block, rest = divmod(number, PERIOD)
    return f"{block:05d}{rest + 1:04d}"


def number_of(recipient: str) -> int:
    """The message's number, with or without "+".

    Raises:
        ValueError: not a recipient of ours.
    """
    e164 = recipient.removeprefix("+")
    if len(e164) != len(_PREFIX) + 1 + _DIGITS or not e164.startswith(_PREFIX):
        raise ValueError(f"{recipient!r} is no recipient of this run")
    return int(e164[4:9]) * PERIOD + int(e164[9:]) - 1


def is_magic(number: int) -> bool:
    """Whether the simulators treat it in a way of its own."""
    return number % PERIOD + 1 in MAGIC
