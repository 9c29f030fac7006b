"""The ExoSend door as OpenAPI data, after the vendor's API reference: SMS, balance, sender ids."""

from collections.abc import Mapping
from typing import Literal

from gateway.ports import SenderVerdict
from protocols.exosend import contract
from protocols.exosend.mapping import no_valid_recipients, refused_bulk, refused_send
from protocols.exosend.openapi_schemas import (
    BULK_BODY,
    SAMPLE_ID,
    SCHEMAS,
    SEND_BODY,
    SENDER_BODY,
    tunnel_body,
)
from protocols.exosend.sender_endpoints import VERDICTS
from protocols.http.openapi import (
    IDEMPOTENCY_KEY,
    JSON,
    Answer,
    Content,
    DoorDescription,
    Endpoint,
    Header,
    Link,
    Media,
    Parameter,
    Schema,
    any_of,
    body_example,
    integer,
    ref,
    refusal_examples,
    string,
)

_PREFIX = "/api/v1"
_SAMPLE_IDS = [SAMPLE_ID, f"{SAMPLE_ID[:-1]}9", f"{SAMPLE_ID[:-2]}80"]

# --- answers ------------------------------------------------------------------------------------

_LIMIT_HEADERS = {
    "X-RateLimit-Limit": Header(
        integer(minimum=1), "Requests per minute; left out when the account has no limit."
    ),
    "X-RateLimit-Remaining": Header(integer(minimum=0), "How many of them are left."),
}
_RETRY_AFTER = Header(integer(minimum=1), "Seconds to wait.", required=True)
_RESET = Header(integer(minimum=0), "When the window ends, in Unix seconds.", required=True)


def _json(schema: Schema, examples: Mapping[str, object]) -> Content:
    return {JSON: Media(schema, examples)}


def _framework(description: str, text: str, headers: Mapping[str, Header] | None = None) -> Answer:
    return Answer(
        description=description,
        content=_json(ref("ExoSendFrameworkError"), {"error": {"message": text}}),
        headers=headers or {},
    )


def _application(description: str, text: str) -> Answer:
    return Answer(
        description=description,
        content=_json(ref("ExoSendError"), {"error": {"success": False, "message": text}}),
        headers=_LIMIT_HEADERS,
    )


def _done(description: str, name: str, example: object, **links: Link) -> Answer:
    return Answer(
        description=description,
        content=_json(ref(name), {"documented": example}),
        headers=_LIMIT_HEADERS,
        links=links,
    )


_NO_RECIPIENTS = contract.BulkRequest(["junk"], [], [], "Hello", None)
_SEND_REFUSALS = refusal_examples(refused_send)
_BULK_REFUSALS = refusal_examples(lambda refusal: refused_bulk(refusal, _NO_RECIPIENTS))

_EVERYWHERE = {
    401: _framework(
        "No token, or one that is unknown, disabled or of another door.", "Unauthenticated."
    ),
    403: _application(
        "The token's scope does not allow it, or the account is suspended.",
        "This action is unauthorized.",
    ),
    429: _framework(
        "Too many requests, or the account's parts per second are used up.",
        "Too Many Attempts.",
        {**_LIMIT_HEADERS, "Retry-After": _RETRY_AFTER, "X-RateLimit-Reset": _RESET},
    ),
    500: _framework("A fault of ours.", "Server Error"),
    503: _framework(
        "Not now: the gateway stops or its store is away.",
        "Service Unavailable",
        {"Retry-After": _RETRY_AFTER},
    ),
}
_WITH_A_BODY = {
    400: _framework("The body's framing is broken.", "Bad Request"),
    408: _framework("The body did not come in time.", "Request Timeout"),
    413: _framework("The body is too long.", "The POST data is too large."),
}
_NO_SENDER = _application("The id is unknown or another organization's.", "Sender ID not found.")
_SEND_REFUSED = {
    402: _application("Not enough credit: nothing was sent or charged.", "Insufficient credits."),
    409: Answer(
        description="The first request with this Idempotency-Key has no answer yet.",
        content=_json(ref("ExoSendError"), _SEND_REFUSALS[409]),
        headers={**_LIMIT_HEADERS, "Retry-After": _RETRY_AFTER},
    ),
}


def _unprocessable(schemas: tuple[str, ...], examples: Mapping[str, object]) -> Answer:
    return Answer(
        description="The body breaks a rule, or the organization may not do this.",
        content=_json(any_of(*(ref(name) for name in schemas)), examples),
        headers=_LIMIT_HEADERS,
    )


def _validation(**texts: str) -> object:
    """The body of validation with one text per field."""
    errors = {field: [text] for field, text in texts.items()}
    return body_example(contract.render_validation_errors(errors))


def _verdicts(description: str, *verdicts: SenderVerdict) -> Answer:
    return Answer(
        description=description,
        content=_json(
            ref("ExoSendError"),
            {verdict.name.lower(): body_example(VERDICTS[verdict].body) for verdict in verdicts},
        ),
        headers=_LIMIT_HEADERS,
    )


# --- endpoints ----------------------------------------------------------------------------------

_SEND = Endpoint(
    method="post",
    path=f"{_PREFIX}/sms/send",
    operation_id="exosendSend",
    summary="Queue one SMS",
    description="The answer comes when message and charge are on disk.",
    parameters=[IDEMPOTENCY_KEY],
    body=SEND_BODY,
    answers={
        201: _done(
            "Queued.",
            "ExoSendSent",
            {
                "success": True,
                "data": {
                    "message_id": SAMPLE_ID,
                    "status": "pending",
                    "cost": 0.035,
                    "segments": 1,
                    "balance_remaining": 99.965,
                },
                "message": "SMS queued for sending",
            },
            status=Link("exosendStatus", {"id": "$response.body#/data/message_id"}),
        ),
        422: _unprocessable(
            ("ExoSendSendValidation", "ExoSendFieldError", "ExoSendError"),
            {
                "validation": _validation(
                    recipient="The recipient field is required.",
                    message="The message field is required.",
                ),
                **_SEND_REFUSALS[422],
            },
        ),
        **_SEND_REFUSED,
        **_WITH_A_BODY,
        **_EVERYWHERE,
    },
)

_SEND_BULK = Endpoint(
    method="post",
    path=f"{_PREFIX}/sms/send-bulk",
    operation_id="exosendSendBulk",
    summary="Queue one text to many recipients",
    description="Bad numbers are left out, not refused; repeated ones are not merged. Credit is"
    " all or nothing.",
    parameters=[IDEMPOTENCY_KEY],
    body=BULK_BODY,
    answers={
        201: _done(
            "Queued, except for the recipients given back.",
            "ExoSendBulkSent",
            {
                "success": True,
                "data": {
                    "total_messages": 3,
                    "total_cost": 0.105,
                    "balance_remaining": 99.895,
                    "message_ids": _SAMPLE_IDS,
                    "invalid_recipients": [],
                },
                "message": "Bulk SMS queued for sending",
            },
            status=Link("exosendStatus", {"id": "$response.body#/data/message_ids/0"}),
        ),
        422: _unprocessable(
            (
                "ExoSendBulkValidation",
                "ExoSendFieldError",
                "ExoSendNoValidRecipients",
                "ExoSendError",
            ),
            {
                "validation": _validation(recipients="The recipients field must be an array."),
                "recipients": body_example(no_valid_recipients(_NO_RECIPIENTS).body),
                **_BULK_REFUSALS[422],
            },
        ),
        **_SEND_REFUSED,
        **_WITH_A_BODY,
        **_EVERYWHERE,
    },
)

_STATUS = Endpoint(
    method="get",
    path=f"{_PREFIX}/sms/{{id}}/status",
    operation_id="exosendStatus",
    summary="The state of one message",
    parameters=[
        Parameter("id", "path", string(min_length=1, example=SAMPLE_ID), "The message's id.")
    ],
    answers={
        200: _done(
            "The message as it stands.",
            "ExoSendStatus",
            {
                "success": True,
                "data": {
                    "id": SAMPLE_ID,
                    "status": "delivered",
                    "recipient": "+37061234567",
                    "cost": 0.035,
                    "segments": 1,
                    "sent_at": "2026-01-03T14:30:00+00:00",
                    "delivered_at": "2026-01-03T14:30:15+00:00",
                    "error_message": None,
                    "error_code": None,
                },
            },
        ),
        404: _application("The id is unknown or another organization's.", "Message not found."),
        **_EVERYWHERE,
    },
)

_BALANCE = Endpoint(
    method="get",
    path=f"{_PREFIX}/balance",
    operation_id="exosendBalance",
    summary="What the organization may spend",
    answers={
        200: _done(
            "The balance.",
            "ExoSendBalance",
            {
                "success": True,
                "data": {"balance": 99.965, "currency": "EUR", "organization": "ExoClass"},
            },
        ),
        **_EVERYWHERE,
    },
)

_SENDER_EXAMPLE: dict[str, object] = {
    "id": SAMPLE_ID,
    "sender_id": "EXOCLASS",
    "admin_status": "approved",
    "provider_status": "verified",
    "is_verified": True,
    "is_default": True,
    "rejection_reason": None,
    "message_count": 42,
    "created_at": "2026-01-01T10:00:00+00:00",
    "approved_at": "2026-01-01T12:00:00+00:00",
    "verified_at": "2026-01-01T14:00:00+00:00",
}
_SENDER_ID = Parameter("id", "path", string(min_length=1, example=SAMPLE_ID), "The sender id's id.")

_SENDERS = Endpoint(
    method="get",
    path=f"{_PREFIX}/sender-ids",
    operation_id="exosendSenderIds",
    summary="The organization's sender ids",
    description="All of them at once.",
    parameters=[
        Parameter(
            "status",
            "query",
            string(example="all"),
            "`verified` (the default, and what any other word means), `pending`, `approved`,"
            " `rejected` or `all`.",
        )
    ],
    answers={
        200: _done("The list.", "ExoSendSenders", {"success": True, "data": [_SENDER_EXAMPLE]}),
        **_EVERYWHERE,
    },
)

_REQUEST_SENDER = Endpoint(
    method="post",
    path=f"{_PREFIX}/sender-ids",
    operation_id="exosendRequestSenderId",
    summary="Request a sender id",
    description="It may be used when the administrator has approved it and the provider has"
    " verified it.",
    body=SENDER_BODY,
    answers={
        201: _done(
            "Requested.",
            "ExoSendSenderRequested",
            {
                "success": True,
                "data": {
                    "id": SAMPLE_ID,
                    "sender_id": "EXOCLASS",
                    "admin_status": "pending",
                    "provider_status": "pending",
                    "is_verified": False,
                    "is_default": False,
                    "created_at": "2026-01-03T14:30:00+00:00",
                },
                "message": "Sender ID request submitted. Awaiting approval from administrator.",
            },
            default=Link("exosendDefaultSenderId", {"id": "$response.body#/data/id"}),
            delete=Link("exosendDeleteSenderId", {"id": "$response.body#/data/id"}),
        ),
        422: _unprocessable(
            ("ExoSendSenderValidation",),
            {"validation": _validation(sender_id="The sender id has already been taken.")},
        ),
        **_WITH_A_BODY,
        **_EVERYWHERE,
    },
)  # fmt: skip

_MADE_DEFAULT = {
    200: _done(
        "It is the default now.",
        "ExoSendSenderDefault",
        {
            "success": True,
            "data": {
                "id": SAMPLE_ID,
                "sender_id": "EXOCLASS",
                "is_verified": True,
                "is_default": True,
            },
            "message": "Sender ID set as default",
        },
    ),
    404: _NO_SENDER,
    422: _verdicts("It is not verified.", SenderVerdict.NOT_VERIFIED),
    **_EVERYWHERE,
}
_DELETED = {
    200: _done(
        "Deleted.",
        "ExoSendSenderDeleted",
        {"success": True, "data": None, "message": "Sender ID deleted successfully"},
    ),
    404: _NO_SENDER,
    422: _verdicts(
        "It is in use, or managed by the administrator.",
        SenderVerdict.IS_DEFAULT,
        SenderVerdict.HAS_MESSAGES,
        SenderVerdict.DECLARED,
    ),
    **_EVERYWHERE,
}
_NOT_TUNNELLED = _framework(
    "The body names no verb of this path.",
    "The POST method is not supported for route api/v1/sender-ids. Supported methods: DELETE.",
)


def _make_default(method: Literal["patch", "put"], operation_id: str) -> Endpoint:
    return Endpoint(
        method=method,
        path=f"{_PREFIX}/sender-ids/{{id}}/default",
        operation_id=operation_id,
        summary="Make a verified sender id the default",
        description="The previous default is one no more. No body.",
        parameters=[_SENDER_ID],
        answers=_MADE_DEFAULT,
    )


def _tunnel(path: str, operation_id: str, *verbs: str, answers: Mapping[int, Answer]) -> Endpoint:
    """POST that stands for another verb, for clients that can send nothing else."""
    return Endpoint(
        method="post",
        path=f"{_PREFIX}{path}",
        operation_id=operation_id,
        summary=f"The same as {' or '.join(verbs)}, for clients that send only POST",
        parameters=[_SENDER_ID],
        body=tunnel_body(*verbs),
        answers={**answers, **_WITH_A_BODY, 405: _NOT_TUNNELLED},
    )


_DELETE_SENDER = Endpoint(
    method="delete",
    path=f"{_PREFIX}/sender-ids/{{id}}",
    operation_id="exosendDeleteSenderId",
    summary="Delete a sender id",
    description="Refused when it is the default or messages were sent with it.",
    parameters=[_SENDER_ID],
    answers=_DELETED,
)

DESCRIPTION = DoorDescription(
    tag="exosend",
    title="ExoSend API v1",
    description="Every request carries `Authorization: Bearer <token>`; a token with scopes needs"
    " `send` to submit and to change sender ids, and `read` for the rest. Bodies are JSON, form"
    " fields or multipart, as `Content-Type` says; texts are trimmed and unknown fields ignored."
    " 60 requests per minute and organization, unless the account has its own limit. Answers allow"
    " any origin, and `OPTIONS` is answered without a token.",
    security={
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer <token>`, a token of the account.",
    },
    schemas=SCHEMAS,
    endpoints=(
        _SEND,
        _SEND_BULK,
        _STATUS,
        _BALANCE,
        _SENDERS,
        _REQUEST_SENDER,
        _make_default("patch", "exosendDefaultSenderId"),
        _make_default("put", "exosendPutDefaultSenderId"),
        _tunnel(
            "/sender-ids/{id}/default",
            "exosendPostDefaultSenderId",
            "PATCH",
            "PUT",
            answers=_MADE_DEFAULT,
        ),
        _DELETE_SENDER,
        _tunnel("/sender-ids/{id}", "exosendPostDeleteSenderId", "DELETE", answers=_DELETED),
    ),
)
