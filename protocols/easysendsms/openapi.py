"""The EasySendSMS door as OpenAPI data, after the vendor's REST v1 reference."""

from collections.abc import Mapping
from typing import Literal

from protocols.easysendsms import contract, errors
from protocols.easysendsms.errors import Endpoint as ErrorsOf
from protocols.easysendsms.queries import SUBSCRIBERS
from protocols.http.openapi import (
    FORM,
    IDEMPOTENCY_KEY,
    JSON,
    STORABLE_PATTERN,
    Answer,
    Content,
    DoorDescription,
    Endpoint,
    Header,
    Media,
    Schema,
    Webhook,
    array,
    body_example,
    closed_object,
    constant,
    integer,
    keyed_object,
    nullable,
    number,
    open_object,
    ref,
    string,
)

_PREFIX = "/v1/rest"
_MAX_NUMBERS = contract.MAX_RECIPIENTS
_LIST_OF_NUMBERS = rf"^[^,]*(,[^,]*){{0,{_MAX_NUMBERS - 1}}}$"
_MOST_CHARACTERS = contract.MAX_PARTS * 153
_MOMENT = r"^$|^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?$"
_SAMPLE_ID = "69991a73-a560-429f-9c5a-3251dc1522bb"

# --- bodies -------------------------------------------------------------------------------------

_SEND_BODY = open_object(
    {
        "from": string(
            "An approved sender: at most 15 digits or 11 characters; a leading + does not count.",
            pattern=r"^(\+?[0-9]{1,15}|[^\u0000]{1,11})$",
            example="MYBRAND",
        ),
        "to": string(
            "Digits with country code, no + and no 00; up to 30 numbers with commas between them."
            " One given twice is sent to once.",
            pattern=_LIST_OF_NUMBERS,
            example="12345678900,12345678901",
        ),
        "text": string(
            "At most five parts: 160 or 5 x 153 characters of GSM 03.38, 70 or 5 x 67 of Unicode.",
            pattern=STORABLE_PATTERN,
            min_length=1,
            max_length=_MOST_CHARACTERS,
            example="Hello",
        ),
        "type": {
            "description": "`0`: GSM 03.38, and text outside it is refused; `1`: Unicode.",
            "enum": ["0", "1", 0, 1],
        },
        "scheduled": nullable(
            string(
                "When to send: ISO 8601, UTC unless it has an offset; empty: now.",
                pattern=_MOMENT,
                example="2027-12-31T19:35:00Z",
            )
        ),
    },
    required=("from", "to", "text", "type"),
)
_QUERY_BODY = open_object(
    {
        "number": string(
            "Digits with country code, no + and no 00; up to 30 numbers with commas between them."
            " One given twice is looked up once.",
            pattern=_LIST_OF_NUMBERS,
            min_length=1,
            example="12345678900,611111",
        )
    },
    required=("number",),
)

_TRUTH = string(choices=("True", "False", ""))
_HLR_ENTRY = closed_object(
    {
        "number": string("As it was sent."),
        "country": string("English name; empty when it is not known."),
        "err_desc": string(
            "The meaning of `err_code`.", choices=[words.text for words in SUBSCRIBERS.values()]
        ),
        "operatorName": string("The network, or `Unknown`."),
        "type": string("Such as `Mobile` or `Landline`; may be empty."),
        "mccmnc": string("Mobile country and network code together, `-` or empty."),
        "roaming": _TRUTH,
        "err_code": string(
            "A number as text.", choices=[words.code for words in SUBSCRIBERS.values()]
        ),
        "status": string("Whether the lookup succeeded.", choices=("Delivered", "Undelivered")),
        "ported": _TRUTH,
    }
)
_NV_ENTRY = closed_object(
    {
        "status": string(choices=("VALID", "INVALID")),
        "country": string("English name."),
        "iso3166_2": string("Country, two letters.", pattern="^([A-Z]{2})?$"),
        "cc": string("Calling code.", pattern="^[0-9]*$"),
        "netName": string("Network name."),
        "mcc": string("Mobile country code.", pattern="^[0-9]*$"),
        "mnc": string("Mobile network code.", pattern="^[0-9]*$"),
        "operator": string("Operator."),
        "type": string("Such as `FIXED` or `MOBILE`."),
        "netType": string("Network technology."),
        "msisdn": string("As it was sent."),
    },
    "Every field is there; for an invalid number all but `status` and `msisdn` are empty.",
)
_SCHEMAS: dict[str, Schema] = {
    "EasySendSmsError": closed_object(
        {
            "error": integer("The vendor's number; its meaning depends on the endpoint."),
            "description": string("Its text."),
        },
        "Every error.",
    ),
    "EasySendSmsSent": closed_object(
        {
            "status": constant("OK"),
            "scheduled": string("`Now`, or the time as it was sent."),
            "messageIds": array(
                string(
                    "`OK: ` and the message's id, or `ERR: 4012` for an invalid number.",
                    pattern="^(OK: .+|ERR: 4012)$",
                ),
                "One per distinct number, in the order of the request.",
                min_items=1,
                max_items=_MAX_NUMBERS,
            ),
        }
    ),
    "EasySendSmsBalance": closed_object({"balance": number("What the account may still spend.")}),
    "EasySendSmsHlr": keyed_object(
        string("The number as it was sent."), _HLR_ENTRY, "One entry per number.", min_properties=1
    ),
    "EasySendSmsNv": closed_object(
        {"results": array(_NV_ENTRY, "In the order of the request.", min_items=1)}
    ),
}

# --- answers ------------------------------------------------------------------------------------

_RETRY_AFTER = {"Retry-After": Header(integer(minimum=1), "Seconds to wait.", required=True)}
# What the reference names of each endpoint, and what every HTTP door can say.
_OF_A_KEY = (
    errors.NO_KEY, errors.UNKNOWN_KEY, errors.ADDRESS_REFUSED, errors.KEY_DISABLED,
    errors.ACCOUNT_DISABLED, errors.INTERNAL_ERROR, errors.UNAVAILABLE, 429,
)  # fmt: skip
_OF_A_BODY = (errors.WRONG_CONTENT_TYPE, errors.MISSING_PARAMETER, 408, 413)
_CODES = {
    ErrorsOf.SEND: (
        *_OF_A_KEY, *_OF_A_BODY, errors.BAD_TYPE, errors.BAD_TEXT, errors.BAD_RECIPIENT,
        errors.TOO_MANY_RECIPIENTS, errors.BAD_SENDER, errors.NO_CREDIT, errors.NO_DESTINATION,
        errors.BAD_SCHEDULE, 409, 422,
    ),
    ErrorsOf.BALANCE: _OF_A_KEY,
    ErrorsOf.HLR: (
        *_OF_A_KEY, *_OF_A_BODY, errors.BAD_NUMBER, errors.UNREADABLE_LOOKUP,
        errors.LOOKUP_NO_CREDIT,
    ),
    ErrorsOf.NV: (
        *_OF_A_KEY, *_OF_A_BODY, errors.BAD_NUMBER, errors.UNREADABLE_LOOKUP,
        errors.LOOKUP_NO_CREDIT,
    ),
}  # fmt: skip
_MEANINGS = {
    400: "A parameter is missing or breaks a rule.",
    401: "The key is missing or unknown.",
    402: "Not enough credit: nothing was done.",
    403: "The key may not be used.",
    408: "The body did not come in time.",
    409: "The first request with this Idempotency-Key has no answer yet.",
    413: "The body is too long.",
    415: "The body is not `application/json`.",
    422: "The Idempotency-Key was used with another request.",
    429: "Too many requests.",
    500: "A fault of ours, or of whom we asked; do not repeat.",
    503: "Not now, or not set up; do not repeat at once.",
}
_WITH_RETRY_AFTER = (409, 429)


def _json(schema: Schema, examples: Mapping[str, object]) -> Content:
    return {JSON: Media(schema, examples)}


def _answers(endpoint: ErrorsOf, done: Answer) -> dict[int, Answer]:
    """All answers of an endpoint: `done` is 200, the errors are those of the table."""
    examples: dict[int, dict[str, object]] = {}
    for code in _CODES[endpoint]:
        status, body = errors.error_answer(code, endpoint)
        examples.setdefault(status, {})[f"error{code}"] = body_example(body)
    answers = {
        status: Answer(
            description=_MEANINGS[status],
            content=_json(ref("EasySendSmsError"), of_status),
            headers=_RETRY_AFTER if status in _WITH_RETRY_AFTER else {},
        )
        for status, of_status in examples.items()
    }
    return {200: done, **answers}


_SENT = Answer(
    description="Accepted; an invalid number of a list is named in its place.",
    content=_json(
        ref("EasySendSmsSent"),
        {
            "now": {
                "status": "OK",
                "scheduled": "Now",
                "messageIds": [f"OK: {_SAMPLE_ID}", "ERR: 4012"],
            },
            "scheduled": {
                "status": "OK",
                "scheduled": "2026-03-15T10:00:00Z",
                "messageIds": [f"OK: {_SAMPLE_ID}"],
            },
        },
    ),
)
_BALANCE = Answer(
    description="The balance.",
    content=_json(ref("EasySendSmsBalance"), {"documented": {"balance": 247247}}),
)
_HLR_DONE = Answer(
    description="What the networks say of each number.",
    content=_json(
        ref("EasySendSmsHlr"),
        {
            "documented": {
                "12345678900": {
                    "number": "12345678900",
                    "country": "United States of America",
                    "err_desc": "Live",
                    "operatorName": "First Communications",
                    "type": "Landline",
                    "mccmnc": "-",
                    "roaming": "False",
                    "err_code": "0",
                    "status": "Delivered",
                    "ported": "True",
                },
                "611111": {
                    "number": "611111",
                    "country": "",
                    "err_desc": "Number Not Supported",
                    "operatorName": "Unknown",
                    "type": "",
                    "mccmnc": "",
                    "roaming": "",
                    "err_code": "999",
                    "status": "Undelivered",
                    "ported": "",
                },
            }
        },
    ),
)
_NV_DONE = Answer(
    description="What the numbering plans say of each number.",
    content=_json(
        ref("EasySendSmsNv"),
        {
            "documented": {
                "results": [
                    {
                        "status": "VALID",
                        "country": "United States of America",
                        "iso3166_2": "US",
                        "cc": "1",
                        "netName": "",
                        "mcc": "310",
                        "mnc": "316",
                        "operator": "",
                        "type": "FIXED",
                        "netType": "",
                        "msisdn": "12345678900",
                    },
                    {
                        "status": "INVALID",
                        "country": "",
                        "iso3166_2": "",
                        "cc": "",
                        "netName": "",
                        "mcc": "",
                        "mnc": "",
                        "operator": "",
                        "type": "",
                        "netType": "",
                        "msisdn": "61111",
                    },
                ]
            }
        },
    ),
)

# --- endpoints ----------------------------------------------------------------------------------


def _balance(method: Literal["get", "post"]) -> Endpoint:
    return Endpoint(
        method=method,
        path=f"{_PREFIX}/sms/balance",
        operation_id=f"easysendsmsBalance{method.capitalize()}",
        summary="What the account may still spend",
        description="Two requests per minute, account and client address. A body is ignored.",
        answers=_answers(ErrorsOf.BALANCE, _BALANCE),
    )


_ENDPOINTS = (
    Endpoint(
        method="post",
        path=f"{_PREFIX}/sms/send",
        operation_id="easysendsmsSend",
        summary="Send one text to up to 30 numbers",
        description="30 requests per second and account. An invalid number of a list is left out;"
        " anything else that is wrong refuses the whole request.",
        parameters=[IDEMPOTENCY_KEY],
        body={
            JSON: Media(
                _SEND_BODY,
                {
                    "documented": {
                        "from": "MYBRAND",
                        "to": "12345678900,12345678901",
                        "text": "Hello",
                        "type": "0",
                    },
                    "scheduled": {
                        "from": "MYBRAND",
                        "to": "12345678900",
                        "text": "Hello",
                        "type": "0",
                        "scheduled": "2027-12-31T19:35:00Z",
                    },
                },
            )
        },
        answers=_answers(ErrorsOf.SEND, _SENT),
    ),
    _balance("get"),
    _balance("post"),
    Endpoint(
        method="post",
        path=f"{_PREFIX}/hlr/query",
        operation_id="easysendsmsHlr",
        summary="Ask the networks about up to 30 numbers",
        description="30 requests per second and account. Charged per number that was answered.",
        body={JSON: Media(_QUERY_BODY, {"documented": {"number": "12345678900,611111"}})},
        answers=_answers(ErrorsOf.HLR, _HLR_DONE),
    ),
    Endpoint(
        method="post",
        path=f"{_PREFIX}/nv/query",
        operation_id="easysendsmsNv",
        summary="Ask the numbering plans about up to 30 numbers",
        description="30 requests per second and account. An invalid number is not charged.",
        body={JSON: Media(_QUERY_BODY, {"documented": {"number": "12345678900,61111"}})},
        answers=_answers(ErrorsOf.NV, _NV_DONE),
    ),
)

_REPORT = open_object(
    {
        "source": string("The sender of the message."),
        "msisdn": string("The recipient."),
        "response": string(choices=("DELIVRD", "EXPIRED", "UNDELIV")),
        "sent_date": string(
            "`M/D/YYYY h:mm:ss AM` or `PM`, UTC.",
            pattern=r"^\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d [AP]M$",
        ),
        "sms_id": string("The id of the send answer, without `OK: `."),
    },
    required=("source", "msisdn", "response", "sent_date", "sms_id"),
)

DESCRIPTION = DoorDescription(
    tag="easysendsms",
    title="EasySendSMS REST API v1",
    description="Every request carries `apikey` (in any letter case). Bodies are"
    " `application/json`, and another type is refused where a body is read. Delivery is told by"
    " the webhook only. A 500 or 503 must not be repeated: the request may have been taken.",
    security={
        "type": "apiKey",
        "in": "header",
        "name": "apikey",
        "description": "A key of the account.",
    },
    schemas=_SCHEMAS,
    endpoints=_ENDPOINTS,
    webhooks=(
        Webhook(
            name="easysendsmsReport",
            summary="Delivery report, to the account's report URL",
            description="Sent when a message has ended. Any 2xx within 10 s takes it; else it comes"
            " again after 1, 5 and 30 minutes. When the URL is configured it is asked with GET and"
            " HEAD, which must answer 200.",
            body={
                FORM: Media(
                    _REPORT,
                    {
                        "documented": {
                            "source": "test",
                            "msisdn": "12345678900",
                            "response": "DELIVRD",
                            "sent_date": "5/24/2024 11:23:34 PM",
                            "sms_id": "fd940f38-151d-47f1-81b8-22d1220f7a55",
                        }
                    },
                )
            },
        ),
    ),
)
