"""Refusals of the heart in EasySendSMS's words: one table over every code."""

from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.lookup import LookupFailure
from protocols.easysendsms import errors
from protocols.easysendsms.errors import Endpoint, error_answer
from protocols.http.submissions import Answer

_C = RefusalCode
REFUSALS: dict[RefusalCode, int] = {
    _C.SENDER_NOT_ALLOWED: errors.BAD_SENDER,
    _C.SENDER_INVALID: errors.BAD_SENDER,
    _C.RECIPIENT_INVALID: errors.BAD_RECIPIENT,
    _C.RECIPIENT_BLOCKED: errors.BAD_RECIPIENT,
    _C.TEXT_INVALID: errors.BAD_TEXT,
    _C.TEXT_EMPTY: errors.BAD_TEXT,
    _C.TEXT_TOO_LONG: errors.BAD_TEXT,
    _C.SCHEDULE_INVALID: errors.BAD_SCHEDULE,
    _C.VALIDITY_INVALID: errors.BAD_SCHEDULE,
    _C.NO_ROUTE: errors.NO_DESTINATION,
    _C.NO_PRICE: errors.NO_DESTINATION,
    _C.NO_CREDIT: errors.NO_CREDIT,
    _C.RATE_EXCEEDED: 429,
    _C.ACCOUNT_DISABLED: errors.ACCOUNT_DISABLED,
    _C.IDEMPOTENCY_MISMATCH: 422,
    _C.IDEMPOTENCY_RUNNING: 409,
    # Nothing was taken, and this vendor's clients repeat on 429 alone.
    _C.BUSY: 429,
    _C.STOPPING: errors.UNAVAILABLE,
    _C.STORE_UNAVAILABLE: errors.UNAVAILABLE,
}
# Codes that mean something else at HLR and NV (2.2).
_LOOKUP_CODES = {**REFUSALS, _C.NO_CREDIT: errors.LOOKUP_NO_CREDIT}
_RETRY_AFTER_S = {429: 1, 409: 1, errors.UNAVAILABLE: 5}

FAILURES: dict[LookupFailure, int] = {
    LookupFailure.NOT_OFFERED: errors.UNAVAILABLE,
    LookupFailure.UNAVAILABLE: errors.UNAVAILABLE,
    LookupFailure.UNREADABLE: errors.UNREADABLE_LOOKUP,
}


def answer(code: int, endpoint: Endpoint) -> Answer:
    """The answer to what has the error `code` at `endpoint`."""
    return Answer(*error_answer(code, endpoint), _RETRY_AFTER_S.get(code, 0))


def refused(refusal: Refusal, endpoint: Endpoint) -> Answer:
    """The answer to a refused request."""
    codes = _LOOKUP_CODES if endpoint in (Endpoint.HLR, Endpoint.NV) else REFUSALS
    return answer(codes[refusal.code], endpoint)


def failed(failure: LookupFailure, endpoint: Endpoint) -> Answer:
    """The answer to a query that nobody could answer."""
    return answer(FAILURES[failure], endpoint)
