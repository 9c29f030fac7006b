"""A bulk: one content for up to millions of recipients, each a row of its own for good.

The rows are the truth for listings, refused recipients included.  Messages are made of them at the
pace of the providers, and write their fate back.  A recipient is numbered `n` from 1 in the order
of the request, repeated numbers left out.
"""

from enum import IntEnum
from typing import NamedTuple

from gateway.domain.lifecycle import MessageState
from gateway.domain.sms_text import Alphabet


class BulkState(IntEnum):
    """Values are stored."""

    INTAKE = 0  # its recipients are still coming in; a restart deletes it
    SCHEDULED = 1  # for later; its price is held
    RUNNING = 2  # its messages are being made, or all are
    CANCELLED = 3  # while it was scheduled


class RecipientState(IntEnum):
    """What became of a recipient; the final ones of a message have its values.  Values are stored.

    A pending recipient of a cancelled bulk counts as cancelled.
    """

    PENDING = 0
    DELIVERED = MessageState.DELIVERED
    FAILED = MessageState.FAILED
    REJECTED = MessageState.REJECTED
    EXPIRED = MessageState.EXPIRED
    CANCELLED = MessageState.CANCELLED
    HANDED_OVER = MessageState.HANDED_OVER
    UNKNOWN = MessageState.UNKNOWN
    INVALID = 32  # no number that could be charged
    BLOCKED = 33


class BulkQuote(NamedTuple):
    """What a bulk costs.  `recipients` are the distinct ones, `valid` those that are paid for."""

    recipients: int
    valid: int
    alphabet: Alphabet
    parts: int  # per recipient
    total_micros: int


class BulkOrder(NamedTuple):
    """What is to be sent.  `due_at_ms` 0 = now."""

    sender: str
    text: str
    due_at_ms: int = 0


class BulkView(NamedTuple):
    """A bulk as a query shows it.  Times are UTC milliseconds, 0 = unset.

    `counts`: recipients by state, absent = 0.  `parts` is per recipient, `total_micros` the price
    of the valid ones together.
    """

    key: int
    account_id: int
    state: BulkState
    sender: str
    text: str
    recipients: int
    parts: int
    total_micros: int
    due_at_ms: int  # as asked for, 0 = at once
    created_at_ms: int
    counts: dict[RecipientState, int]
    cancelled_at_ms: int = 0


class BulkRecipient(NamedTuple):
    """A recipient as a query shows it: E.164 digits, or what was written when it is INVALID."""

    n: int
    recipient: str
    state: RecipientState
    changed_at_ms: int  # of its end, 0 = not yet
