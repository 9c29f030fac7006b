"""What the description promises, by the contract's own tables (2, 3)."""

import pytest

from gateway.domain.errors import RefusalCode
from protocols.http.openapi import JSON
from protocols.mesms.openapi import DESCRIPTION

ENDPOINTS = {(each.method, each.path): each for each in DESCRIPTION.endpoints}


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("post", "/api/v2/sms/send", {200, 400, 401, 402, 403, 429}),
        ("post", "/api/v2/sms/preview", {200, 400, 401, 429}),
        ("post", "/api/v2/sms/{uuid}/cancel", {200, 400, 401, 403, 404, 409, 429}),
        ("get", "/api/v2/sms", {200, 400, 401, 429}),
        ("get", "/api/v2/sms/{uuid}", {200, 401, 403, 404, 429}),
        ("get", "/api/v2/sms/{uuid}/recipients", {200, 400, 401, 403, 404, 429}),
        ("get", "/api/v2/credit", {200, 401, 429}),
        ("get", "/api/v2/senders", {200, 401, 429}),
    ],
)
def test_endpoints_and_statuses_of_the_contract(method: str, path: str, statuses: set[int]) -> None:
    assert statuses | {500} <= set(ENDPOINTS[method, path].answers)


@pytest.mark.parametrize(
    ("alias", "path"),
    [
        ("/api/v2/sms/list", "/api/v2/sms"),
        ("/api/v2/credits", "/api/v2/credit"),
        ("/api/v2/balance", "/api/v2/credit"),
        ("/api/v2/sender", "/api/v2/senders"),
    ],
)
def test_an_alias_is_the_same_endpoint(alias: str, path: str) -> None:
    assert ENDPOINTS["get", alias].answers == ENDPOINTS["get", path].answers
    assert ENDPOINTS["get", alias].parameters == ENDPOINTS["get", path].parameters


def test_preview_never_answers_that_credit_is_missing() -> None:
    assert 402 not in ENDPOINTS["post", "/api/v2/sms/preview"].answers


def test_the_texts_of_refusals_are_the_examples() -> None:
    answers = ENDPOINTS["post", "/api/v2/sms/send"].answers
    examples = {name for answer in answers.values() for name in answer.content[JSON].examples}
    assert set(RefusalCode) <= examples
    cancel = ENDPOINTS["post", "/api/v2/sms/{uuid}/cancel"].answers
    codes = [
        example["code"]
        for status in (400, 409)
        for example in cancel[status].content[JSON].examples.values()
        if isinstance(example, dict)
    ]
    assert codes == ["NOT_SCHEDULED", "ALREADY_CANCELLED", "ALREADY_PROCESSING"]


def test_the_uuid_of_a_send_leads_on() -> None:
    links = ENDPOINTS["post", "/api/v2/sms/send"].answers[200].links
    targets = {each.operation_id: each for each in DESCRIPTION.endpoints}
    assert {targets[link.operation_id].path for link in links.values()} == {
        "/api/v2/sms/{uuid}", "/api/v2/sms/{uuid}/recipients", "/api/v2/sms/{uuid}/cancel",
    }  # fmt: skip
