"""What the description promises, by the contract's own tables (2.2, 3)."""

from typing import Any

import pytest

from protocols.easysendsms import contract, queries
from protocols.easysendsms.errors import Endpoint as ErrorsOf
from protocols.easysendsms.openapi import DESCRIPTION
from protocols.http.openapi import JSON
from tests.support.api_document import validator

ENDPOINTS = {(each.method, each.path): each for each in DESCRIPTION.endpoints}
SEND = {"from": "MYBRAND", "to": "12345678900", "text": "Hello", "type": "0"}
KEY = {(401, 4002), (401, 4003), (403, 4004), (403, 4005), (403, 4006), (500, 4008), (503, 4009)}
LOOKUP = KEY | {(400, 4001), (400, 4010), (500, 4011), (402, 4012), (415, 415)}
NOW_MS = 1_767_450_600_000


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        (
            "post",
            "/v1/rest/sms/send",
            KEY
            | {(400, code) for code in (4001, *range(4010, 4015), 4016, 4017)}
            | {(402, 4015), (415, 415)},
        ),
        ("get", "/v1/rest/sms/balance", KEY),
        ("post", "/v1/rest/sms/balance", KEY),
        ("post", "/v1/rest/hlr/query", LOOKUP),
        ("post", "/v1/rest/nv/query", LOOKUP),
    ],
)
def test_endpoints_and_codes_of_the_contract(
    method: str, path: str, expected: set[tuple[int, int]]
) -> None:
    found = {
        (status, example["error"])
        for status, answer in ENDPOINTS[method, path].answers.items()
        if status != 200
        for example in answer.content[JSON].examples.values()
        if isinstance(example, dict)
    }
    assert {(status, code) for status, code in found if code > 4000 or code == 415} == expected
    assert (429, 429) in found


def test_texts_are_those_of_the_endpoint() -> None:
    def text(path: str, status: int, code: int) -> str:
        content: Any = ENDPOINTS["post", path].answers[status].content[JSON].examples
        return str(content[f"error{code}"]["description"])

    assert text("/v1/rest/sms/send", 401, 4003) == "Invalid API Key."
    assert text("/v1/rest/sms/balance", 401, 4003) == "Invalid API key."
    assert text("/v1/rest/hlr/query", 500, 4011) == "Invalid HLR response."
    assert text("/v1/rest/nv/query", 500, 4011) == "Invalid NV response."
    assert text("/v1/rest/nv/query", 415, 415) == "Unsupported media type."


def test_answers_have_the_contract_s_fields() -> None:
    schemas: Any = DESCRIPTION.schemas
    assert len(schemas["EasySendSmsHlr"]["additionalProperties"]["properties"]) == 10
    assert len(schemas["EasySendSmsNv"]["properties"]["results"]["items"]["properties"]) == 11
    assert list(schemas["EasySendSmsSent"]["properties"]) == ["status", "scheduled", "messageIds"]


@pytest.mark.parametrize(
    "fields",
    [
        SEND,
        SEND | {"type": 0},
        SEND | {"type": 1, "text": "žąsis"},
        SEND | {"from": "+123456789012345"},
        SEND | {"scheduled": ""},
        SEND | {"scheduled": None},
        SEND | {"scheduled": "2027-12-31T19:35:00"},
        SEND | {"scheduled": "2027-12-31T19:35:00Z"},
        SEND | {"to": ",".join(["12345678900"] * 30)},
        SEND | {"unknown": 1},
        {},
        SEND | {"from": None},
        SEND | {"from": "x" * 12},
        SEND | {"from": "1" * 16},
        SEND | {"text": ""},
        SEND | {"text": "x" * 766},
        SEND | {"text": 1},
        SEND | {"type": "2"},
        SEND | {"type": True},
        SEND | {"to": ",".join(["12345678900"] * 31)},
        SEND | {"scheduled": "tomorrow"},
    ],
    ids=lambda fields: str(fields)[:60],
)
def test_the_schema_of_a_send_judges_as_the_door_does(fields: dict[str, Any]) -> None:
    schema = ENDPOINTS["post", "/v1/rest/sms/send"].body[JSON].schema
    asked = contract.parse_send(fields, lambda _sender: True, NOW_MS)
    assert validator(schema).is_valid(fields) is not isinstance(asked, int)


@pytest.mark.parametrize(
    "number", ["12345678900", "12345678900,6111", ",".join(["1234567890"] * 31), None, 7]
)
def test_the_schema_of_a_query_judges_as_the_door_does(number: object) -> None:
    schema = ENDPOINTS["post", "/v1/rest/nv/query"].body[JSON].schema
    asked = queries.parse_query({"number": number}, ErrorsOf.NV)
    assert validator(schema).is_valid({"number": number}) is not isinstance(asked, int)
