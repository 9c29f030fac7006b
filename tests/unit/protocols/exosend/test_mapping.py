import json

import pytest

from gateway.domain.errors import TEMPORARY, Refusal, RefusalCode
from protocols.exosend.contract import BulkRequest
from protocols.exosend.mapping import REFUSALS, no_valid_recipients, refused_bulk, refused_send

BULK = BulkRequest(["x", "+3701"], ["+3701"], [1], "Hi", None)


def test_every_code_is_mapped() -> None:
    assert set(REFUSALS) == set(RefusalCode)


@pytest.mark.parametrize("code", list(RefusalCode))
def test_what_may_be_tried_again_says_when(code: RefusalCode) -> None:
    words = REFUSALS[code]
    assert (words.retry_after_s > 0) == (code in TEMPORARY)
    assert (words.status in (409, 429, 503)) == (code in TEMPORARY)


@pytest.mark.parametrize("code", list(RefusalCode))
def test_bodies_are_of_their_family(code: RefusalCode) -> None:
    answer = refused_send(Refusal(code))
    body = json.loads(answer.body)
    assert answer.status == REFUSALS[code].status
    assert ("success" in body) != REFUSALS[code].is_framework
    if REFUSALS[code].field is not None:
        assert list(body["errors"].values()) == [[body["message"]]]


def test_the_recipient_field_is_the_endpoints() -> None:
    refusal = Refusal(RefusalCode.NO_PRICE)
    assert list(json.loads(refused_send(refusal).body)["errors"]) == ["recipient"]
    assert list(json.loads(refused_bulk(refusal, BULK).body)["errors"]) == ["recipients"]


@pytest.mark.parametrize("code", [RefusalCode.RECIPIENT_INVALID, RefusalCode.RECIPIENT_BLOCKED])
def test_a_bulk_without_valid_recipients_gives_them_all_back(code: RefusalCode) -> None:
    answer = refused_bulk(Refusal(code), BULK)
    assert answer == no_valid_recipients(BULK)
    assert json.loads(answer.body)["data"] == {"invalid_recipients": ["x", "+3701"]}
