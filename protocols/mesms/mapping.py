"""Refusals of the heart in ME-SMS's words (2): one table over every code."""

from typing import NamedTuple

from gateway.domain.errors import Refusal, RefusalCode
from protocols.http.submissions import Answer
from protocols.mesms.contract import INVALID_PARAMETERS, render_error


class RefusalWords(NamedTuple):
    """How one code is answered."""

    status: int
    text: str
    code: str = INVALID_PARAMETERS
    retry_after_s: int = 0


_C = RefusalCode
_UNAVAILABLE = RefusalWords(503, "The service is unavailable.", "SERVICE_UNAVAILABLE", 5)

REFUSALS: dict[RefusalCode, RefusalWords] = {
    _C.SENDER_NOT_ALLOWED: RefusalWords(400, "sender is not an approved sender name."),
    _C.SENDER_INVALID: RefusalWords(400, "sender is not valid."),
    _C.RECIPIENT_INVALID: RefusalWords(400, "None of the numbers is valid."),
    _C.RECIPIENT_BLOCKED: RefusalWords(400, "The numbers are blocked."),
    _C.TEXT_INVALID: RefusalWords(400, "content cannot be sent as text."),
    _C.TEXT_EMPTY: RefusalWords(400, "content is empty."),
    _C.TEXT_TOO_LONG: RefusalWords(400, "content is too long."),
    _C.SCHEDULE_INVALID: RefusalWords(400, "scheduledTime is too far in the future."),
    _C.VALIDITY_INVALID: RefusalWords(400, "The message would expire before it can be sent."),
    _C.NO_ROUTE: RefusalWords(400, "A destination is not supported."),
    _C.NO_PRICE: RefusalWords(400, "A destination is not supported."),
    _C.NO_CREDIT: RefusalWords(402, "Insufficient credits", "INSUFFICIENT_CREDITS"),
    _C.RATE_EXCEEDED: RefusalWords(429, "Too many messages per second.", "RATE_LIMITED", 1),
    _C.ACCOUNT_DISABLED: RefusalWords(403, "The account is disabled.", "FORBIDDEN"),
    _C.IDEMPOTENCY_MISMATCH: RefusalWords(
        422, "This Idempotency-Key was already used with a different request.",
        "IDEMPOTENCY_MISMATCH",
    ),
    _C.IDEMPOTENCY_RUNNING: RefusalWords(
        409, "A request with this Idempotency-Key is still being processed.",
        "IDEMPOTENCY_RUNNING", 1,
    ),
    _C.BUSY: RefusalWords(503, "The service is busy.", "SERVICE_UNAVAILABLE", 1),
    _C.STOPPING: _UNAVAILABLE,
    _C.STORE_UNAVAILABLE: _UNAVAILABLE,
}  # fmt: skip

_ANSWERS = {
    code: Answer(words.status, render_error(words.text, words.code), words.retry_after_s)
    for code, words in REFUSALS.items()
}


def refused(refusal: Refusal) -> Answer:
    """The answer to a refused request."""
    return _ANSWERS[refusal.code]
