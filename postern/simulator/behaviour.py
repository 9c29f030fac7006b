"""What a simulated carrier does with each message: magic numbers, delays, scripted misbehaviour.

Pure: time comes in as an argument, and the spread of the delays is a fixed sequence, so that two
runs with the same traffic behave alike.  The wires (`smsc`, `http_carrier`) only act on the answers
given here.
"""

from dataclasses import dataclass, fields
from enum import Enum, auto
from typing import NamedTuple

from postern.simulator.garbage import HARMLESS, Garbage

# By the last four digits of the recipient; printed by `postern simulate` and in docs/simulator.md.
MAGIC_NUMBERS = {
    "0001": "is accepted, then fails",
    "0002": "never gets a receipt",
    "0003": "gets its receipt late",
    "0004": "is throttled first, accepted on the next try",
    "0005": "is accepted, then expires",
}
_NO_RECEIPT, _LATE, _THROTTLED_FIRST = "0002", "0003", "0004"

# After its first, throttled submit a recipient in 0004 is let through for this long.
THROTTLE_MEMORY_S = 60.0
MOST_THROTTLED = 10_000  # recipients remembered; above it the oldest is forgotten

_GOLDEN_RATIO = 0.6180339887498949


class Fate(Enum):
    """How an accepted message ends; the value is the error code of its receipt."""

    DELIVERED = "000"
    FAILED = "001"
    EXPIRED = "005"


_FATES = {"0001": Fate.FAILED, "0005": Fate.EXPIRED}


class Answer(Enum):
    """What a submit is told."""

    ACCEPT = auto()
    THROTTLE = auto()
    REJECT = auto()
    SILENCE = auto()  # the message is taken and nobody hears of it
    GARBAGE = auto()  # it is taken, and the answer is none


class Plan(NamedTuple):
    """The decision on one submit.  `fate` None: no receipt will come.

    `garbage` is sent instead of the answer, or before it when the answer is ACCEPT.
    """

    answer: Answer
    fate: Fate | None = None
    receipt_delay_s: float = 0.0
    garbage: Garbage | None = None


class IdFormat(Enum):
    """How a message id is written; the values are format specifications."""

    DECIMAL = "d"
    HEX = "x"
    UPPER_HEX = "X"
    PADDED_DECIMAL = "020d"
    PADDED_HEX = "016x"

    def render(self, number: int) -> str:
        """`number` in this format."""
        return format(number, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The script of one simulated carrier; the defaults are those of a good one.

    Args:
        answer_delay_s: wait before each answer.
        receipt_delay_s: shortest and longest wait from the answer to the receipt.
        late_by_s: what recipients in 0003 wait beyond that.
        reject_status: answer to rejected submits, 0 for none: a command_status or an HTTP status.
        reject_every: rejects every n-th submit, when there is a reject_status.
        throttle_every: throttles every n-th submit, 0 for none.
        silence_every: takes every n-th message without answering, 0 for none; no receipt either.
        garbage: what it sends with, or instead of, some answers.
        garbage_every: to every n-th message.
        drop_after: cuts a connection instead of answering its n-th message, 0 for never.
        unbind_after: unbinds a connection after answering its n-th message, 0 for never.
        stop_reading_after: reads nothing more of a connection after its n-th message, 0 for never.
        ignore_binds: how many binds, from the first, are not answered at all.
        refuse_binds: how many binds after those are refused.
        bind_status: with what.
        response_ids: how ids are written in answers.
        receipt_ids: how the same ids are written in receipts.
        receipt_first: sends the receipt before the answer, without its delay.
        duplicate_receipts: how many times each receipt is repeated.
        stray_receipts: how many receipts for messages of nobody come with each receipt.

    Raises:
        ValueError: a negative number, or receipt delays in the wrong order.
    """

    answer_delay_s: float = 0.0
    receipt_delay_s: tuple[float, float] = (0.2, 0.5)
    late_by_s: float = 10.0
    reject_status: int = 0
    reject_every: int = 1
    throttle_every: int = 0
    silence_every: int = 0
    garbage: Garbage | None = None
    garbage_every: int = 1
    drop_after: int = 0
    unbind_after: int = 0
    stop_reading_after: int = 0
    ignore_binds: int = 0
    refuse_binds: int = 0
    bind_status: int = 0x0D  # ESME_RBINDFAIL
    response_ids: IdFormat = IdFormat.DECIMAL
    receipt_ids: IdFormat = IdFormat.DECIMAL
    receipt_first: bool = False
    duplicate_receipts: int = 0
    stray_receipts: int = 0

    def __post_init__(self) -> None:
        shortest, longest = self.receipt_delay_s
        if not 0 <= shortest <= longest:
            raise ValueError(
                f"receipt delays {shortest} to {longest} s: expected 0 <= shortest <= longest"
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value < 0:
                raise ValueError(f"{field.name} is {value}: it cannot be negative")


_THROTTLE = Plan(Answer.THROTTLE)
_REJECT = Plan(Answer.REJECT)
_SILENCE = Plan(Answer.SILENCE)
_ACCEPT_ONLY = Plan(Answer.ACCEPT)


class Judge:
    """Decides on the submits of one carrier, in their order."""

    __slots__ = ("_behaviour", "_receipts", "_submits", "_throttled")

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._submits = 0
        self._receipts = 0
        # Recipient and when its throttling is forgotten; the order of insertion is that of expiry.
        self._throttled: dict[str, float] = {}

    def judge(self, recipient: str, now: float) -> Plan:
        """The plan for a message to `recipient`; `now` is in seconds of a monotonic clock."""
        behaviour = self._behaviour
        self._submits += 1
        if behaviour.reject_status and self._is_nth(behaviour.reject_every):
            return _REJECT
        if self._is_nth(behaviour.throttle_every):
            return _THROTTLE
        ending = recipient[-4:]
        if ending == _THROTTLED_FIRST and self._is_first(recipient, now):
            return _THROTTLE
        if self._is_nth(behaviour.silence_every):
            return _SILENCE
        garbage = behaviour.garbage if self._is_nth(behaviour.garbage_every) else None
        if garbage is not None and garbage not in HARMLESS:
            return Plan(Answer.GARBAGE, garbage=garbage)
        if ending == _NO_RECEIPT:
            return _ACCEPT_ONLY._replace(garbage=garbage)
        delay_s = self._next_delay_s()
        if ending == _LATE:
            delay_s += behaviour.late_by_s
        return Plan(Answer.ACCEPT, _FATES.get(ending, Fate.DELIVERED), delay_s, garbage)

    def _is_nth(self, every: int) -> bool:
        return every > 0 and self._submits % every == 0

    def _is_first(self, recipient: str, now: float) -> bool:
        """Whether a recipient in 0004 has not been throttled lately; remembers that it is now."""
        throttled = self._throttled
        while throttled:
            oldest = next(iter(throttled))
            if throttled[oldest] > now and len(throttled) <= MOST_THROTTLED:
                break
            del throttled[oldest]
        if recipient in throttled:
            return False
        throttled[recipient] = now + THROTTLE_MEMORY_S
        return True

    def _next_delay_s(self) -> float:
        """Delays spread evenly over the range, neighbours far apart."""
        shortest, longest = self._behaviour.receipt_delay_s
        self._receipts += 1
        return shortest + (longest - shortest) * (self._receipts * _GOLDEN_RATIO % 1.0)
