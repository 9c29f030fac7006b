import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import FINAL_STATES, MessageState
from protocols.exotel import contract
from protocols.exotel.callback import StatusCallbackForm
from protocols.exotel.faults import Rejected
from protocols.exotel.openapi_schemas import BULK_BODY, REPORT_BODY, SCHEMAS, SEND_BODY
from protocols.http.bodies import nest_fields
from protocols.http.notice import NoticeSubject
from protocols.http.openapi import FORM, JSON, MULTIPART
from tests.support.api_document import validator

ONE = {"From": "EXOTEL", "To": "+919876543210", "Body": "Hello"}
BULK = {"Messages": [{"To": "+919876543210", "Body": "Hello"}]}
FIELDS = [
    "Sid", "AccountSid", "From", "To", "DateCreated", "DateUpdated", "DateSent", "Body",
    "Direction", "Uri", "ApiVersion", "Price", "Status", "SmsUnits", "DetailedStatusCode",
    "DetailedStatus",
]  # fmt: skip


def check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError(url)


def is_accepted(parse: Any, fields: dict[str, Any]) -> bool:
    try:
        parse(fields, check_url)
    except Rejected:
        return False
    return True


@pytest.mark.parametrize("name", ["ExotelMessage", "ExotelMessageXml"])
def test_a_message_has_the_sixteen_fields_in_their_order(name: str) -> None:
    properties: Any = SCHEMAS[name]["properties"]
    assert list(properties["SMSMessage"]["properties"]) == FIELDS


@pytest.mark.parametrize("body", [SEND_BODY, BULK_BODY])
def test_every_encoding_is_described(body: Any) -> None:
    assert list(body) == [FORM, MULTIPART, JSON]


@pytest.mark.parametrize("state", list(MessageState))
def test_every_status_we_show_is_in_the_schema(state: MessageState) -> None:
    properties: Any = SCHEMAS["ExotelMessage"]["properties"]
    message = properties["SMSMessage"]["properties"]
    assert WORDS[state].exotel in message["Status"]["enum"]
    assert WORDS[state].exotel_detail_code in message["DetailedStatusCode"]["enum"]
    assert WORDS[state].exotel_detail in message["DetailedStatus"]["enum"]


@pytest.mark.parametrize(
    "fields",
    [
        ONE,
        ONE | {"To": ["+919876543210", "09876543210"]},
        ONE | {"To": "+919876543210,09876543210"},
        ONE | {"To": 919876543210, "From": 600123},
        ONE | {"EncodingType": "unicode", "Priority": "high", "SmsType": "promotional"},
        ONE | {"EncodingType": "", "Priority": None, "StatusCallback": None, "ShortenUrl": "false"},
        ONE | {"StatusCallback": "https://a.example/x", "StatusCallbackContentType": JSON},
        ONE | {"ShortenUrlParams": {"TimeToExpiry": 1440, "Tracking": "true"}},
        ONE | {"To": 919876543210.0, "ShortenUrlParams": {"TimeToExpiry": 525600.0}},
        ONE | {"To": 919876543210.5},
        ONE | {"ShortenUrlParams": None},
        ONE | {"MediaUrl": {"a": 1}},
        ONE | {"Body": "x" * 2000},
        {},
        {"To": "+919876543210", "Body": "Hello"},
        ONE | {"From": " "},
        ONE | {"To": ""},
        ONE | {"To": ","},
        ONE | {"To": []},
        ONE | {"To": ["+919876543210"] * 101},
        ONE | {"Body": " \n"},
        ONE | {"Body": "a\x00"},
        ONE | {"Body": "x" * 2001},
        ONE | {"Body": ["Hello"]},
        ONE | {"EncodingType": "binary"},
        ONE | {"Priority": "urgent"},
        ONE | {"SmsType": "x"},
        ONE | {"StatusCallback": "mailto:x"},
        ONE | {"StatusCallbackContentType": "text/plain"},
        ONE | {"CustomField": "x" * 2001},
        ONE | {"DltEntityId": "ä"},
        ONE | {"DltTemplateId": "1" * 256},
        ONE | {"BindingChainDetails": ["1"]},
        ONE | {"ShortenUrl": "true"},
        ONE | {"ShortenUrlParams": {"TimeToExpiry": 1439}},
        ONE | {"ShortenUrlParams": {"Tracking": "x"}},
        ONE | {"ShortenUrlParams": {"ClickTrackingCallbackUrl": "x"}},
    ],
    ids=lambda fields: str(fields)[:60],
)
def test_the_schema_of_a_send_judges_as_the_door_does(fields: dict[str, Any]) -> None:
    expected = is_accepted(contract.parse_send, fields)
    assert validator(SEND_BODY[JSON].schema).is_valid(fields) is expected


@pytest.mark.parametrize(
    "fields",
    [
        BULK,
        {"sms": BULK["Messages"], "From": "EXOTEL", "Priority": "high"},
        {"Messages": BULK["Messages"] * 100},
        {},
        {"Messages": []},
        {"Messages": "x"},
        {"Messages": BULK["Messages"] * 101},
        BULK | {"EncodingType": "binary"},
        BULK | {"From": ["x"]},
    ],
    ids=lambda fields: str(fields)[:60],
)
def test_the_schema_of_a_bulk_judges_as_the_door_does(fields: dict[str, Any]) -> None:
    def parse(fields: Any, check: Any) -> object:
        return contract.parse_bulk_send(fields, check, "EXOTEL")

    expected = is_accepted(parse, fields)
    assert validator(BULK_BODY[JSON].schema).is_valid(fields) is expected


@pytest.mark.parametrize("name", SEND_BODY[FORM].examples)
def test_every_spelling_of_a_list_is_read(name: str) -> None:
    example: Any = SEND_BODY[FORM].examples[name]
    fields = nest_fields(
        (field, item)
        for field, value in example.items()
        for item in (value if isinstance(value, list) and field.endswith("[]") else [value])
    )
    assert is_accepted(contract.parse_send, fields)
    assert validator(SEND_BODY[FORM].schema).is_valid(example)


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
@pytest.mark.parametrize(("is_json", "media_type"), [(False, FORM), (True, JSON)])
@pytest.mark.parametrize("custom_field", [None, "mine"])
def test_the_delivery_report_is_as_we_send_it(
    state: MessageState, is_json: bool, media_type: str, custom_field: str | None
) -> None:
    callback = contract.StatusCallback("https://a.example/x", is_json, custom_field)
    delivery: Any = SimpleNamespace(door_text=callback.door_text())
    subject = NoticeSubject("0f47-7d60", state, "919876543210", "EXO", 1, 1, "EUR", "", 1, 2, 3)
    notice = StatusCallbackForm().notice(delivery, subject, 0)
    assert notice.headers["Content-Type"] == media_type
    sent = json.loads(notice.body) if is_json else dict(parse_qsl(notice.body.decode()))
    assert [*validator(REPORT_BODY[media_type].schema).iter_errors(sent)] == []
