"""The bodies of the ME-SMS door as JSON Schema: what is sent, and every answer."""

from collections.abc import Mapping

from protocols.http.openapi import (
    STORABLE_PATTERN,
    UUID_PATTERN,
    Schema,
    array,
    boolean,
    closed_object,
    constant,
    integer,
    nullable,
    number,
    open_object,
    ref,
    string,
)
from protocols.mesms import contract
from protocols.mesms.statuses import MESSAGE_STATUSES, RECIPIENT_STATUSES

SAMPLE_UUID = "2b1c8c5e-6a0e-4a0c-9a55-0d2f0f6f7a11"

_THAI_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+07:00$"
_ANY_TIME = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?([Zz]|[+-]\d\d(:?\d\d)?)?$"
_CODES = (
    "INVALID_PARAMETERS",
    "UNAUTHORIZED",
    "INSUFFICIENT_CREDITS",
    "FORBIDDEN",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "REQUEST_TIMEOUT",
    "RATE_LIMITED",
    "NOT_SCHEDULED",
    "ALREADY_CANCELLED",
    "ALREADY_PROCESSING",
    "IDEMPOTENCY_MISMATCH",
    "IDEMPOTENCY_RUNNING",
    "INTERNAL_ERROR",
    "SERVICE_UNAVAILABLE",
)

# --- requests -----------------------------------------------------------------------------------

_TEXT_AND_RECIPIENTS: dict[str, Schema] = {
    "content": nullable(
        string(
            "The text; `{{name}}` stands for a value of `variables`. 160 characters make one SMS,"
            " 153 each of several; 70 and 67 with letters beyond GSM 03.38.",
            pattern=STORABLE_PATTERN,
            min_length=1,
            max_length=contract.MAX_CONTENT_LENGTH,
            example="Hello {{name}}",
        )
    ),
    "templateId": nullable(
        integer("A stored template in place of `content`.", minimum=0, maximum=contract.MAX_ID)
    ),
    "variables": {
        "type": ["object", "null"],
        "description": "Values for the placeholders, by name.",
        "additionalProperties": {"type": ["string", "number"], "pattern": STORABLE_PATTERN},
    },
    "msisdns": nullable(
        array(
            string(
                "`66XXXXXXXXX` or `0XXXXXXXXX`.",
                pattern=STORABLE_PATTERN,
                max_length=256,
                example="66812345678",
            ),
            "One given twice is sent to once. Those that are no numbers become recipients with the"
            " status `invalid`.",
            max_items=contract.MAX_RECIPIENTS,
        )
    ),
    "contactGroupId": nullable(
        integer(
            "A stored list of numbers; with `msisdns`, both are joined.",
            minimum=0,
            maximum=contract.MAX_ID,
        )
    ),
}


def _given(name: str, **schema: object) -> Schema:
    """`name` is there, and not null."""
    return {"required": [name], "properties": {name: schema}}


def _order(fields: Mapping[str, Schema], *required: str) -> Schema:
    """A body with one text and some recipients."""
    body = open_object(fields, required=required)
    body["allOf"] = [
        {"oneOf": [_given("content", type="string"), _given("templateId", type="integer")]},
        {
            "anyOf": [
                _given("msisdns", type="array", minItems=1),
                _given("contactGroupId", type="integer"),
            ]
        },
    ]
    return body


SEND_BODY = _order(
    {
        "sender": string(
            "An approved sender name.",
            pattern=STORABLE_PATTERN,
            min_length=1,
            max_length=contract.MAX_SENDER_LENGTH,
            example="MYBRAND",
        ),
        **_TEXT_AND_RECIPIENTS,
        "scheduledTime": nullable(
            string(
                "When to send: ISO 8601, in the future; without an offset it is +07:00.",
                pattern=_ANY_TIME,
                example="2027-06-01T10:00:00+07:00",
            )
        ),
        "dryRun": {
            "type": ["boolean", "null"],
            "description": "Only compute parts and credits: nothing is sent.",
        },
    },
    "sender",
)
PREVIEW_BODY = _order(_TEXT_AND_RECIPIENTS)

# --- answers ------------------------------------------------------------------------------------


def _thai_time(description: str) -> Schema:
    return string(f"{description} ISO 8601, +07:00.", pattern=_THAI_TIME)


def _uuid(description: str) -> Schema:
    return string(description, pattern=UUID_PATTERN, example=SAMPLE_UUID)


def _count(description: str = "") -> Schema:
    return integer(description, minimum=0)


_COST: dict[str, Schema] = {
    "recipients": _count("Distinct numbers."),
    "parts": integer("SMS per recipient.", minimum=1),
    "credits": number("For all valid recipients.", minimum=0),
}
_PREVIEW: dict[str, Schema] = {
    **_COST,
    "encoding": string(choices=("GSM7", "UCS2")),
    "length": integer("Characters of the text.", minimum=1),
}
_MESSAGE: dict[str, Schema] = {
    "uuid": _uuid("The message."),
    "sender": string("The sender name."),
    "content": string("The text, placeholders filled."),
    "status": string(choices=tuple(MESSAGE_STATUSES)),
    **_COST,
    "scheduledTime": nullable(_thai_time("When it is to be sent.")),
    "createdAt": _thai_time("When it was accepted."),
}
_BY_STATUS = closed_object(
    dict.fromkeys(RECIPIENT_STATUSES, _count()),
    "Recipients by status, once sending is complete; null before.",
)

SCHEMAS: dict[str, Schema] = {
    "MeSmsError": closed_object(
        {"error": string("For people."), "code": string("For programs.", choices=_CODES)},
        "Every error.",
    ),
    "MeSmsQueued": closed_object(
        {
            "uuid": _uuid("Ask for the message with it."),
            "status": string(choices=("pending", "scheduled")),
            "sender": string("The sender name."),
            **_COST,
            "scheduledTime": nullable(string("As it was given.")),
        },
        "A message.",
    ),
    "MeSmsDryRun": closed_object(
        {**_PREVIEW, "dryRun": constant(True)}, "A calculation; there is no message."
    ),
    "MeSmsPreview": closed_object(_PREVIEW),
    "MeSmsCancelled": closed_object(
        {
            "uuid": _uuid("The message."),
            "status": constant("cancelled"),
            "refundedCredits": number("What was held for it.", minimum=0),
        }
    ),
    "MeSmsMessages": closed_object(
        {
            "data": array(closed_object(_MESSAGE), "Newest first."),
            "total": _count("Messages with that status."),
            "page": integer(minimum=1),
            "limit": integer(minimum=1, maximum=contract.MAX_MESSAGES),
        }
    ),
    "MeSmsMessage": closed_object({**_MESSAGE, "drSummary": nullable(_BY_STATUS)}),
    "MeSmsRecipient": closed_object(
        {
            "id": integer("Ascending within the message.", minimum=1),
            "msisdn": string("The number, or what was sent in its place."),
            "status": string(choices=RECIPIENT_STATUSES),
            "updatedAt": nullable(_thai_time("When its status changed last.")),
        }
    ),
    "MeSmsSummary": array(
        closed_object({"status": string(choices=RECIPIENT_STATUSES), "count": _count()}),
        "Recipients of the whole message by status, whatever the filter.",
    ),
    "MeSmsRecipientsByCursor": closed_object(
        {
            "data": array(ref("MeSmsRecipient")),
            "summary": ref("MeSmsSummary"),
            "nextCursor": nullable(integer("`after` of the next page; null on the last.")),
            "hasMore": boolean(),
        },
        "With `after`.",
    ),
    "MeSmsRecipientsByPage": closed_object(
        {
            "data": array(ref("MeSmsRecipient")),
            "summary": ref("MeSmsSummary"),
            "total": _count("Recipients with that status."),
            "page": integer(minimum=1),
            "limit": integer(minimum=1, maximum=contract.MAX_PAGE_RECIPIENTS),
        },
        "Without `after`.",
    ),
    "MeSmsCredit": closed_object({"credit": number("What the account may still spend.")}),
    "MeSmsSenders": closed_object(
        {
            "data": array(
                closed_object(
                    {
                        "id": _count("The sender."),
                        "name": string("The sender name."),
                        "status": string(
                            "Only `approved` may send.", choices=("approved", "pending", "rejected")
                        ),
                        "shared": boolean("Shared with other accounts."),
                    }
                )
            )
        }
    ),
}
