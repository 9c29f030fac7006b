"""The bodies of the Exotel door as JSON Schema: what is sent, and every answer, JSON and XML."""

from collections.abc import Mapping
from typing import Literal, cast

from protocols.exotel import contract
from protocols.exotel.answers import NO_MATCH
from protocols.exotel.statuses import DETAILS
from protocols.http.openapi import (
    FORM,
    JSON,
    MULTIPART,
    STORABLE_PATTERN,
    Content,
    Media,
    Schema,
    any_of,
    array,
    closed_object,
    constant,
    integer,
    null,
    nullable,
    open_object,
    ref,
    string,
)

SAMPLE_SID = "0f477d60517e6e6a0f6d9a7e9af8630e"

_TIME = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"
_DLT_PATTERN = rf"^\s*[ -~]{{0,{contract.MAX_DLT_LENGTH}}}\s*$"
_MOST = contract.MAX_MESSAGES
_LARGEST = 2**63 - 1
_FINAL_STATES = ("sent", "failed-dnd", "failed")
_STATES = ("queued", "sending", "submitted", *_FINAL_STATES)

# --- request fields: as form fields, and as JSON -----------------------------------------------

_TO = string(
    "E.164, or a number of the account's country.",
    pattern=r"^[^\u0000]*[^\s,\u0000][^\u0000]*$",
    example="+919876543210",
)
_BODY = string(
    "The text.",
    pattern=r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
    max_length=contract.MAX_BODY_LENGTH,
    example="Your code is 2234",
)
_FROM = string(
    "An approved sender.", pattern=r"^[^\u0000]*[^\s\u0000][^\u0000]*$", example="EXOTEL"
)


def _choice(description: str, *choices: str) -> Schema:
    """One of `choices`; an empty value counts as left out."""
    return string(description, choices=("", *choices))


_DLT: dict[str, Schema] = {
    "DltEntityId": string(
        "Registered entity; goes to SMPP providers as TLV 0x1400.", pattern=_DLT_PATTERN
    ),
    "DltTemplateId": string("Registered template; TLV 0x1401.", pattern=_DLT_PATTERN),
}
_OPTIONS: dict[str, Schema] = {
    "EncodingType": _choice("Left out: decided by the text.", "plain", "unicode"),
    "Priority": _choice("`high` goes before the account's other messages.", "normal", "high"),
    "StatusCallback": string("Where the delivery report goes.", pattern=r"^(https?://\S+)?$"),
    "StatusCallbackContentType": _choice("Form fields unless told otherwise.", JSON, FORM),
    "CustomField": string(
        "Given back in the delivery report.",
        pattern=STORABLE_PATTERN,
        max_length=contract.MAX_CUSTOM_LENGTH,
    ),
    "ShortenUrl": _choice("`true` is refused: this gateway shortens no links.", "false"),
    "DltEntityId": _DLT["DltEntityId"],
}
_OF_A_SEND: dict[str, Schema] = {
    "SmsType": _choice("Passed on.", *contract.SMS_TYPES[1:]),
    "DltTemplateId": _DLT["DltTemplateId"],
    "BindingChainDetails": string("`<PE_ID>,<TM_ID>`; TLV 0x1402.", pattern=_DLT_PATTERN),
}
_SHORTENING: dict[str, Schema] = {
    "Header": string("DLT header used in the short link.", pattern=STORABLE_PATTERN),
    "CustomDomain": string("Domain of the short link.", pattern=STORABLE_PATTERN),
    "Tracking": _choice("Whether clicks are counted.", "true", "false"),
    "ClickTrackingCallbackUrl": string("Where clicks go.", pattern=r"^(https?://\S+)?$"),
    "TimeToExpiry": integer(
        "Minutes.", minimum=contract.MIN_EXPIRY_MIN, maximum=contract.MAX_EXPIRY_MIN
    ),
}
_ENTRY_FIELDS: dict[str, Schema] = {
    "To": _TO,
    "Body": _BODY,
    "From": _FROM,
    "SmsType": _OF_A_SEND["SmsType"],
    **_DLT,
}


def _nullable(fields: Mapping[str, Schema]) -> dict[str, Schema]:
    """In JSON, null counts as left out."""
    return {
        name: {**schema, "type": [schema["type"], "null"]}
        if "enum" not in schema
        else {
            **schema,
            "type": ["string", "null"],
            "enum": [*cast("list[str]", schema["enum"]), None],
        }
        for name, schema in fields.items()
    }


def _unquoted(schema: Schema) -> Schema:
    """In JSON, what consists of digits may be written as a number."""
    return {**schema, "type": ["string", "integer"], "minimum": -_LARGEST, "maximum": _LARGEST}


def _shorten_form() -> dict[str, Schema]:
    return {f"ShortenUrlParams[{name}]": schema for name, schema in _SHORTENING.items()}


def _send_form() -> Schema:
    """Form fields; the list of numbers in any of its spellings."""
    recipients = array(_TO, "One field each.", min_items=1, max_items=_MOST)
    form = open_object(
        {
            "From": _FROM,
            "To": any_of(_TO, recipients),
            "To[]": recipients,
            "Body": _BODY,
            **_OPTIONS,
            **_OF_A_SEND,
            **_shorten_form(),
        },
        required=("From", "Body"),
    )
    form["patternProperties"] = {r"^To\[[0-9]+\]$": _TO}
    form["anyOf"] = [{"required": [name]} for name in ("To", "To[]", "To[0]")]
    return form


def _send_json() -> Schema:
    number = _unquoted(_TO)
    return open_object(
        {
            "From": _unquoted(_FROM),
            "To": any_of(number, array(number, "One each.", min_items=1, max_items=_MOST)),
            "Body": _BODY,
            **_nullable(_OPTIONS),
            **_nullable(_OF_A_SEND),
            "ShortenUrlParams": nullable(open_object(_nullable(_SHORTENING))),
        },
        required=("From", "To", "Body"),
    )


_OUTER_FROM = string(
    "For entries that have none; left out: the account's first sender.", pattern=STORABLE_PATTERN
)


def _bulk_form() -> Schema:
    """Form fields; `Messages` and `Message` are both read."""
    form = open_object({"From": _OUTER_FROM, **_OPTIONS, **_shorten_form()})
    form["patternProperties"] = {
        rf"^Messages?\[[0-9]+\]\[{name}\]$": schema for name, schema in _ENTRY_FIELDS.items()
    }
    form["anyOf"] = [
        {"required": [f"{name}[0][To]", f"{name}[0][Body]"]} for name in ("Messages", "Message")
    ]
    return form


def _bulk_json() -> Schema:
    entry = open_object(_ENTRY_FIELDS, "One message.", required=("To", "Body"))
    entries = array(entry, "The messages.", min_items=1, max_items=_MOST)
    body = open_object(
        {
            "From": nullable(_OUTER_FROM),
            **_nullable(_OPTIONS),
            "ShortenUrlParams": nullable(open_object(_nullable(_SHORTENING))),
            "Messages": entries,
            "sms": entries,
        }
    )
    body["anyOf"] = [{"required": ["Messages"]}, {"required": ["sms"]}]
    return body


# --- request bodies -----------------------------------------------------------------------------

_ONE = {"From": "EXOTEL", "To": "+919876543210", "Body": "Your code is 2234"}
_LIST = {
    "From": "EXOTEL",
    "To": ["+919876543210", "+919876543211"],
    "Body": "We open at nine",
}
_ENTRIES = [
    {"To": "+919876543210", "Body": "Hello A"},
    {"To": "+919876543211", "Body": "Hello B"},
]
_BULK_FORM_EXAMPLE = {
    "From": "EXOTEL",
    "Messages[0][To]": "+919876543210",
    "Messages[0][Body]": "Hello A",
    "Messages[1][To]": "+919876543211",
    "Messages[1][Body]": "Hello B",
}

SEND_BODY: Content = {
    FORM: Media(
        _send_form(),
        {
            "one": _ONE,
            "list": {
                "From": "EXOTEL",
                "To[]": ["+919876543210", "+919876543211"],
                "Body": "We open at nine",
            },
            "numbered": {
                "From": "EXOTEL",
                "To[0]": "+919876543210",
                "To[1]": "+919876543211",
                "Body": "We open at nine",
            },
            "repeated": _LIST,
            "commas": {
                "From": "EXOTEL",
                "To": "+919876543210,+919876543211",
                "Body": "We open at nine",
            },
        },
    ),
    MULTIPART: Media(_send_form(), {"one": _ONE}),
    JSON: Media(_send_json(), {"one": _ONE, "list": _LIST}),
}
BULK_BODY: Content = {
    FORM: Media(
        _bulk_form(),
        {
            "documented": _BULK_FORM_EXAMPLE,
            "singular": {
                "From": "EXOTEL",
                "Message[0][To]": "+919876543210",
                "Message[0][Body]": "Hello A",
            },
        },
    ),
    MULTIPART: Media(_bulk_form(), {"documented": _BULK_FORM_EXAMPLE}),
    JSON: Media(
        _bulk_json(),
        {
            "Messages": {"From": "EXOTEL", "Messages": _ENTRIES},
            "sms": {"From": "EXOTEL", "sms": _ENTRIES},
        },
    ),
}

# --- answers ------------------------------------------------------------------------------------


def _time(description: str) -> Schema:
    return string(f"{description} Indian Standard Time.", pattern=_TIME)


def _message(form: Literal["json", "xml"]) -> Schema:
    """The 16 fields of `SMSMessage`; XML writes what is unset as an empty element."""
    empty = constant("") if form == "xml" else null()

    def unset(schema: Schema) -> Schema:
        return any_of(schema, empty) if form == "xml" else nullable(schema)

    sent = (
        _time("When it was sent; 1970-01-01 05:30:00: not yet.")
        if form == "xml"
        else nullable(_time("When it was sent."))
    )
    return closed_object(
        {
            "Sid": unset(
                string("32 hexadecimal characters; none: refused.", pattern="^[0-9a-f]{32}$")
            ),
            "AccountSid": string("As in the path."),
            "From": string("`/` and the sender, or a number."),
            "To": string("`0` and ten digits in India, `00` and the number elsewhere."),
            "DateCreated": _time("When it was accepted."),
            "DateUpdated": _time("When its status changed last."),
            "DateSent": sent,
            "Body": string("As it was sent."),
            "Direction": constant("outbound-api"),
            "Uri": string("The path of its details; empty: refused."),
            "ApiVersion": empty,
            "Price": unset(string("Six decimals, once final.", pattern=r"^-?\d+\.\d{6}$")),
            "Status": string("`sent` means delivered.", choices=_STATES),
            "SmsUnits": unset(integer("Parts, once final.", minimum=1)),
            "DetailedStatusCode": integer("The one to go by.", choices=tuple(DETAILS)),
            "DetailedStatus": string("Its name.", choices=tuple(DETAILS.values())),
        }
    )


_EXCEPTION = closed_object(
    {
        "Status": integer("The HTTP status again."),
        "Message": string("For people; do not match on it."),
        "Code": integer("The vendor's number, where there is one and it is wanted."),
    },
    optional=("Code",),
)
_ACCOUNT = closed_object({"Sid": string("As in the path."), "Status": constant("active")})


def _document(fields: Mapping[str, Schema], description: str = "") -> Schema:
    schema = closed_object(fields, description)
    schema["xml"] = {"name": "TwilioResponse"}
    return schema


SCHEMAS: dict[str, Schema] = {
    "ExotelMessage": closed_object({"SMSMessage": _message("json")}, "One message."),
    "ExotelMessages": array(
        ref("ExotelMessage"), "One element per number, in the order of the request.", min_items=1
    ),
    "ExotelNoMessage": closed_object({"Message": constant(NO_MATCH)}, "No such message."),
    "ExotelAccount": closed_object({"Account": _ACCOUNT}),
    "ExotelError": closed_object({"RestException": _EXCEPTION}),
    "ExotelMessageXml": _document({"SMSMessage": _message("xml")}, "One message."),
    "ExotelMessagesXml": _document(
        {"SMSMessage": array(_message("xml"), min_items=1)},
        "One `SMSMessage` element per number, in the order of the request.",
    ),
    "ExotelNoMessageXml": _document({"Message": constant(NO_MATCH)}, "No such message."),
    "ExotelAccountXml": _document({"Account": _ACCOUNT}),
    "ExotelErrorXml": _document({"RestException": _EXCEPTION}),
}

# --- the delivery report ------------------------------------------------------------------------

_REPORT_FIELDS: dict[str, Schema] = {
    "SmsSid": string("The `Sid` of the send answer."),
    "To": string("`0` and ten digits in India, `00` and the number elsewhere."),
    "Status": string("`sent` means delivered.", choices=_FINAL_STATES),
    "SmsUnits": string("Parts.", pattern="^[0-9]+$"),
    "DetailedStatus": string("The name of the detailed status.", choices=tuple(DETAILS.values())),
    "DetailedStatusCode": string("Its number.", pattern="^[0-9]{5}$"),
    "DateSent": _time("When it was sent."),
    "CustomField": string("As it was sent; left out when there was none."),
}
_REPORT = closed_object(_REPORT_FIELDS, optional=("CustomField",))
_REPORT_EXAMPLE = {
    "SmsSid": SAMPLE_SID,
    "To": "09876543210",
    "Status": "sent",
    "SmsUnits": "1",
    "DetailedStatus": "DELIVERED_TO_HANDSET",
    "DetailedStatusCode": "20005",
    "DateSent": "2017-03-03 14:14:22",
}
REPORT_BODY: Content = {
    FORM: Media(_REPORT, {"documented": _REPORT_EXAMPLE}),
    JSON: Media(_REPORT, {"documented": _REPORT_EXAMPLE}),
}
