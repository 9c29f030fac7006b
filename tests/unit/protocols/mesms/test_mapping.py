import json

import pytest

from gateway.domain.errors import Refusal, RefusalCode
from protocols.mesms.mapping import REFUSALS, refused

C = RefusalCode


@pytest.mark.parametrize("code", list(RefusalCode))
def test_every_refusal_is_answered_in_the_one_shape(code: RefusalCode) -> None:
    answer = refused(Refusal(code, "private reason"))
    body = json.loads(answer.body)
    assert list(body) == ["error", "code"]
    assert body == {"error": REFUSALS[code].text, "code": REFUSALS[code].code}
    assert b"private" not in answer.body


@pytest.mark.parametrize(
    ("code", "status", "vendor_code"),
    [
        (C.SENDER_NOT_ALLOWED, 400, "INVALID_PARAMETERS"),
        (C.RECIPIENT_INVALID, 400, "INVALID_PARAMETERS"),
        (C.NO_CREDIT, 402, "INSUFFICIENT_CREDITS"),
        (C.ACCOUNT_DISABLED, 403, "FORBIDDEN"),
        (C.RATE_EXCEEDED, 429, "RATE_LIMITED"),
        (C.IDEMPOTENCY_MISMATCH, 422, "IDEMPOTENCY_MISMATCH"),
        (C.IDEMPOTENCY_RUNNING, 409, "IDEMPOTENCY_RUNNING"),
        (C.STORE_UNAVAILABLE, 503, "SERVICE_UNAVAILABLE"),
    ],
)
def test_statuses_and_codes(code: RefusalCode, status: int, vendor_code: str) -> None:
    """2."""
    answer = refused(Refusal(code))
    assert (answer.status, json.loads(answer.body)["code"]) == (status, vendor_code)


def test_no_credit_has_the_documented_body() -> None:
    answer = refused(Refusal(C.NO_CREDIT))
    assert answer.body == b'{"error":"Insufficient credits","code":"INSUFFICIENT_CREDITS"}'
