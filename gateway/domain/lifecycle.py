"""The life of a message: its states and the moves between them.

Theory of operation.  A message is born QUEUED when its commit group is on disk.  It leaves QUEUED
by an attempt: `Sent` moves it to SENT (a receipt is awaited) or straight to the final HANDED_OVER
(no receipt is to be expected).  A provider with `unknown = "hold"` commits ATTEMPTED before the
first byte leaves.  A final state is final once; the one exception is UNKNOWN (the receipt window is
over), which a later receipt may still turn into DELIVERED, FAILED, REJECTED or EXPIRED.  Money
never moves at that second turn.  `MOVES` is the whole machine: a pair that is absent is a defect.
"""

from enum import IntEnum


class MessageState(IntEnum):
    """Where a message is.  Values are stored; never renumber."""

    QUEUED = 0
    ATTEMPTED = 1
    SENT = 2
    DELIVERED = 10
    FAILED = 11
    REJECTED = 12
    EXPIRED = 13
    CANCELLED = 14
    HANDED_OVER = 15  # shown as `sent`: no receipt is to be expected
    UNKNOWN = 16


FIRST_FINAL = MessageState.DELIVERED
FINAL_STATES = frozenset(s for s in MessageState if s >= FIRST_FINAL)

_S = MessageState
_FROM_RECEIPT = {_S.DELIVERED, _S.FAILED, _S.REJECTED, _S.EXPIRED, _S.CANCELLED, _S.UNKNOWN}
MOVES: dict[MessageState, frozenset[MessageState]] = {
    # A receipt may arrive before the response that would have made the message SENT.
    _S.QUEUED: frozenset({_S.ATTEMPTED, _S.SENT, _S.HANDED_OVER} | _FROM_RECEIPT),
    _S.ATTEMPTED: frozenset({_S.QUEUED, _S.SENT, _S.HANDED_OVER} | _FROM_RECEIPT),
    _S.SENT: frozenset({_S.QUEUED, _S.HANDED_OVER} | _FROM_RECEIPT),
    _S.UNKNOWN: frozenset({_S.DELIVERED, _S.FAILED, _S.REJECTED, _S.EXPIRED}),
    _S.DELIVERED: frozenset(),
    _S.FAILED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.HANDED_OVER: frozenset(),
}


def is_final(state: int) -> bool:
    """Whether `state` is one of the seven final states."""
    return state >= FIRST_FINAL


class MoneyState(IntEnum):
    """What happened to a message's charge.  Values are stored; never renumber."""

    NONE = 0  # costs nothing
    HELD = 1  # reserved, not yet charged (charge = "submit" or "delivery")
    CHARGED = 2
    REFUNDED = 3  # charged and given back, or a hold released


class NotifyWhen(IntEnum):
    """Which final states the customer wants to hear of (SMPP v3.4 5.2.17).  Values are stored."""

    NEVER = 0
    ALWAYS = 1
    FAILURE = 2
    SUCCESS = 3


class Notified(IntEnum):
    """How far the customer's notification has come.  Values are stored."""

    NONE = 0
    PENDING = 1
    DONE = 2
    ABANDONED = 3  # nobody bound for receipt_keep, or the webhook's retries are used up


# Bound once: reaching a member through its class costs eight times a global.
_ALWAYS, _NEVER = NotifyWhen.ALWAYS, NotifyWhen.NEVER


def wants_notification(when: int, state: int) -> bool:
    """Whether final `state` is to be told to a customer who asked for `when`."""
    if when == _ALWAYS:
        return True
    if when == _NEVER:
        return False
    succeeded = state in (MessageState.DELIVERED, MessageState.HANDED_OVER)
    return succeeded == (when == NotifyWhen.SUCCESS)
