"""Refusals of the heart in ExoSend's words: one table over every code."""

from typing import NamedTuple

from gateway.domain.errors import Refusal, RefusalCode
from protocols.exosend import contract
from protocols.http.submissions import Answer

RECIPIENT = "recipient"  # stands for the field that holds the recipients of the endpoint


class RefusalWords(NamedTuple):
    """How one code is answered.

    `is_framework` chooses the family of the body: the framework's (validation, limits, faults) or
    the application's.  `field` is the request field at fault, if one is.
    """

    status: int
    message: str
    is_framework: bool = False
    field: str | None = None
    retry_after_s: int = 0


_C = RefusalCode
_UNAVAILABLE = RefusalWords(503, "Service Unavailable", is_framework=True, retry_after_s=5)

REFUSALS: dict[RefusalCode, RefusalWords] = {
    _C.SENDER_NOT_ALLOWED: RefusalWords(422, "Sender ID is not verified.", field="sender_id"),
    _C.SENDER_INVALID: RefusalWords(
        422, "The sender id field format is invalid.", is_framework=True, field="sender_id"
    ),
    _C.RECIPIENT_INVALID: RefusalWords(
        422, "The recipient field format is invalid.", is_framework=True, field=RECIPIENT
    ),
    _C.RECIPIENT_BLOCKED: RefusalWords(422, "The recipient is blocked.", field=RECIPIENT),
    _C.TEXT_INVALID: RefusalWords(
        422, "The message field format is invalid.", is_framework=True, field="message"
    ),
    _C.TEXT_EMPTY: RefusalWords(
        422, "The message field is required.", is_framework=True, field="message"
    ),
    _C.TEXT_TOO_LONG: RefusalWords(
        422,
        f"The message field must not be greater than {contract.MAX_MESSAGE_LENGTH} characters.",
        is_framework=True,
        field="message",
    ),
    _C.SCHEDULE_INVALID: RefusalWords(
        422,
        "The scheduled at field must be a date after now.",
        is_framework=True,
        field="scheduled_at",
    ),
    _C.VALIDITY_INVALID: RefusalWords(422, "The message would expire before it can be sent."),
    _C.NO_ROUTE: RefusalWords(422, "This destination is not supported.", field=RECIPIENT),
    _C.NO_PRICE: RefusalWords(422, "This destination is not supported.", field=RECIPIENT),
    _C.NO_CREDIT: RefusalWords(402, "Insufficient credits."),
    _C.RATE_EXCEEDED: RefusalWords(429, "Too Many Attempts.", is_framework=True, retry_after_s=1),
    _C.ACCOUNT_DISABLED: RefusalWords(403, "This action is unauthorized."),
    _C.IDEMPOTENCY_MISMATCH: RefusalWords(
        422, "This Idempotency-Key was already used with a different request."
    ),
    _C.IDEMPOTENCY_RUNNING: RefusalWords(
        409, "A request with this Idempotency-Key is still being processed.", retry_after_s=1
    ),
    _C.BUSY: RefusalWords(503, "Service Unavailable", is_framework=True, retry_after_s=1),
    _C.STOPPING: _UNAVAILABLE,
    _C.STORE_UNAVAILABLE: _UNAVAILABLE,
}

_RECIPIENT_CODES = frozenset({_C.RECIPIENT_INVALID, _C.RECIPIENT_BLOCKED})


def _render(words: RefusalWords, recipient_field: str) -> Answer:
    field = recipient_field if words.field == RECIPIENT else words.field
    if not words.is_framework:
        body = contract.render_application_error(words.message, field)
    elif field is not None:
        body = contract.render_validation_errors({field: [words.message]})
    else:
        body = contract.render_framework_error(words.message)
    return Answer(words.status, body, words.retry_after_s)


_SEND_ANSWERS = {code: _render(words, "recipient") for code, words in REFUSALS.items()}
_BULK_ANSWERS = {code: _render(words, "recipients") for code, words in REFUSALS.items()}


def refused_send(refusal: Refusal) -> Answer:
    """The answer to a refused single send, or to a refused request without recipients."""
    return _SEND_ANSWERS[refusal.code]


def refused_bulk(refusal: Refusal, request: contract.BulkRequest) -> Answer:
    """The answer to a bulk send that was refused as a whole."""
    if refusal.code in _RECIPIENT_CODES:
        return no_valid_recipients(request)
    return _BULK_ANSWERS[refusal.code]


def no_valid_recipients(request: contract.BulkRequest) -> Answer:
    """None of the recipients can be sent to; all of them are given back (2.1.2)."""
    body = contract.render_application_error(
        "No valid recipients provided.", details={"invalid_recipients": request.items}
    )
    return Answer(422, body)
