import json

import pytest

from gateway.domain.errors import TEMPORARY, Refusal, RefusalCode
from gateway.domain.lookup import LookupFailure
from protocols.easysendsms.errors import Endpoint
from protocols.easysendsms.mapping import FAILURES, REFUSALS, failed, refused


def test_every_code_is_mapped() -> None:
    assert set(REFUSALS) == set(RefusalCode)
    assert set(FAILURES) == set(LookupFailure)


@pytest.mark.parametrize("endpoint", Endpoint)
@pytest.mark.parametrize("code", list(RefusalCode))
def test_what_may_be_tried_again_says_when(code: RefusalCode, endpoint: Endpoint) -> None:
    answer = refused(Refusal(code), endpoint)
    assert (answer.retry_after_s > 0) == (code in TEMPORARY)
    assert (answer.status in (409, 429, 503)) == (code in TEMPORARY)


def test_no_credit_has_another_code_at_queries() -> None:
    said = {
        endpoint: json.loads(refused(Refusal(RefusalCode.NO_CREDIT), endpoint).body)["error"]
        for endpoint in (Endpoint.SEND, Endpoint.HLR, Endpoint.NV)
    }
    assert said == {Endpoint.SEND: 4015, Endpoint.HLR: 4012, Endpoint.NV: 4012}


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (LookupFailure.NOT_OFFERED, 503, 4009),
        (LookupFailure.UNAVAILABLE, 503, 4009),
        (LookupFailure.UNREADABLE, 500, 4011),
    ],
)
def test_queries_that_nobody_answers(failure: LookupFailure, status: int, code: int) -> None:
    answer = failed(failure, Endpoint.HLR)
    assert (answer.status, json.loads(answer.body)["error"]) == (status, code)
