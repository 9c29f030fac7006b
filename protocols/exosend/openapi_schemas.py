"""The bodies of the ExoSend door as JSON Schema: what is sent, and every answer."""

from collections.abc import Mapping

from protocols.exosend import contract
from protocols.http.openapi import (
    FORM,
    JSON,
    MULTIPART,
    UUID_PATTERN,
    Content,
    Media,
    Schema,
    array,
    boolean,
    closed_object,
    constant,
    integer,
    null,
    nullable,
    number,
    open_object,
    string,
)

SAMPLE_ID = "9a7f2e5c-1234-5678-90ab-cdef12345678"

_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$"

# --- fields -------------------------------------------------------------------------------------

_SENDER_FIELD = string(
    "The name of a verified sender of the organization, not its id. Left out, null or blank: the"
    " organization's default.",
    max_length=contract.MAX_SENDER_LENGTH,
    example="EXOCLASS",
)
_MESSAGE_FIELD = string(
    "The text. Leading and trailing blanks are cut off.",
    # Something must be left after trimming, and no store can carry U+0000.
    pattern=r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
    max_length=contract.MAX_MESSAGE_LENGTH,
    example="Hello from ExoSend! Your verification code is 123456.",
)
_RECIPIENT_FIELD = string(
    "E.164 with a leading +.", pattern=r"^\s*\+[1-9][0-9]{1,14}\s*$", example="+37061234567"
)
_NEW_SENDER_FIELD = string(
    "3 to 11 letters and digits, at least one letter; blanks inside are allowed. Unique in the"
    " organization.",
    pattern=r"^\s*(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9][A-Za-z0-9 ]{1,9}[A-Za-z0-9]\s*$",
    example="EXOCLASS",
)
_ANY_RECIPIENT: Schema = {
    "type": ["string", "number", "boolean", "null", "array", "object"],
    "description": "The item as it was sent, whatever it is.",
}


def _id(description: str) -> Schema:
    return string(description, pattern=UUID_PATTERN, example=SAMPLE_ID)


def _time(description: str) -> Schema:
    return string(f"{description} UTC.", pattern=_TIME, example="2026-01-03T14:30:00+00:00")


def _unset_time(description: str) -> Schema:
    return nullable(_time(description))


def _texts(*fields: str) -> Schema:
    """Texts by field at fault."""
    texts = array(string(), min_items=1)
    return closed_object(dict.fromkeys(fields, texts), optional=fields)


def _validation_error(*fields: str) -> Schema:
    return closed_object(
        {
            "message": string("The first text, and how many others there are."),
            "errors": _texts(*fields),
        },
        "A body that breaks a rule: which field, and every rule it breaks.",
    )


def _envelope(data: Schema, message: str = "", description: str = "") -> Schema:
    fields: dict[str, Schema] = {"success": constant(True), "data": data}
    if message:
        fields["message"] = constant(message)
    return closed_object(fields, description)


# --- schemas ------------------------------------------------------------------------------------

_SENDER_FIELDS: dict[str, Schema] = {
    "id": _id("The id of the sender id."),
    "sender_id": string("The name."),
    "admin_status": string(
        "What the administrator says.", choices=("pending", "approved", "rejected")
    ),
    "provider_status": string(
        "What the provider says.", choices=("pending", "verified", "rejected")
    ),
    "is_verified": boolean("Approved by both: it may be used."),
    "is_default": boolean("Used when a message names no sender."),
    "rejection_reason": nullable(string("Why it was rejected.")),
    "message_count": integer("Messages sent with it.", minimum=0),
    "created_at": _time("When it was requested."),
    "approved_at": _unset_time("When the administrator approved it."),
    "verified_at": _unset_time("When the provider verified it."),
}
_SEND_FIELDS = ("recipient", "message", "sender_id", "idempotency_key", "scheduled_at")
_BULK_FIELDS = ("recipients", "message", "sender_id", "idempotency_key", "scheduled_at")


def _sender_fields(*names: str) -> Schema:
    return closed_object({name: _SENDER_FIELDS[name] for name in names})


SCHEMAS: dict[str, Schema] = {
    "ExoSendFrameworkError": closed_object(
        {"message": string("What is wrong.")}, "An error of the framework: it has no `success`."
    ),
    "ExoSendError": closed_object(
        {"success": constant(False), "message": string("What is wrong.")},
        "An error of the application.",
    ),
    "ExoSendFieldError": closed_object(
        {
            "success": constant(False),
            "message": string("What is wrong."),
            "errors": _texts("recipient", "recipients", "message", "sender_id"),
        },
        "An error of the application that is tied to a field.",
    ),
    "ExoSendNoValidRecipients": closed_object(
        {
            "success": constant(False),
            "message": constant("No valid recipients provided."),
            "data": closed_object({"invalid_recipients": array(_ANY_RECIPIENT)}),
        },
        "None of the recipients can be sent to.",
    ),
    "ExoSendSendValidation": _validation_error(*_SEND_FIELDS),
    "ExoSendBulkValidation": _validation_error(*_BULK_FIELDS),
    "ExoSendSenderValidation": _validation_error("sender_id"),
    "ExoSendSent": _envelope(
        closed_object(
            {
                "message_id": _id("Ask for its status with it."),
                "status": constant("pending"),
                "cost": number("What was charged.", minimum=0),
                "segments": integer("Parts of the text.", minimum=1),
                "balance_remaining": number("What the organization may still spend."),
            }
        ),
        "SMS queued for sending",
    ),
    "ExoSendBulkSent": _envelope(
        closed_object(
            {
                "total_messages": integer("Valid recipients.", minimum=1),
                "total_cost": number("What was charged.", minimum=0),
                "balance_remaining": number("What the organization may still spend."),
                "message_ids": array(
                    _id("One message."), "In the order of the valid recipients.", min_items=1
                ),
                "invalid_recipients": array(_ANY_RECIPIENT, "What was left out."),
            }
        ),
        "Bulk SMS queued for sending",
    ),
    "ExoSendStatus": _envelope(
        closed_object(
            {
                "id": _id("The message."),
                "status": string(choices=("pending", "sent", "delivered", "failed")),
                "recipient": string("E.164 with a leading +."),
                "cost": number("What was charged.", minimum=0),
                "segments": integer("Parts of the text.", minimum=1),
                "sent_at": _unset_time("When a provider took it."),
                "delivered_at": _unset_time("When it was delivered."),
                "error_message": nullable(string("Why it failed.")),
                "error_code": nullable(string("The provider's code.")),
            }
        )
    ),
    "ExoSendBalance": _envelope(
        closed_object(
            {
                "balance": number("What the organization may spend."),
                "currency": string("ISO 4217, or a unit of account."),
                "organization": string("The account's name."),
            }
        )
    ),
    "ExoSendSenders": _envelope(array(_sender_fields(*_SENDER_FIELDS))),
    "ExoSendSenderRequested": _envelope(
        _sender_fields(
            "id", "sender_id", "admin_status", "provider_status", "is_verified", "is_default",
            "created_at",
        ),
        "Sender ID request submitted. Awaiting approval from administrator.",
    ),
    "ExoSendSenderDefault": _envelope(
        _sender_fields("id", "sender_id", "is_verified", "is_default"), "Sender ID set as default"
    ),
    "ExoSendSenderDeleted": _envelope(null(), "Sender ID deleted successfully"),
}  # fmt: skip

# --- request bodies -----------------------------------------------------------------------------


def _body(
    fields: Mapping[str, Schema], form_fields: Mapping[str, Schema], example: Mapping[str, object]
) -> Content:
    """The three encodings; forms write a list by repeating its name with brackets."""
    required = [name for name in fields if name != "sender_id"] or ["sender_id"]
    form_required = [name for name in form_fields if name != "sender_id"] or ["sender_id"]
    form = open_object(form_fields, required=form_required)
    form_example = {
        f"{name}[]" if isinstance(value, list) else name: value for name, value in example.items()
    }
    return {
        JSON: Media(open_object(fields, required=required), {"documented": example}),
        FORM: Media(form, {"documented": form_example}),
        MULTIPART: Media(form, {"documented": form_example}),
    }


_RECIPIENTS = array(
    _RECIPIENT_FIELD,
    "E.164 with a leading +. Others are left out.",
    min_items=1,
    max_items=contract.MAX_RECIPIENTS,
)

SEND_BODY = _body(
    {
        "recipient": _RECIPIENT_FIELD,
        "message": _MESSAGE_FIELD,
        "sender_id": nullable(_SENDER_FIELD),
    },
    {"recipient": _RECIPIENT_FIELD, "message": _MESSAGE_FIELD, "sender_id": _SENDER_FIELD},
    {
        "recipient": "+37061234567",
        "message": "Hello from ExoSend! Your verification code is 123456.",
        "sender_id": "EXOCLASS",
    },
)
BULK_BODY = _body(
    {
        "recipients": _RECIPIENTS,
        "message": _MESSAGE_FIELD,
        "sender_id": nullable(_SENDER_FIELD),
    },
    {"recipients[]": _RECIPIENTS, "message": _MESSAGE_FIELD, "sender_id": _SENDER_FIELD},
    {
        "recipients": ["+37061234567", "+37061234568", "+37061234569"],
        "message": "Bulk notification: System maintenance scheduled for tonight.",
        "sender_id": "EXOCLASS",
    },
)
SENDER_BODY = _body(
    {"sender_id": _NEW_SENDER_FIELD}, {"sender_id": _NEW_SENDER_FIELD}, {"sender_id": "EXOCLASS"}
)


def tunnel_body(*verbs: str) -> Content:
    """`_method`, which may also stand in the query string."""
    spellings = [spelling for verb in verbs for spelling in (verb, verb.lower())]
    body = open_object(
        {"_method": string("The verb that is meant.", choices=spellings)}, required=("_method",)
    )
    example = {"documented": {"_method": verbs[0]}}
    return {media_type: Media(body, example) for media_type in (JSON, FORM, MULTIPART)}
