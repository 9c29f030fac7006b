"""What each message of an ordeal is, decided by its number alone: both ends can work it out."""

from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import MessageState
from gateway.domain.sms_text import measure

_DIGITS = 7
RESENDING, HOLDING = "resending", "holding"  # providers, named for their `unknown`
PREFIXES = {RESENDING: "3712", HOLDING: "3716"}
MOST_PARTS = 3


class Fate(Enum):
    """What the carrier decides."""

    DELIVERED = MessageState.DELIVERED
    FAILED = MessageState.FAILED
    EXPIRED = MessageState.EXPIRED
    REFUSED = MessageState.REJECTED  # its submit_sm is answered with an error

    @property
    def stat(self) -> str:
        """The word of Appendix B."""
        return WORDS[self.value].smpp_stat


class ReceiptTime(Enum):
    """When the carrier sends the receipt; seconds after its answer, or before it."""

    BEFORE_ANSWER = -1.0
    AT_ONCE = 0.0
    SOON = 0.03
    LATER = 0.15


class Sms(NamedTuple):
    """One message; `number` is unique in an ordeal, and so is `recipient`."""

    number: int
    provider: str
    recipient: str
    text: str
    part_count: int
    fate: Fate
    receipt_time: ReceiptTime
    answer_delay_s: float


_FATES = {7: Fate.FAILED, 13: Fate.EXPIRED, 19: Fate.REFUSED}
_RECEIPT_TIMES = (ReceiptTime.AT_ONCE, ReceiptTime.SOON, ReceiptTime.LATER)


def sms(number: int, provider: str) -> Sms:
    """Message `number`, to be carried by `provider`."""
    text = f"{number:0{_DIGITS}d} in one part"
    if number % 6 == 0:
        text = f"{text[:7]} in two parts {'of seven bits ' * 13}"
    elif number % 6 == 3:
        text = f"{text[:7]} in three parts {'no Rīgas ' * 15}"
    text = text.strip()
    receipt_time = _RECEIPT_TIMES[number % 4 % 3]
    if number % 41 == 5:
        receipt_time = ReceiptTime.BEFORE_ANSWER
    return Sms(
        number,
        provider,
        f"{PREFIXES[provider]}{number:0{_DIGITS}d}",
        text,
        measure(text)[1],
        _FATES.get(number % 20, Fate.DELIVERED),
        receipt_time,
        number % 5 / 1000,
    )


@lru_cache(maxsize=4096)
def sms_to(recipient: str) -> Sms:
    """The message to `recipient`.

    Raises:
        KeyError: nobody would have sent it.
    """
    providers = {prefix: provider for provider, prefix in PREFIXES.items()}
    return sms(int(recipient[-_DIGITS:]), providers[recipient[:-_DIGITS]])
