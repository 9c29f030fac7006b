"""The status of a message, of a recipient (4) and of a sender name (3.8) in the vendor's words."""

from collections.abc import Collection

from gateway.domain.bulk import BulkState, BulkView, RecipientState
from gateway.domain.fate import WORDS
from gateway.domain.identity import SenderState, SenderVerification, StoredSender
from gateway.domain.lifecycle import MessageState
from gateway.ports import BulkChoice

# What a list can be filtered by.
MESSAGE_STATUSES = {
    "sent": BulkChoice.SENT,
    "failed": BulkChoice.FAILED,
    "pending": BulkChoice.PENDING,
    "scheduled": BulkChoice.SCHEDULED,
    "cancelled": BulkChoice.CANCELLED,
}

# Recipients whose message left and is not known to have failed.
_GOOD = (RecipientState.DELIVERED, RecipientState.HANDED_OVER, RecipientState.UNKNOWN)


def message_status(view: BulkView) -> str:
    """The status of a message in the vendor's words."""
    if view.state is BulkState.SCHEDULED:
        return "scheduled"
    if view.state is BulkState.CANCELLED:
        return "cancelled"
    if is_underway(view):
        return "pending"
    return "sent" if any(view.counts.get(state) for state in _GOOD) else "failed"


def is_underway(view: BulkView) -> bool:
    """Whether sending has begun and some recipient has no end yet."""
    return view.state is BulkState.RUNNING and view.counts.get(RecipientState.PENDING, 0) > 0


# --- recipients (4.2) ---------------------------------------------------------------------------

# In the vendor's order.
RECIPIENT_STATUSES = (
    "pending", "success", "failed", "invalid", "blocked", "expired", "timeout",
)  # fmt: skip

RECIPIENT_WORDS: dict[RecipientState, str] = {
    RecipientState.PENDING: "pending",
    RecipientState.INVALID: "invalid",
    RecipientState.BLOCKED: "blocked",
    **{
        state: WORDS[MessageState(state)].mesms
        for state in RecipientState
        if state not in (RecipientState.PENDING, RecipientState.INVALID, RecipientState.BLOCKED)
    },
}


def recipient_status(state_of_bulk: BulkState, state: RecipientState) -> str:
    """The status of a recipient; one that still waits in a cancelled message never gets it."""
    if state_of_bulk is BulkState.CANCELLED and state is RecipientState.PENDING:
        state = RecipientState.CANCELLED
    return RECIPIENT_WORDS[state]


def recipient_states(state_of_bulk: BulkState, status: str) -> Collection[RecipientState]:
    """The states that are shown as `status`; none when that cannot be."""
    return [state for state in RecipientState if recipient_status(state_of_bulk, state) == status]


# --- sender names (3.8) -------------------------------------------------------------------------


def sender_status(row: StoredSender) -> str:
    """Only an `approved` one can send; whoever said no, it is `rejected`."""
    if row.may_send:
        return "approved"
    if row.state == SenderState.REJECTED or row.verification == SenderVerification.REJECTED:
        return "rejected"
    return "pending"
