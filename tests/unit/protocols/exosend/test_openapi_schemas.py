from typing import Any

import pytest

from protocols.exosend import contract, sender_ids
from protocols.exosend.openapi_schemas import BULK_BODY, SCHEMAS, SEND_BODY, SENDER_BODY
from protocols.http.openapi import FORM, JSON, MULTIPART
from tests.support.api_document import validator

SEND = {"recipient": "+37061234567", "message": "Hello"}


def fields(name: str) -> list[str]:
    """Names of `data` in an answer."""
    data: Any = SCHEMAS[name]["properties"]
    return list(data["data"]["properties"])


def test_answers_have_the_contract_s_fields_in_its_order() -> None:
    assert fields("ExoSendSent") == [
        "message_id", "status", "cost", "segments", "balance_remaining",
    ]  # fmt: skip
    assert fields("ExoSendBulkSent") == [
        "total_messages", "total_cost", "balance_remaining", "message_ids", "invalid_recipients",
    ]  # fmt: skip
    assert fields("ExoSendStatus") == [
        "id", "status", "recipient", "cost", "segments", "sent_at", "delivered_at",
        "error_message", "error_code",
    ]  # fmt: skip
    assert fields("ExoSendBalance") == ["balance", "currency", "organization"]
    assert fields("ExoSendSenderRequested") == [
        "id", "sender_id", "admin_status", "provider_status", "is_verified", "is_default",
        "created_at",
    ]  # fmt: skip
    assert fields("ExoSendSenderDefault") == ["id", "sender_id", "is_verified", "is_default"]


def test_a_listed_sender_has_eleven_keys() -> None:
    data: Any = SCHEMAS["ExoSendSenders"]["properties"]
    assert len(data["data"]["items"]["properties"]) == 11


@pytest.mark.parametrize("body", [SEND_BODY, BULK_BODY, SENDER_BODY])
def test_every_body_comes_in_three_encodings(body: Any) -> None:
    assert list(body) == [JSON, FORM, MULTIPART]


@pytest.mark.parametrize(
    "fields",
    [
        SEND,
        SEND | {"sender_id": "EXOCLASS"},
        SEND | {"sender_id": None},
        SEND | {"sender_id": ""},
        SEND | {"recipient": " +37061234567 "},
        SEND | {"message": "x" * 1600},
        SEND | {"unknown": {"a": 1}},
        {},
        SEND | {"recipient": "37061234567"},
        SEND | {"recipient": "+0"},
        SEND | {"recipient": 37061234567},
        SEND | {"message": " \n "},
        SEND | {"message": "a\x00b"},
        SEND | {"message": "x" * 1601},
        SEND | {"message": ["x"]},
        SEND | {"sender_id": "x" * 12},
        SEND | {"sender_id": 7},
        SEND | {"sender_id": []},
    ],
)
def test_the_schema_of_a_send_judges_as_the_door_does(fields: dict[str, object]) -> None:
    is_accepted = isinstance(contract.parse_send(fields), contract.SendRequest)
    assert validator(SEND_BODY[JSON].schema).is_valid(fields) is is_accepted


@pytest.mark.parametrize(
    "name",
    [
        "ABC",
        "A1 B2",
        "12A",
        " EXO ",
        "EXOCLASS EX",
        "AB",
        "123",
        "A-B-C",
        "ABCDEFGHIJKL",
        "",
        None,
        7,
    ],
)
def test_the_schema_of_a_sender_id_judges_as_the_door_does(name: object) -> None:
    fields = {"sender_id": name}
    is_accepted = isinstance(sender_ids.parse_request(fields), str)
    assert validator(SENDER_BODY[JSON].schema).is_valid(fields) is is_accepted


def test_a_list_of_recipients_is_bounded() -> None:
    schema = validator(BULK_BODY[JSON].schema)
    for count, is_valid in ((0, False), (1, True), (1000, True), (1001, False)):
        body = {"recipients": ["+37061234567"] * count, "message": "Hi"}
        assert schema.is_valid(body) is is_valid
