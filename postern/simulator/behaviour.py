"""What a simulated carrier does with each message: magic numbers, delays, scripted misbehaviour.

Pure: time comes in as an argument, and the spread of the delays is a fixed sequence, so that two
runs with the same traffic behave alike.  The wires (`smsc`, `http_carrier`) only act on the answers
given here.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

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


class Plan(NamedTuple):
    """The decision on one submit.  `fate` None: no receipt will come."""

    answer: Answer
    fate: Fate | None = None
    receipt_delay_s: float = 0.0


class IdFormat(Enum):
    """How a message id is written."""

    DECIMAL = "d"
    HEX = "x"

    def render(self, number: int) -> str:
        """`number` in this format, in lower case and without leading zeros."""
        return format(number, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The script of one simulated carrier; the defaults are those of a good one.

    Args:
        answer_delay_s: wait before each answer.
        receipt_delay_s: shortest and longest wait from the answer to the receipt.
        late_by_s: what recipients in 0003 wait beyond that.
        reject_status: answer to every submit, 0 for none: a command_status or an HTTP status.
        throttle_every: throttles every n-th submit, 0 for none.
        drop_after: cuts a connection instead of answering its n-th message, 0 for never.
        never_answer: takes messages without answering; no receipts either.
        response_ids: how ids are written in answers.
        receipt_ids: how the same ids are written in receipts.
        receipt_first: sends the receipt before the answer, without its delay.
        duplicate_receipts: how many times each receipt is repeated.

    Raises:
        ValueError: a negative number, or receipt delays in the wrong order.
    """

    answer_delay_s: float = 0.0
    receipt_delay_s: tuple[float, float] = (0.2, 0.5)
    late_by_s: float = 10.0
    reject_status: int = 0
    throttle_every: int = 0
    drop_after: int = 0
    never_answer: bool = False
    response_ids: IdFormat = IdFormat.DECIMAL
    receipt_ids: IdFormat = IdFormat.DECIMAL
    receipt_first: bool = False
    duplicate_receipts: int = 0

    def __post_init__(self) -> None:
        shortest, longest = self.receipt_delay_s
        if not 0 <= shortest <= longest:
            raise ValueError(
                f"receipt delays {shortest} to {longest} s: expected 0 <= shortest <= longest"
            )
        for name in (
            "answer_delay_s", "late_by_s", "reject_status", "throttle_every", "drop_after",
            "duplicate_receipts",
        ):  # fmt: skip
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it cannot be negative")


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
        if behaviour.reject_status:
            return _REJECT
        if behaviour.throttle_every and self._submits % behaviour.throttle_every == 0:
            return _THROTTLE
        ending = recipient[-4:]
        if ending == _THROTTLED_FIRST and self._is_first(recipient, now):
            return _THROTTLE
        if behaviour.never_answer:
            return _SILENCE
        if ending == _NO_RECEIPT:
            return _ACCEPT_ONLY
        delay_s = self._next_delay_s()
        if ending == _LATE:
            delay_s += behaviour.late_by_s
        return Plan(Answer.ACCEPT, _FATES.get(ending, Fate.DELIVERED), delay_s)

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
