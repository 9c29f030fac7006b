"""The Exotel door as OpenAPI data, after the vendor's developer portal.

Every endpoint is there twice, with and without `.json`.  The examples are made by the door's own
renderers.
"""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.domain.errors import RefusalCode
from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import MessageState
from protocols.exotel import faults, statuses
from protocols.exotel.answers import JSON_ANSWERS, PREFIX, XML_ANSWERS, Answers, SmsMessage
from protocols.exotel.faults import Fault
from protocols.exotel.mapping import REFUSALS
from protocols.exotel.openapi_schemas import (
    BULK_BODY,
    REPORT_BODY,
    SAMPLE_SID,
    SCHEMAS,
    SEND_BODY,
)
from protocols.http.openapi import (
    IDEMPOTENCY_KEY,
    Answer,
    Content,
    DoorDescription,
    Endpoint,
    Header,
    Link,
    Media,
    Parameter,
    Schema,
    Webhook,
    any_of,
    body_example,
    integer,
    ref,
    string,
)

_ACCOUNT = f"{PREFIX}/{{sid}}"


class _Form(NamedTuple):
    """A form of answers: suffix of the path, renderer, and the ends of names in the document."""

    suffix: str
    answers: Answers
    schema_suffix: str
    operation_suffix: str

    def schema(self, name: str) -> Schema:
        return ref(name + self.schema_suffix)

    def content(self, schema: Schema, examples: Mapping[str, object]) -> Content:
        return {self.answers.media_type: Media(schema, examples)}


_JSON_FORM = _Form(".json", JSON_ANSWERS, "", "Json")
_XML_FORM = _Form("", XML_ANSWERS, "Xml", "Xml")

# --- examples -----------------------------------------------------------------------------------

_AT_MS = 1_488_530_660_000  # 2017-03-03 14:14:20 in India
_DELIVERED = WORDS[MessageState.DELIVERED]
_QUEUED_MESSAGE = SmsMessage(
    SAMPLE_SID, "Exotel", "/EXOTEL", "09876543210", _AT_MS, _AT_MS, 0, "Your code is 2234",
    WORDS[MessageState.QUEUED].exotel, statuses.QUEUED,
)  # fmt: skip
_DELIVERED_MESSAGE = _QUEUED_MESSAGE._replace(
    updated_at_ms=_AT_MS + 7000,
    sent_at_ms=_AT_MS + 2000,
    status=_DELIVERED.exotel,
    code=_DELIVERED.exotel_detail_code,
    price_micros=180_000,
    units=1,
)
_REFUSED_MESSAGE = _QUEUED_MESSAGE._replace(
    sid="", recipient="12", status=statuses.FAILED, code=statuses.INVALID_NUMBER
)


def _one(form: _Form, message: SmsMessage) -> object:
    return body_example(form.answers.one(form.answers.message(message)))


def _many(form: _Form, *messages: SmsMessage) -> object:
    return body_example(form.answers.many([form.answers.message(shown) for shown in messages]))


# --- answers ------------------------------------------------------------------------------------

_RETRY_AFTER = {"Retry-After": Header(integer(minimum=1), "Seconds to wait.", required=True)}
_LIMITS = {
    "X-RateLimit-Limit": Header(
        integer(minimum=1), "Requests per minute; left out when the account has no limit."
    ),
    "X-RateLimit-Remaining": Header(integer(minimum=0), "How many of them are left."),
}
_RESET = {
    "X-RateLimit-Reset": Header(
        integer(minimum=0), "When the window ends, in Unix seconds.", required=True
    )
}


def _error(
    form: _Form,
    description: str,
    *errors: Fault,
    headers: Mapping[str, Header] | None = None,
) -> Answer:
    """`errors` are the examples."""
    examples = {
        f"{fault.code or fault.status}": body_example(form.answers.fault(fault, with_code=True))
        for fault in errors
    }
    return Answer(
        description=description,
        content=form.content(form.schema("ExotelError"), examples),
        headers=headers or {},
    )


def _refusal_faults(status: int) -> list[Fault]:
    """What admission's refusals become under this status."""
    texts = [words.fault for words in REFUSALS.values() if words.fault.status == status]
    return list(dict.fromkeys(texts))


def _everywhere(form: _Form, too_many: Fault) -> dict[int, Answer]:
    return {
        401: _error(form, "Key or token is missing or wrong.", faults.UNAUTHENTICATED),
        404: _error(form, "There is no such endpoint.", faults.NOT_FOUND),
        429: _error(
            form, "Too many requests.", too_many, headers={**_LIMITS, **_RESET, **_RETRY_AFTER}
        ),
        500: _error(form, "A fault of ours.", faults.INTERNAL),
        503: _error(
            form,
            "The account's parts per second are used up, or the gateway takes nothing now.",
            faults.THROTTLED,
            faults.UNAVAILABLE,
            headers=_RETRY_AFTER,
        ),
    }


def _of_a_get(form: _Form) -> dict[int, Answer]:
    return {
        400: _error(form, "The key is not readable.", faults.CREDENTIALS_UNREADABLE),
        403: _error(
            form,
            "The SID is not the key's, or the account is not active.",
            faults.WRONG_SID,
            faults.NOT_ACTIVE,
        ),
        **_everywhere(form, faults.TOO_MANY_GETS),
    }


def _of_a_send(form: _Form, accepted: Answer, *malformed: Fault) -> dict[int, Answer]:
    unusable = REFUSALS[RefusalCode.RECIPIENT_INVALID].fault
    return {
        200: accepted,
        207: Answer(
            description="Some were accepted; a refused one has no `Sid` and the status `failed`.",
            content=form.content(
                form.schema("ExotelMessages"),
                {"mixed": _many(form, _QUEUED_MESSAGE, _REFUSED_MESSAGE)},
            ),
            headers=_LIMITS,
        ),
        400: _error(
            form,
            "A parameter is missing or malformed, or nothing can be sent.",
            faults.CREDENTIALS_UNREADABLE,
            *malformed,
            faults.BODY_EMPTY,
            faults.BODY_INVALID,
            faults.SMS_TYPE_UNKNOWN,
            faults.FROM_UNFIT,
            faults.ARRAY_GIVEN,
            faults.ENCODING_UNKNOWN,
            unusable._replace(message=f"{unusable.message} [12]"),
        ),
        403: _error(
            form, "The account may not send this.", faults.WRONG_SID, *_refusal_faults(403)
        ),
        405: _error(form, "There is no such endpoint for POST.", faults.UNKNOWN_ENDPOINT),
        408: _error(form, "The body did not come in time.", Fault(408, "Request Timeout")),
        409: _error(
            form,
            "The first request with this Idempotency-Key has no answer yet.",
            *_refusal_faults(409),
            headers=_RETRY_AFTER,
        ),
        413: _error(form, "The body is too long.", Fault(413, "Request Entity Too Large")),
        422: _error(
            form, "The Idempotency-Key was used with another request.", *_refusal_faults(422)
        ),
        **_everywhere(form, faults.TOO_MANY_POSTS),
    }


# --- endpoints ----------------------------------------------------------------------------------

_SID = Parameter(
    "sid",
    "path",
    string(pattern="^[^/.]+$", example="Exotel"),
    "The account's SID; it must be the key's.",
)


def _send(form: _Form) -> Endpoint:
    details = Link(
        f"exotelMessage{form.operation_suffix}",
        {"sid": "$request.path.sid", "SmsSid": "$response.body#/SMSMessage/Sid"},
    )
    accepted = Answer(
        description="Accepted: one message, or a list when the numbers were given as one.",
        content=form.content(
            any_of(form.schema("ExotelMessage"), form.schema("ExotelMessages")),
            {
                "one": _one(form, _QUEUED_MESSAGE),
                "list": _many(form, _QUEUED_MESSAGE, _QUEUED_MESSAGE),
            },
        ),
        headers=_LIMITS,
        # A link can point into JSON only.
        links={"details": details} if form is _JSON_FORM else {},
    )
    return Endpoint(
        method="post",
        path=f"{_ACCOUNT}/Sms/send{form.suffix}",
        operation_id=f"exotelSend{form.operation_suffix}",
        summary="Send one text to one or up to 100 numbers",
        description="A list of numbers may be written `To[0]=`, `To[]=`, as a repeated `To=`,"
        " separated by commas, or as a JSON array. Every parameter may stand in the query string"
        " instead; the body wins.",
        parameters=[_SID, IDEMPOTENCY_KEY],
        body=SEND_BODY,
        answers=_of_a_send(
            form, accepted, faults.FROM_MISSING, faults.FROM_EMPTY, faults.TOO_MANY_NUMBERS
        ),
    )


def _bulk_send(form: _Form) -> Endpoint:
    accepted = Answer(
        description="All of them were accepted.",
        content=form.content(
            form.schema("ExotelMessages"), {"list": _many(form, _QUEUED_MESSAGE, _QUEUED_MESSAGE)}
        ),
        headers=_LIMITS,
    )
    return Endpoint(
        method="post",
        path=f"{_ACCOUNT}/Sms/bulksend{form.suffix}",
        operation_id=f"exotelBulkSend{form.operation_suffix}",
        summary="Send up to 100 different messages",
        description="Every entry stands for itself: a bad one does not stop the others.",
        parameters=[_SID, IDEMPOTENCY_KEY],
        body=BULK_BODY,
        answers=_of_a_send(
            form,
            accepted,
            faults.MESSAGES_MISSING,
            faults.MESSAGES_NO_ARRAY,
            faults.TOO_MANY_MESSAGES,
        ),
    )


def _details(form: _Form) -> Endpoint:
    return Endpoint(
        method="get",
        path=f"{_ACCOUNT}/SMS/Messages/{{SmsSid}}{form.suffix}",
        operation_id=f"exotelMessage{form.operation_suffix}",
        summary="The state of one message",
        parameters=[
            _SID,
            Parameter(
                "SmsSid",
                "path",
                string(pattern="^[^/.]+$", example=SAMPLE_SID),
                "The `Sid` of the send answer.",
            ),
        ],
        answers={
            200: Answer(
                description="The message as it stands; an unknown `Sid` is no error.",
                content=form.content(
                    any_of(form.schema("ExotelMessage"), form.schema("ExotelNoMessage")),
                    {
                        "delivered": _one(form, _DELIVERED_MESSAGE),
                        "unknown": body_example(form.answers.no_match()),
                    },
                ),
                headers=_LIMITS,
            ),
            **_of_a_get(form),
        },
    )


def _probe(form: _Form) -> Endpoint:
    return Endpoint(
        method="get",
        path=f"{_ACCOUNT}{form.suffix}",
        operation_id=f"exotelAccount{form.operation_suffix}",
        summary="Whether key, token and SID belong together",
        parameters=[_SID],
        answers={
            200: Answer(
                description="They do.",
                content=form.content(
                    form.schema("ExotelAccount"),
                    {"documented": body_example(form.answers.account("Exotel"))},
                ),
                headers=_LIMITS,
            ),
            **_of_a_get(form),
        },
    )


DESCRIPTION = DoorDescription(
    tag="exotel",
    title="Exotel SMS API v1",
    description="Basic authentication: the API key is the user, the token the password, and the"
    " account's SID stands in the path. Answers are XML; `.json` at the end of the path makes them"
    " JSON, `.xml` changes nothing. The segment `Sms` is compared without regard to case. 200 POST"
    " and 300 GET requests per minute and account, unless the account has its own limit. An error"
    " has its `Code` where the account is configured for it.",
    security={
        "type": "http",
        "scheme": "basic",
        "description": "API key and API token as user and password.",
    },
    schemas=SCHEMAS,
    endpoints=tuple(
        endpoint(form)
        for form in (_JSON_FORM, _XML_FORM)
        for endpoint in (_send, _bulk_send, _details, _probe)
    ),
    webhooks=(
        Webhook(
            name="exotelStatusCallback",
            summary="Delivery report, to the StatusCallback of the message",
            description="Sent once when the message has ended. Any 2xx within 10 s takes it; else"
            " it comes again after 30 s, 2, 10 and 30 minutes.",
            body=REPORT_BODY,
        ),
    ),
)
