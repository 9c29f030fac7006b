"""What can be asked about a number, and what is known of it: plain values."""

from enum import Enum, auto
from typing import NamedTuple


class Subscriber(Enum):
    """What a home location register says of the subscriber behind a number."""

    LIVE = auto()
    DEAD = auto()  # no longer in use
    INCONCLUSIVE = auto()  # the network gave no answer
    NO_TELESERVICE = auto()  # cannot receive SMS
    ABSENT = auto()  # off, or out of reach
    UNSUPPORTED = auto()  # no such number, or nobody who could be asked


# Nobody pays for these: they are no answer.
UNANSWERED = frozenset({Subscriber.INCONCLUSIVE, Subscriber.UNSUPPORTED})


class NumberKind(Enum):
    """What a numbering plan gives a number for."""

    FIXED = auto()
    MOBILE = auto()
    SERVICE = auto()  # free, shared or premium charge, voice mail, paging ...
    UNKNOWN = auto()


class HlrRecord(NamedTuple):
    """The answer to an HLR query.  Empty text and None = unknown.

    `number` is E.164 digits, `country` its English name, `mccmnc` the codes of the network together
    (ITU-T E.212).
    """

    number: str
    subscriber: Subscriber
    country: str = ""
    operator: str = ""
    kind: NumberKind = NumberKind.UNKNOWN
    mccmnc: str = ""
    is_roaming: bool | None = None
    is_ported: bool | None = None


class NumberRecord(NamedTuple):
    """What the numbering plans know of a valid number.  Empty text = unknown.

    `region` is ISO 3166-1 alpha-2; `network` the operator that the range was given to, whoever
    serves the number since; `mcc` and `mnc` are ITU-T E.212 codes.
    """

    number: str
    country: str
    region: str
    country_code: str
    kind: NumberKind
    network: str = ""
    mcc: str = ""
    mnc: str = ""


class LookupFailure(Enum):
    """Why a query has no answer; nothing was charged."""

    NOT_OFFERED = auto()  # no connector, or no price in the account's currency
    UNAVAILABLE = auto()  # the connector's peer could not be asked, or did not answer in time
    UNREADABLE = auto()  # its answer made no sense
