import json
from typing import Any

import pytest

from protocols.mesms import contract
from protocols.mesms.mapping import REFUSALS
from protocols.mesms.openapi_schemas import PREVIEW_BODY, SCHEMAS, SEND_BODY
from tests.support.api_document import validator

NOW_MS = 1_767_450_600_000
SEND = {"sender": "MYBRAND", "content": "Hello", "msisdns": ["66812345678"]}
GROUP = {"sender": "MYBRAND", "content": "Hello", "contactGroupId": 1}
TEMPLATE = {"sender": "MYBRAND", "templateId": 1, "msisdns": ["66812345678"]}


def fields(name: str) -> list[str]:
    properties: Any = SCHEMAS[name]["properties"]
    return list(properties)


def test_answers_have_the_contract_s_fields() -> None:
    assert fields("MeSmsQueued") == [
        "uuid", "status", "sender", "recipients", "parts", "credits", "scheduledTime",
    ]  # fmt: skip
    assert fields("MeSmsPreview") == ["recipients", "parts", "credits", "encoding", "length"]
    assert fields("MeSmsDryRun") == [*fields("MeSmsPreview"), "dryRun"]
    assert fields("MeSmsMessage") == [
        "uuid", "sender", "content", "status", "recipients", "parts", "credits", "scheduledTime",
        "createdAt", "drSummary",
    ]  # fmt: skip
    assert fields("MeSmsRecipientsByCursor") == ["data", "summary", "nextCursor", "hasMore"]
    assert "total" in fields("MeSmsRecipientsByPage")


def test_every_code_of_a_refusal_is_a_code_of_the_schema() -> None:
    properties: Any = SCHEMAS["MeSmsError"]["properties"]
    assert {words.code for words in REFUSALS.values()} <= set(properties["code"]["enum"])


@pytest.mark.parametrize(
    "fields",
    [
        SEND,
        GROUP,
        TEMPLATE,
        TEMPLATE | {"templateId": 1.0},
        TEMPLATE | {"templateId": 1.5},
        GROUP | SEND,
        SEND | {"scheduledTime": "2027-06-01T10:00:00+07:00"},
        SEND | {"scheduledTime": None, "dryRun": None, "variables": None, "templateId": None},
        SEND | {"variables": {"name": "Toon", "n": 7.5}},
        SEND | {"unknown": [1]},
        SEND | {"content": "x" * 1000},
        {},
        SEND | TEMPLATE,
        SEND | {"sender": ""},
        SEND | {"sender": "x" * 12},
        SEND | {"sender": "a\x00"},
        SEND | {"content": ""},
        SEND | {"content": None},
        SEND | {"content": "x" * 1001},
        SEND | {"msisdns": "66812345678"},
        SEND | {"msisdns": None},
        SEND | {"contactGroupId": -1},
        SEND | {"contactGroupId": "1"},
        SEND | {"variables": {"name": True}},
        SEND | {"variables": ["a"]},
        SEND | {"dryRun": 1},
        SEND | {"scheduledTime": "tomorrow"},
    ],
    ids=lambda fields: json.dumps(fields)[:60],
)
def test_the_schema_of_a_send_judges_as_the_door_does(fields: dict[str, object]) -> None:
    try:
        contract.parse_send(fields, NOW_MS)
        is_accepted = True
    except contract.InvalidParameters:
        is_accepted = False
    assert validator(SEND_BODY).is_valid(fields) is is_accepted
    preview = {name: value for name, value in fields.items() if name != "sender"}
    try:
        contract.parse_preview(preview)
        is_accepted = True
    except contract.InvalidParameters:
        is_accepted = False
    assert validator(PREVIEW_BODY).is_valid(preview) is is_accepted


def test_an_empty_list_of_numbers_needs_a_group() -> None:
    assert not validator(SEND_BODY).is_valid(SEND | {"msisdns": []})
    assert validator(SEND_BODY).is_valid(GROUP | {"msisdns": []})
