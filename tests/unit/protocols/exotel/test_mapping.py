import pytest

from gateway.domain.errors import TEMPORARY, Refusal, RefusalCode
from protocols.exotel import faults
from protocols.exotel.mapping import REFUSALS, refused_fault, refused_list_fault
from protocols.exotel.statuses import DETAILS

CODES = list(RefusalCode)


def test_every_code_is_mapped() -> None:
    assert set(REFUSALS) == set(RefusalCode)


@pytest.mark.parametrize("code", CODES)
def test_what_may_be_tried_again_says_when(code: RefusalCode) -> None:
    words = REFUSALS[code]
    assert (words.retry_after_s > 0) == (code in TEMPORARY)
    assert (words.fault.status in (409, 429, 503)) == (code in TEMPORARY)


@pytest.mark.parametrize("code", CODES)
def test_an_element_of_a_list_has_a_failed_status(code: RefusalCode) -> None:
    assert DETAILS[REFUSALS[code].detail].startswith("FAILED")


@pytest.mark.parametrize("code", [RefusalCode.RECIPIENT_INVALID, RefusalCode.RECIPIENT_BLOCKED])
def test_the_number_stands_inside_the_brackets(code: RefusalCode) -> None:
    assert refused_fault(Refusal(code), "12 34").message == "Invalid Recipient [12 34]"
    long = refused_fault(Refusal(code), "9" * 1000 + "\n").message
    assert long == f"Invalid Recipient [{'9' * 64}]"


def test_only_faults_of_the_recipient_name_it() -> None:
    for code in set(CODES) - {RefusalCode.RECIPIENT_INVALID, RefusalCode.RECIPIENT_BLOCKED}:
        assert "[" not in refused_fault(Refusal(code), "1").message


def test_a_list_without_a_usable_number() -> None:
    codes = [RefusalCode.RECIPIENT_INVALID, RefusalCode.NO_ROUTE, RefusalCode.RECIPIENT_BLOCKED]
    assert refused_list_fault([Refusal(c) for c in codes]) == (faults.NUMBERS_INVALID, 0)


def test_what_holds_for_the_account_comes_before_single_numbers() -> None:
    refusals = [Refusal(RefusalCode.RECIPIENT_INVALID), Refusal(RefusalCode.NO_CREDIT)]
    assert refused_list_fault(refusals) == (faults.NO_BALANCE, 0)
    assert refused_list_fault([Refusal(RefusalCode.BUSY)]) == (faults.UNAVAILABLE, 1)
