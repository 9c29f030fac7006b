"""Refusals of the heart in Exotel's words: one table over every code."""

from typing import NamedTuple

from gateway.domain.errors import Refusal, RefusalCode
from protocols.exotel import faults, statuses
from protocols.exotel.faults import Fault
from protocols.http.json_path import short_text

_SHOWN_LENGTH = 64  # characters of a number that is no number


class RefusalWords(NamedTuple):
    """How one code is answered.

    `fault`: when it is the answer to the whole request.  `detail`: the detailed status of an
    element of a list.  `is_of_recipient`: another recipient might do.
    """

    fault: Fault
    detail: int
    retry_after_s: int = 0
    is_of_recipient: bool = False


_C = RefusalCode
_INVALID_RECIPIENT = Fault(400, "Invalid Recipient", faults.NUMBERS_INVALID.code)

REFUSALS: dict[RefusalCode, RefusalWords] = {
    _C.SENDER_NOT_ALLOWED: RefusalWords(faults.FROM_UNFIT, statuses.INVALID_SENDER),
    _C.SENDER_INVALID: RefusalWords(faults.FROM_UNFIT, statuses.INVALID_SENDER),
    _C.RECIPIENT_INVALID: RefusalWords(
        _INVALID_RECIPIENT, statuses.INVALID_NUMBER, is_of_recipient=True
    ),
    _C.RECIPIENT_BLOCKED: RefusalWords(
        _INVALID_RECIPIENT, statuses.BLACKLISTED, is_of_recipient=True
    ),
    _C.TEXT_INVALID: RefusalWords(faults.BODY_INVALID, statuses.INVALID_MESSAGE),
    _C.TEXT_EMPTY: RefusalWords(faults.BODY_EMPTY, statuses.INVALID_MESSAGE),
    _C.TEXT_TOO_LONG: RefusalWords(faults.BODY_INVALID, statuses.INVALID_MESSAGE),
    _C.SCHEDULE_INVALID: RefusalWords(faults.BODY_INVALID, statuses.INVALID_MESSAGE),
    _C.VALIDITY_INVALID: RefusalWords(faults.BODY_INVALID, statuses.INVALID_MESSAGE),
    _C.NO_ROUTE: RefusalWords(faults.NO_COUNTRY, statuses.NO_ROUTE, is_of_recipient=True),
    _C.NO_PRICE: RefusalWords(faults.NO_COUNTRY, statuses.NO_ROUTE, is_of_recipient=True),
    _C.NO_CREDIT: RefusalWords(faults.NO_BALANCE, statuses.REJECTED),
    _C.RATE_EXCEEDED: RefusalWords(faults.THROTTLED, statuses.SYSTEM_ERROR, retry_after_s=1),
    _C.ACCOUNT_DISABLED: RefusalWords(faults.NOT_ACTIVE, statuses.REJECTED),
    _C.IDEMPOTENCY_MISMATCH: RefusalWords(
        Fault(422, "This Idempotency-Key was already used with a different request."),
        statuses.REJECTED,
    ),
    _C.IDEMPOTENCY_RUNNING: RefusalWords(
        Fault(409, "A request with this Idempotency-Key is still being processed."),
        statuses.SYSTEM_ERROR,
        retry_after_s=1,
    ),
    _C.BUSY: RefusalWords(faults.UNAVAILABLE, statuses.SYSTEM_ERROR, retry_after_s=1),
    _C.STOPPING: RefusalWords(faults.UNAVAILABLE, statuses.SYSTEM_ERROR, retry_after_s=5),
    _C.STORE_UNAVAILABLE: RefusalWords(faults.UNAVAILABLE, statuses.SYSTEM_ERROR, retry_after_s=5),
}


def refused_fault(refusal: Refusal, recipient: str) -> Fault:
    """The error of a refused single send; `recipient` is as the customer wrote it."""
    fault = REFUSALS[refusal.code].fault
    if fault is not _INVALID_RECIPIENT:
        return fault
    return fault._replace(message=f"Invalid Recipient [{short_text(recipient, _SHOWN_LENGTH)}]")


def refused_list_fault(refusals: list[Refusal]) -> tuple[Fault, int]:
    """The error of a list of which nothing was accepted, and the seconds to wait, 0 = none.

    What holds for the whole account comes before what is wrong with single numbers.
    """
    for refusal in refusals:
        words = REFUSALS[refusal.code]
        if not words.is_of_recipient:
            return words.fault, words.retry_after_s
    return faults.NUMBERS_INVALID, 0
