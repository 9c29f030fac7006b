"""What one commit writes, and the rows a store gives back.

The journal (`gateway.flow.journal`) fills a CommitGroup on the event loop; a store writes it in one
transaction.  Everything in it is a snapshot: plain tuples, so that a writer thread never sees a
live object change.  Field order of the tuples is the column order of the tables.
"""

from enum import IntEnum
from typing import NamedTuple

from gateway.domain.bulk_rows import (
    BulkCounts,
    BulkRecipientChange,
    BulkStep,
    NewBulk,
    NewBulkRecipient,
)
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message


class LedgerKind(IntEnum):
    """Why a balance moved.  Values are stored."""

    OPENING = 1
    TOP_UP = 2
    CHARGE = 3
    REFUND = 4
    ADJUSTMENT = 5
    CLOSING = 6  # charges less refunds, of many old lines
    FEE = 7  # for what is no message, such as a number query


class EventKind(IntEnum):
    """What deviated on a message's way; the normal steps are columns of its row.

    Values are stored.  A refusal needs none: the final state and its error tell it.
    """

    RETRY = 1
    FALL_THROUGH = 2
    THROTTLED = 3
    UNKNOWN_OUTCOME = 4
    RESENT_AFTER_RESTART = 5
    LATE_RECEIPT = 6
    REPEATED_RECEIPT = 7
    LATE_ANSWER = 8
    EXPIRED = 10
    NOTIFICATION_ABANDONED = 12
    CANCELLED = 14


class NewMessage(NamedTuple):
    """A row of `message` at birth; the mutable columns start at their defaults.

    `text` is null when the content stands in `batch` or is opaque.
    """

    key: int
    account_id: int
    credential_id: int | None
    door: int
    channel: int
    batch_key: int | None
    priority: int
    sender: str
    recipient: str
    text: str | None
    octets: bytes | None
    data_coding: int | None
    esm_class: int | None
    tlvs: bytes | None
    alphabet: int
    part_count: int
    charge_micros: int
    money: int
    notify_when: int
    door_note: int
    due_at_ms: int
    expires_at_ms: int


class NewBatch(NamedTuple):
    """A row of `batch`: the content shared by its messages."""

    key: int
    account_id: int
    text: str | None
    octets: bytes | None
    data_coding: int | None
    esm_class: int | None
    tlvs: bytes | None
    message_count: int


class MessageChange(NamedTuple):
    """All mutable columns of a message row; written only where `state` still is `was_state`."""

    key: int
    was_state: int
    state: int
    money: int
    provider_id: int | None
    provider_message_id: str | None
    attempts: int
    due_at_ms: int
    sent_at_ms: int
    final_at_ms: int
    error: str
    notified: int


class PartChange(NamedTuple):
    """A row of `part`, inserted or replaced."""

    message_key: int
    n: int
    provider_id: int | None
    provider_message_id: str | None
    state: int


class LedgerLine(NamedTuple):
    """A row of `ledger`: `amount_micros` is signed (a charge is negative)."""

    account_id: int
    kind: int
    amount_micros: int
    message_count: int
    at_ms: int
    note: str


class DoorText(NamedTuple):
    """A row of `door_text`: what a door keeps with a message or a batch, whose key it has."""

    key: int
    text: str


class CreditChange(NamedTuple):
    """What a group does to one account's row.

    Both are signed.  When `guarded`, the row may only change if its available amount (balance -
    held) does not end below the account's limit; else the commit fails with `CreditConflict`.
    """

    account_id: int
    balance_micros: int
    held_micros: int
    guarded: bool


class MessageEvent(NamedTuple):
    """A row of `event`."""

    message_key: int
    at_ms: int
    kind: int
    provider_id: int | None
    detail: str


class IdempotencyRow(NamedTuple):
    """A row of `idempotency`; primary key (account_id, endpoint, key_digest)."""

    account_id: int
    endpoint: str
    key_digest: bytes
    body_digest: bytes
    status: int
    body: bytes
    at_ms: int


class ParkedReceipt(NamedTuple):
    """A row of `parked_receipt`: a receipt whose message is not known (yet)."""

    provider_id: int
    provider_message_id: str
    state: int
    error: str
    done_at_ms: int
    at_ms: int


class NewWebhookDelivery(NamedTuple):
    """A row of `webhook_delivery`: one notification owed to one URL."""

    message_key: int
    account_id: int
    kind: int
    url: str
    due_at_ms: int


class NoticeKind(IntEnum):
    """Whose form a notification over HTTP has.  Values are stored."""

    SIGNED = 0  # our own
    EXOTEL = 1  # to the URL that stands in the message's door text
    EASYSENDSMS = 2


class CommitGroup:
    """One transaction.

    `new_messages` and `new_batches` are the accepts; `members` are the same messages as live
    objects, for the journal's own use.  `notified_keys` are messages whose customer has taken the
    notification (notified PENDING becomes DONE): a mark of its own, because it is the last thing
    that happens to nearly every message.  `matched_receipts` are (provider_id, id) to unpark.
    """

    __slots__ = (
        "bulk_counts", "bulk_steps", "credit", "door_texts", "events", "id", "idempotency",
        "ledger", "matched_receipts", "members", "message_changes", "new_batches",
        "new_bulk_recipients", "new_bulks", "new_messages", "new_webhook_deliveries",
        "notified_keys", "parked_receipts", "part_changes", "recipient_changes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.id = 0  # set by the journal: grows by one per group
        self.members: list[Message] = []
        self.new_messages: list[NewMessage] = []
        self.door_texts: list[DoorText] = []
        self.new_batches: list[NewBatch] = []
        self.new_bulks: list[NewBulk] = []
        self.new_bulk_recipients: list[NewBulkRecipient] = []
        self.bulk_steps: list[BulkStep] = []
        self.recipient_changes: list[BulkRecipientChange] = []
        self.bulk_counts: list[BulkCounts] = []
        self.message_changes: list[MessageChange] = []
        self.part_changes: list[PartChange] = []
        self.notified_keys: list[int] = []
        self.credit: list[CreditChange] = []
        self.ledger: list[LedgerLine] = []
        self.events: list[MessageEvent] = []
        self.idempotency: list[IdempotencyRow] = []
        self.parked_receipts: list[ParkedReceipt] = []
        self.matched_receipts: list[tuple[int, str]] = []
        self.new_webhook_deliveries: list[NewWebhookDelivery] = []


class StoredPart(NamedTuple):
    """A part row as read."""

    n: int
    provider_id: int | None
    provider_message_id: str | None
    state: int


class StoredMessage(NamedTuple):
    """A message row as read, its batch's content filled in, its part rows attached."""

    key: int
    account_id: int
    credential_id: int | None
    door: int
    channel: int
    batch_key: int | None
    priority: int
    sender: str
    recipient: str
    text: str | None
    octets: bytes | None
    data_coding: int | None
    esm_class: int | None
    tlvs: bytes | None
    alphabet: int
    part_count: int
    charge_micros: int
    money: int
    notify_when: int
    door_note: int
    due_at_ms: int
    expires_at_ms: int
    state: MessageState
    provider_id: int | None
    provider_message_id: str | None
    attempts: int
    sent_at_ms: int
    final_at_ms: int
    error: str
    notified: int
    parts: tuple[StoredPart, ...] = ()
