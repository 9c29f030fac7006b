"""What the description promises, by the contract's own tables (2, 3)."""

import pytest

from protocols.exotel import faults
from protocols.exotel.openapi import DESCRIPTION
from protocols.http.openapi import JSON, Endpoint

XML = "application/xml"
ACCOUNT = "/v1/Accounts/{sid}"
ENDPOINTS = {(each.method, each.path): each for each in DESCRIPTION.endpoints}
PATHS = [
    ("post", "/Sms/send"),
    ("post", "/Sms/bulksend"),
    ("get", "/SMS/Messages/{SmsSid}"),
    ("get", ""),
]


def codes(endpoint: Endpoint, status: int) -> set[int]:
    """The numeric codes of the examples of an error."""
    return {
        example["RestException"].get("Code", 0)
        for example in endpoint.answers[status].content[JSON].examples.values()
        if isinstance(example, dict)
    }


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_the_suffix_alone_decides_the_form(method: str, path: str) -> None:
    as_json = ENDPOINTS[method, f"{ACCOUNT}{path}.json"]
    as_xml = ENDPOINTS[method, ACCOUNT + path]
    assert set(as_json.answers) == set(as_xml.answers)
    for endpoint, media_type in ((as_json, JSON), (as_xml, XML)):
        assert all(list(answer.content) == [media_type] for answer in endpoint.answers.values())


def test_statuses_of_the_contract() -> None:
    for path in ("/Sms/send.json", "/Sms/bulksend.json"):
        answers = set(ENDPOINTS["post", ACCOUNT + path].answers)
        assert {200, 207, 400, 401, 403, 405, 429, 500, 503} <= answers
    details = set(ENDPOINTS["get", f"{ACCOUNT}/SMS/Messages/{{SmsSid}}.json"].answers)
    assert {200, 400, 401, 403, 429} <= details


def test_numeric_codes_of_the_contract() -> None:
    send = ENDPOINTS["post", f"{ACCOUNT}/Sms/send.json"]
    bulk = ENDPOINTS["post", f"{ACCOUNT}/Sms/bulksend.json"]
    both = {34001, 40200, 40202, 40203, 40204, 40206, 40207, 40209}
    assert codes(send, 400) == both | {40205, 40210, 40406}
    assert codes(bulk, 400) == both | {40201, 40208, 40400}
    for endpoint in (send, bulk):
        assert codes(endpoint, 401) == {34010}
        assert codes(endpoint, 403) == {34009, 40001, 40002, 40003}
        assert codes(endpoint, 429) == {faults.TOO_MANY_POSTS.code}
        assert codes(endpoint, 503) == {0, 40405}
    assert codes(ENDPOINTS["get", f"{ACCOUNT}.json"], 429) == {faults.TOO_MANY_GETS.code}


def test_the_sid_of_a_send_leads_to_its_details() -> None:
    [link] = ENDPOINTS["post", f"{ACCOUNT}/Sms/send.json"].answers[200].links.values()
    [target] = [e for e in DESCRIPTION.endpoints if e.operation_id == link.operation_id]
    assert target.path == f"{ACCOUNT}/SMS/Messages/{{SmsSid}}.json"
    assert set(link.parameters) == {"sid", "SmsSid"}


def test_there_is_no_other_endpoint() -> None:
    """EXO-37: no scheduling, cancel, balance or list."""
    assert len(ENDPOINTS) == 2 * len(PATHS)
