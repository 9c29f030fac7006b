"""What a provider says about a message after it took it, and how it moves the message's fate."""

from typing import NamedTuple

from gateway.domain.lifecycle import FIRST_FINAL, MOVES, MessageState, is_final


class Receipt:
    """One delivery receipt, already translated by its wire.

    `provider_message_id` is raw, as the provider wrote it.  `state` is a `MessageState`: SENT for
    an intermediate report (ENROUTE, ACCEPTD), else a final one.  `error` is the provider's own
    code, at most 32 characters.  `done_at_ms` is the provider's time (UTC), 0 when it gave none.
    `parked_at_ms`: since when it waits for its message, UTC; 0 = it does not.
    """

    __slots__ = ("done_at_ms", "error", "parked_at_ms", "provider_message_id", "state")

    def __init__(
        self, provider_message_id: str, state: MessageState, error: str = "", done_at_ms: int = 0
    ) -> None:
        self.provider_message_id = provider_message_id
        self.state = state
        self.error = error
        self.done_at_ms = done_at_ms
        self.parked_at_ms = 0

    def __repr__(self) -> str:
        return f"Receipt({self.provider_message_id!r}, {self.state.name}, {self.error!r})"


class AwaitedReceipt(NamedTuple):
    """A message that was sent and whose receipt has not come, for who must ask for it.

    `position`: where it stands among those of its provider, to be given back to read on.
    `recipient` is E.164 digits.
    """

    position: tuple[str, int]
    provider_message_id: str
    recipient: str
    sent_at_ms: int


def merged_state(current: MessageState, reported: MessageState) -> MessageState | None:
    """State after `reported` meets `current`, or None when the receipt changes nothing.

    Final once: a final state stays, except that UNKNOWN (the receipt window was over) may still
    become what the receipt says.  An intermediate report never moves anything.
    """
    if reported < FIRST_FINAL:
        return None
    if current < FIRST_FINAL:
        return reported
    return reported if reported in MOVES[current] else None


# From the least to the most certain.
_NO_FAILURE = (MessageState.UNKNOWN, MessageState.HANDED_OVER, MessageState.DELIVERED)


def combined_parts(states: list[MessageState]) -> MessageState | None:
    """Fate of a multi-part message: delivered when all parts are, failed when one finally fails."""
    failures = (s for s in states if is_final(s) and s not in _NO_FAILURE)
    failed = next(failures, None)
    if failed is not None:
        return failed
    if not all(is_final(s) for s in states):
        return None
    # The least certain part decides.
    return next((s for s in _NO_FAILURE if s in states), MessageState.DELIVERED)
