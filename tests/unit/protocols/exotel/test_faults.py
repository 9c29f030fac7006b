import pytest

from gateway.domain.errors import Refusal, RefusalCode
from protocols.exotel import faults
from protocols.exotel.faults import Fault, Rejected
from protocols.exotel.mapping import refused_fault


def test_the_seven_pairs_of_the_support_page_are_verbatim() -> None:
    """2.2; "Account validity has expired" belongs to plans, which accounts here do not have."""
    recipient = refused_fault(Refusal(RefusalCode.RECIPIENT_INVALID), "xxxx")
    shown = [
        faults.BODY_INVALID, recipient, faults.NOT_ACTIVE, faults.NO_BALANCE,
        faults.TOO_MANY_POSTS, faults.INTERNAL,
    ]  # fmt: skip
    assert [fault[:2] for fault in shown] == [
        (400, "Invalid Parameters"),
        (400, "Invalid Recipient [xxxx]"),
        (403, "The account is not active"),
        (403, "Insufficient balance to send the SMS"),
        (429, "Too Many Requests"),
        (500, "Internal Server Error"),
    ]


CODES = {
    34001: 400, 34009: 403, 34010: 401, 35000: 500, 40001: 403, 40002: 403, 40003: 403,
    40200: 400, 40201: 400, 40202: 400, 40203: 400, 40204: 400, 40205: 400, 40206: 400,
    40207: 400, 40208: 400, 40209: 400, 40210: 400, 40400: 400, 40402: 429, 40403: 429,
    40405: 503, 40406: 400, 40500: 400, 40502: 405,
}  # fmt: skip


def test_every_code_has_its_documented_status() -> None:
    """2.3, the codes that can happen here: there are no trial and no Indian accounts."""
    found = [fault for fault in vars(faults).values() if isinstance(fault, Fault) and fault.code]
    assert {fault.code: fault.status for fault in found} == CODES


def test_no_code_means_two_things() -> None:
    found = {fault for fault in vars(faults).values() if isinstance(fault, Fault) and fault.code}
    assert len({fault.code for fault in found}) == len(found)


def test_a_rejection_carries_its_answer() -> None:
    with pytest.raises(Rejected) as caught:
        raise Rejected(faults.BODY_EMPTY)
    assert caught.value.fault is faults.BODY_EMPTY
