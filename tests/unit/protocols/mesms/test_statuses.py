import pytest

from gateway.domain.bulk import BulkState, BulkView, RecipientState
from gateway.domain.identity import Origin, SenderState, SenderVerification, StoredSender
from protocols.mesms.statuses import (
    MESSAGE_STATUSES,
    RECIPIENT_STATUSES,
    RECIPIENT_WORDS,
    is_underway,
    message_status,
    recipient_states,
    recipient_status,
    sender_status,
)

S = RecipientState
B = BulkState


def view_of(state: BulkState, counts: dict[RecipientState, int]) -> BulkView:
    return BulkView(1, 1, state, "MYBRAND", "Hi", sum(counts.values()), 1, 0, 0, 0, counts)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (S.PENDING, "pending"),
        (S.DELIVERED, "success"),
        (S.FAILED, "failed"),
        (S.REJECTED, "failed"),
        (S.EXPIRED, "expired"),
        (S.CANCELLED, "failed"),
        (S.HANDED_OVER, "timeout"),
        (S.UNKNOWN, "timeout"),
        (S.INVALID, "invalid"),
        (S.BLOCKED, "blocked"),
    ],
)
def test_recipient_statuses(state: RecipientState, status: str) -> None:
    """4.2 and 4.3."""
    assert recipient_status(B.RUNNING, state) == RECIPIENT_WORDS[state] == status


def test_every_state_of_a_recipient_has_a_word_of_the_vendor() -> None:
    assert set(RECIPIENT_WORDS) == set(RecipientState)
    assert set(RECIPIENT_WORDS.values()) == set(RECIPIENT_STATUSES)


@pytest.mark.parametrize("state_of_bulk", list(BulkState))
def test_the_filters_part_the_states_among_them(state_of_bulk: BulkState) -> None:
    found = [s for status in RECIPIENT_STATUSES for s in recipient_states(state_of_bulk, status)]
    assert sorted(found) == sorted(RecipientState)


def test_nobody_waits_in_a_cancelled_message() -> None:
    assert recipient_status(B.CANCELLED, S.PENDING) == "failed"
    assert recipient_states(B.CANCELLED, "pending") == []
    assert S.PENDING in recipient_states(B.CANCELLED, "failed")


@pytest.mark.parametrize(
    ("state", "counts", "status"),
    [
        (B.SCHEDULED, {S.PENDING: 2}, "scheduled"),
        (B.CANCELLED, {S.PENDING: 2}, "cancelled"),
        (B.RUNNING, {S.PENDING: 1, S.DELIVERED: 1}, "pending"),
        (B.RUNNING, {S.PENDING: 1, S.FAILED: 1}, "pending"),
        (B.RUNNING, {S.DELIVERED: 1, S.FAILED: 1}, "sent"),
        (B.RUNNING, {S.HANDED_OVER: 1, S.INVALID: 1}, "sent"),
        (B.RUNNING, {S.UNKNOWN: 1}, "sent"),
        (B.RUNNING, {S.FAILED: 1, S.REJECTED: 1, S.EXPIRED: 1}, "failed"),
        (B.RUNNING, {S.CANCELLED: 1, S.BLOCKED: 1}, "failed"),
        (B.RUNNING, {S.FAILED: 1, S.PENDING: 0, S.DELIVERED: 0}, "failed"),
    ],
)
def test_message_statuses(state: BulkState, counts: dict[RecipientState, int], status: str) -> None:
    """4.1."""
    view = view_of(state, counts)
    assert message_status(view) == status
    assert status in MESSAGE_STATUSES
    assert is_underway(view) is (status == "pending")


@pytest.mark.parametrize(
    ("state", "verification", "status"),
    [
        (SenderState.APPROVED, SenderVerification.VERIFIED, "approved"),
        (SenderState.APPROVED, SenderVerification.PENDING, "pending"),
        (SenderState.PENDING, SenderVerification.PENDING, "pending"),
        (SenderState.APPROVED, SenderVerification.REJECTED, "rejected"),
        (SenderState.REJECTED, SenderVerification.PENDING, "rejected"),
        (SenderState.REJECTED, SenderVerification.VERIFIED, "rejected"),
    ],
)
def test_sender_statuses(state: SenderState, verification: SenderVerification, status: str) -> None:
    row = StoredSender(1, 1, "MYBRAND", state, verification, "", Origin.STORE, False, 0, 0, 0, 0, 0)
    assert sender_status(row) == status
