"""The rows of bulks: what a commit writes of them and what a store gives back.

Plain tuples, like everything in a commit group.  Field order is the column order of the tables.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.domain.bulk import RecipientState
from gateway.domain.message import Message

# The states a recipient may move between once its bulk is there; a column of `bulk` counts each.
COUNTED = (
    RecipientState.PENDING, RecipientState.DELIVERED, RecipientState.FAILED,
    RecipientState.REJECTED, RecipientState.EXPIRED, RecipientState.CANCELLED,
    RecipientState.HANDED_OVER, RecipientState.UNKNOWN,
)  # fmt: skip


class NewBulk(NamedTuple):
    """A row of `bulk` at its commit; the columns of the other counts start at 0.

    Its recipients up to `fed_n` have become messages, as far as they are valid.  What the others
    cost, `unfed_micros` for `unfed_count` of them, is the bulk's own money, in the state `money`.
    `classes`: a JSON list of prices of one part in micro-units, which recipients name by index.
    """

    key: int
    account_id: int
    credential_id: int
    door: int
    state: int
    sender: str
    money: int
    alphabet: int
    parts: int
    recipients: int
    valid: int
    total_micros: int
    unfed_micros: int
    unfed_count: int
    fed_n: int
    due_at_ms: int
    created_at_ms: int
    classes: str
    pending: int
    invalid: int
    blocked: int


class NewBulkRecipient(NamedTuple):
    """A row of `bulk_recipient`, numbered `n` from 1 inside its bulk."""

    bulk_key: int
    n: int
    recipient: str
    state: int
    price_class: int
    changed_at_ms: int


class BulkStep(NamedTuple):
    """A bulk starts, is cancelled or is fed; written only where it still is where it was.

    A step that finds it elsewhere takes its whole group back.
    """

    key: int
    was_state: int
    was_fed_n: int
    state: int
    money: int
    fed_n: int
    unfed_micros: int
    unfed_count: int
    cancelled_at_ms: int


class BulkRecipientChange(NamedTuple):
    """What became of one recipient."""

    bulk_key: int
    recipient_n: int
    state: int
    changed_at_ms: int


class BulkCounts(NamedTuple):
    """How a group moves the counts of a bulk, signed; the fields are the states of `COUNTED`."""

    key: int
    pending: int
    delivered: int
    failed: int
    rejected: int
    expired: int
    cancelled: int
    handed_over: int
    unknown: int


class BulkRows(NamedTuple):
    """What one commit writes of one bulk: its beginning, or its next step.

    `messages` are the recipients that have become messages; their price is the bulk's, so the
    commit moves no money for them.
    """

    bulk: NewBulk | None = None
    recipients: Sequence[NewBulkRecipient] = ()
    step: BulkStep | None = None
    counts: BulkCounts | None = None
    messages: Sequence[Message] = ()


class UnfedRecipient(NamedTuple):
    """A pending recipient, as the feeder reads it."""

    n: int
    recipient: str
    price_class: int


class StoredBulk(NamedTuple):
    """A row of `bulk` as read, with the text of its batch (empty once its messages are purged)."""

    key: int
    account_id: int
    credential_id: int
    door: int
    state: int
    sender: str
    money: int
    alphabet: int
    parts: int
    recipients: int
    valid: int
    total_micros: int
    unfed_micros: int
    unfed_count: int
    fed_n: int
    due_at_ms: int
    created_at_ms: int
    classes: str
    pending: int
    invalid: int
    blocked: int
    delivered: int
    failed: int
    rejected: int
    expired: int
    cancelled: int
    handed_over: int
    unknown: int
    cancelled_at_ms: int
    text: str


class StoredRecipient(NamedTuple):
    """A row of `bulk_recipient` as a query reads it."""

    n: int
    recipient: str
    state: int
    changed_at_ms: int
