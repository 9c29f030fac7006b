"""The ME-SMS door as OpenAPI data, after the vendor's API reference."""

from collections.abc import Mapping

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
    integer,
    ref,
    refusal_examples,
    string,
)
from protocols.mesms import contract
from protocols.mesms.mapping import refused
from protocols.mesms.openapi_schemas import PREVIEW_BODY, SAMPLE_UUID, SCHEMAS, SEND_BODY
from protocols.mesms.statuses import MESSAGE_STATUSES, RECIPIENT_STATUSES

_PREFIX = "/api/v2"
_REFUSED = refusal_examples(refused)

# --- answers ------------------------------------------------------------------------------------

_RETRY_AFTER = {"Retry-After": Header(integer(minimum=1), "Seconds to wait.", required=True)}


def _json(schema: Schema, examples: Mapping[str, object]) -> Content:
    return {JSON: Media(schema, examples)}


def _example(text: str, code: str) -> dict[str, object]:
    return {"error": text, "code": code}


def _error(
    description: str,
    examples: Mapping[str, object],
    headers: Mapping[str, Header] | None = None,
) -> Answer:
    return Answer(
        description=description,
        content=_json(ref("MeSmsError"), examples),
        headers=headers or {},
    )


def _done(description: str, name: str, **examples: object) -> Answer:
    return Answer(description=description, content=_json(ref(name), examples))


_LIMITED = _example("Too many requests.", "RATE_LIMITED")
_EVERYWHERE = {
    401: _error(
        "The key is missing, unknown or disabled.",
        {"error": _example("The API key is missing or not valid.", "UNAUTHORIZED")},
    ),
    429: _error(
        "Too many requests with this key, or the account's parts per second are used up.",
        {"requests": _LIMITED, **_REFUSED[429]},
        _RETRY_AFTER,
    ),
    500: _error("A fault of ours.", {"error": _example("Internal error.", "INTERNAL_ERROR")}),
    503: _error("Not now: the gateway stops or its store is away.", _REFUSED[503], _RETRY_AFTER),
}
_INVALID = _error(
    "A parameter breaks a rule.",
    {"error": _example("page must be an integer from 1.", contract.INVALID_PARAMETERS)},
)
_INVALID_ORDER = _error(
    "A parameter breaks a rule, or the message cannot be sent as it is.",
    {"rule": _example("sender is required.", contract.INVALID_PARAMETERS), **_REFUSED[400]},
)
_WITH_A_BODY = {
    408: _error(
        "The body did not come in time.",
        {"error": _example("The request body did not come in time.", "REQUEST_TIMEOUT")},
    ),
    413: _error(
        "The body is too large.",
        {"error": _example("The request body is too large.", contract.INVALID_PARAMETERS)},
    ),
}
_OF_A_MESSAGE = {
    403: _error(
        "The message is another account's.",
        {"error": _example("The message belongs to another account.", "FORBIDDEN")},
    ),
    404: _error(
        "There is no such message.", {"error": _example("There is no such message.", "NOT_FOUND")}
    ),
}

# --- endpoints ----------------------------------------------------------------------------------

_UUID_PARAMETER = Parameter(
    "uuid", "path", string(min_length=1, example=SAMPLE_UUID), "The `uuid` of the send answer."
)
_MESSAGE_EXAMPLE: dict[str, object] = {
    "uuid": SAMPLE_UUID,
    "sender": "MYBRAND",
    "content": "Hello",
    "status": "sent",
    "recipients": 2,
    "parts": 1,
    "credits": 2,
    "scheduledTime": None,
    "createdAt": "2026-05-01T09:00:00+07:00",
}
_PREVIEW_EXAMPLE: dict[str, object] = {
    "recipients": 2,
    "parts": 1,
    "credits": 2,
    "encoding": "GSM7",
    "length": 42,
}
_QUEUED_EXAMPLE: dict[str, object] = {
    "uuid": SAMPLE_UUID,
    "status": "pending",
    "sender": "MYBRAND",
    "recipients": 2,
    "parts": 1,
    "credits": 2,
    "scheduledTime": None,
}
_SEND_EXAMPLES = {
    "now": {
        "sender": "MYBRAND",
        "content": "Hello {{name}}",
        "variables": {"name": "Toon"},
        "msisdns": ["66812345678", "0898765432"],
    },
    "scheduled": {
        "sender": "MYBRAND",
        "content": "Hello",
        "msisdns": ["66812345678"],
        "scheduledTime": "2027-06-01T10:00:00+07:00",
    },
    "dryRun": {
        "sender": "MYBRAND",
        "templateId": 1,
        "contactGroupId": 1,
        "dryRun": True,
    },
}
_TO_THE_MESSAGE = {"uuid": "$response.body#/uuid"}

_SEND = Endpoint(
    method="post",
    path=f"{_PREFIX}/sms/send",
    operation_id="mesmsSend",
    summary="Send one text to up to 2,000,000 numbers",
    description="Needs a key with the scope `sms:send` or `*`. Either `content` or `templateId`;"
    " `msisdns`, `contactGroupId` or both. The body is read as it comes, up to 40 MB.",
    parameters=[IDEMPOTENCY_KEY],
    body={JSON: Media(SEND_BODY, _SEND_EXAMPLES)},
    answers={
        200: Answer(
            description="Queued or scheduled; with `dryRun`, what it would cost.",
            content=_json(
                any_of(ref("MeSmsQueued"), ref("MeSmsDryRun")),
                {"queued": _QUEUED_EXAMPLE, "dryRun": {**_PREVIEW_EXAMPLE, "dryRun": True}},
            ),
            links={
                "message": Link("mesmsMessage", _TO_THE_MESSAGE),
                "recipients": Link("mesmsRecipients", _TO_THE_MESSAGE),
                "cancel": Link("mesmsCancel", _TO_THE_MESSAGE),
            },
        ),
        400: _INVALID_ORDER,
        402: _error("Not enough credit: nothing was sent or charged.", _REFUSED[402]),
        403: _error(
            "The key has not the scope, or the account is disabled.",
            {
                "scope": _example("The API key needs the scope sms:send.", "FORBIDDEN"),
                **_REFUSED[403],
            },
        ),
        409: _error(
            "The first request with this Idempotency-Key has no answer yet.",
            _REFUSED[409],
            _RETRY_AFTER,
        ),
        422: _error("The Idempotency-Key was used with another body.", _REFUSED[422]),
        **_WITH_A_BODY,
        **_EVERYWHERE,
    },
)

_PREVIEW = Endpoint(
    method="post",
    path=f"{_PREFIX}/sms/preview",
    operation_id="mesmsPreview",
    summary="What a send would cost",
    description="Sends and charges nothing, and reports a cost above the balance as it is.",
    body={
        JSON: Media(PREVIEW_BODY, {"documented": {"content": "Hello", "msisdns": ["66812345678"]}})
    },
    answers={
        200: _done("The cost.", "MeSmsPreview", documented=_PREVIEW_EXAMPLE),
        400: _INVALID_ORDER,
        **_WITH_A_BODY,
        **_EVERYWHERE,
    },
)

_CANCEL = Endpoint(
    method="post",
    path=f"{_PREFIX}/sms/{{uuid}}/cancel",
    operation_id="mesmsCancel",
    summary="Cancel a scheduled message",
    description="Possible until it starts; held credits come back. No body.",
    parameters=[_UUID_PARAMETER],
    answers={
        200: _done(
            "Cancelled.",
            "MeSmsCancelled",
            documented={"uuid": SAMPLE_UUID, "status": "cancelled", "refundedCredits": 2},
        ),
        400: _error(
            "It was never scheduled, or is sent already.",
            {"notScheduled": _example("The message is not scheduled.", "NOT_SCHEDULED")},
        ),
        409: _error(
            "Too late.",
            {
                "cancelled": _example("The message is cancelled already.", "ALREADY_CANCELLED"),
                "processing": _example("Sending of the message has begun.", "ALREADY_PROCESSING"),
            },
        ),
        **_OF_A_MESSAGE,
        **_WITH_A_BODY,
        **_EVERYWHERE,
    },
)

_GET = Endpoint(
    method="get",
    path=f"{_PREFIX}/sms/{{uuid}}",
    operation_id="mesmsMessage",
    summary="One message",
    parameters=[_UUID_PARAMETER],
    answers={
        200: _done(
            "The message as it stands.",
            "MeSmsMessage",
            complete={
                **_MESSAGE_EXAMPLE,
                "drSummary": {**dict.fromkeys(RECIPIENT_STATUSES, 0), "success": 1, "failed": 1},
            },
            sending={**_MESSAGE_EXAMPLE, "status": "pending", "drSummary": None},
        ),
        **_OF_A_MESSAGE,
        **_EVERYWHERE,
    },
)

_RECIPIENTS_EXAMPLE: dict[str, object] = {
    "data": [
        {
            "id": 1,
            "msisdn": "66812345678",
            "status": "success",
            "updatedAt": "2026-05-01T09:00:07+07:00",
        },
        {"id": 2, "msisdn": "66898765432", "status": "pending", "updatedAt": None},
    ],
    "summary": [{"status": "success", "count": 1}, {"status": "pending", "count": 1}],
}


def _page(default: int, most: int) -> list[Parameter]:
    return [
        Parameter(
            "page",
            "query",
            integer(minimum=1, maximum=contract.MAX_NUMBER, default=1),
            "The page, from 1.",
        ),
        Parameter(
            "limit",
            "query",
            integer(minimum=1, maximum=most, default=default),
            "Elements of a page.",
        ),
    ]


_RECIPIENTS = Endpoint(
    method="get",
    path=f"{_PREFIX}/sms/{{uuid}}/recipients",
    operation_id="mesmsRecipients",
    summary="The status of every number of a message",
    description="With `after` by cursor, at the same cost for every page; without it by page, and"
    " with `status` only as far as a page can be found among the first 10,000 recipients.",
    parameters=[
        _UUID_PARAMETER,
        Parameter(
            "after",
            "query",
            integer(minimum=0, maximum=contract.MAX_NUMBER),
            "`0` for the first page, then `nextCursor` of the page before.",
        ),
        Parameter("status", "query", string(choices=RECIPIENT_STATUSES), "Only this status."),
        *_page(contract.DEFAULT_RECIPIENTS, contract.MAX_PAGE_RECIPIENTS),
    ],
    answers={
        200: Answer(
            description="One page, in the order of the numbers.",
            content=_json(
                any_of(ref("MeSmsRecipientsByCursor"), ref("MeSmsRecipientsByPage")),
                {
                    "byCursor": {**_RECIPIENTS_EXAMPLE, "nextCursor": 2, "hasMore": True},
                    "byPage": {**_RECIPIENTS_EXAMPLE, "total": 2, "page": 1, "limit": 100},
                },
            ),
        ),
        400: _INVALID,
        **_OF_A_MESSAGE,
        **_EVERYWHERE,
    },
)


def _list(path: str, operation_id: str, summary: str) -> Endpoint:
    return Endpoint(
        method="get",
        path=f"{_PREFIX}{path}",
        operation_id=operation_id,
        summary=summary,
        parameters=[
            Parameter(
                "status", "query", string(choices=tuple(MESSAGE_STATUSES)), "Only this status."
            ),
            *_page(contract.DEFAULT_MESSAGES, contract.MAX_MESSAGES),
        ],
        answers={
            200: _done(
                "One page.",
                "MeSmsMessages",
                documented={"data": [_MESSAGE_EXAMPLE], "total": 1, "page": 1, "limit": 20},
            ),
            400: _INVALID,
            **_EVERYWHERE,
        },
    )


def _credit(path: str, operation_id: str, summary: str) -> Endpoint:
    return Endpoint(
        method="get",
        path=f"{_PREFIX}{path}",
        operation_id=operation_id,
        summary=summary,
        answers={
            200: _done("The credit.", "MeSmsCredit", documented={"credit": 1234.5}),
            **_EVERYWHERE,
        },
    )


def _senders(path: str, operation_id: str, summary: str) -> Endpoint:
    sender = {"id": 7, "name": "MYBRAND", "status": "approved", "shared": False}
    return Endpoint(
        method="get",
        path=f"{_PREFIX}{path}",
        operation_id=operation_id,
        summary=summary,
        answers={
            200: _done("All of them at once.", "MeSmsSenders", documented={"data": [sender]}),
            **_EVERYWHERE,
        },
    )


DESCRIPTION = DoorDescription(
    tag="mesms",
    title="ME-SMS API v2",
    description="Every request carries `x-api-key`. JSON only: a body of another type is refused."
    " 60 requests per minute and key, unless the account has its own limit. There are no"
    " callbacks: ask for recipients until none is `pending`. Times of answers are +07:00.",
    security={
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "A key of the account; sending needs its scope `sms:send` or `*`.",
    },
    schemas=SCHEMAS,
    endpoints=(
        _SEND,
        _PREVIEW,
        _CANCEL,
        _list("/sms", "mesmsMessages", "The account's messages, newest first"),
        _list("/sms/list", "mesmsMessagesList", "The same as `GET /api/v2/sms`"),
        _GET,
        _RECIPIENTS,
        _credit("/credit", "mesmsCredit", "What the account may still spend"),
        _credit("/credits", "mesmsCredits", "The same as `GET /api/v2/credit`"),
        _credit("/balance", "mesmsBalance", "The same as `GET /api/v2/credit`"),
        _senders("/senders", "mesmsSenders", "The account's sender names"),
        _senders("/sender", "mesmsSender", "The same as `GET /api/v2/senders`"),
    ),
)
