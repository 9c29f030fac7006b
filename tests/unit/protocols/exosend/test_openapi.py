"""What the description promises, by the contract's own tables (1.3, 1.4, 2.1, 2.10, 2.11)."""

import pytest

from gateway.domain.errors import RefusalCode
from protocols.exosend.openapi import DESCRIPTION
from protocols.http.openapi import JSON, Endpoint

ENDPOINTS = {each.operation_id: each for each in DESCRIPTION.endpoints}


def by_path(method: str, path: str) -> Endpoint:
    [found] = [e for e in DESCRIPTION.endpoints if (e.method, e.path) == (method, path)]
    return found


@pytest.mark.parametrize(
    ("method", "path", "success", "refused"),
    [
        ("post", "/api/v1/sms/send", 201, {402, 422}),
        ("post", "/api/v1/sms/send-bulk", 201, {402, 422}),
        ("get", "/api/v1/sms/{id}/status", 200, {404}),
        ("get", "/api/v1/balance", 200, set()),
        ("get", "/api/v1/sender-ids", 200, set()),
        ("post", "/api/v1/sender-ids", 201, {422}),
        ("patch", "/api/v1/sender-ids/{id}/default", 200, {404, 422}),
        ("delete", "/api/v1/sender-ids/{id}", 200, {404, 422}),
    ],
)
def test_endpoints_and_statuses_of_the_contract(
    method: str, path: str, success: int, refused: set[int]
) -> None:
    answers = by_path(method, path).answers
    assert [status for status in sorted(answers) if status < 300] == [success]
    assert refused | {401, 403, 429, 500, 503} <= set(answers)


@pytest.mark.parametrize("operation_id", ENDPOINTS)
def test_every_authenticated_answer_may_tell_the_limit(operation_id: str) -> None:
    for status, answer in ENDPOINTS[operation_id].answers.items():
        told = {"X-RateLimit-Limit", "X-RateLimit-Remaining"} <= set(answer.headers)
        assert told is (status not in (400, 401, 405, 408, 413, 500, 503)), status


@pytest.mark.parametrize("operation_id", ["exosendSend", "exosendSendBulk"])
def test_the_texts_of_refusals_are_the_examples(operation_id: str) -> None:
    answers = ENDPOINTS[operation_id].answers
    examples = answers[422].content[JSON].examples
    assert {"validation", RefusalCode.SENDER_NOT_ALLOWED, RefusalCode.NO_ROUTE} <= set(examples)
    assert answers[409].content[JSON].examples.keys() == {RefusalCode.IDEMPOTENCY_RUNNING}


def test_ids_of_answers_lead_on() -> None:
    for endpoint in DESCRIPTION.endpoints:
        for answer in endpoint.answers.values():
            for link in answer.links.values():
                target = ENDPOINTS[link.operation_id]
                assert set(link.parameters) == {p.name for p in target.parameters}


def test_post_stands_in_for_other_verbs() -> None:
    default = by_path("post", "/api/v1/sender-ids/{id}/default").body[JSON].schema
    delete = by_path("post", "/api/v1/sender-ids/{id}").body[JSON].schema
    assert default["properties"] != delete["properties"]
    assert default["required"] == delete["required"] == ["_method"]
