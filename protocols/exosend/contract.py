"""ExoSend API v1 as pure shapes: what a request must be, what an answer looks like, to the byte.

The vendor's API reference is the law; where it is silent, the validation texts and their order are
those of the framework the vendor uses.  Nothing here knows HTTP or the heart's ports.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import MessageState
from gateway.domain.money import format_amount
from gateway.domain.sms_text import is_storable

MAX_MESSAGE_LENGTH = 1600  # characters (Unicode code points)
MAX_SENDER_LENGTH = 11
MAX_RECIPIENTS = 1000

_E164 = re.compile(r"\+[1-9][0-9]{1,14}")

# Validation errors: field -> texts, in the order of the rules.
Errors = dict[str, list[str]]


class SendRequest(NamedTuple):
    """A valid body of POST /sms/send.  `sender` None = the organization's default."""

    recipient: str
    message: str
    sender: str | None


class BulkRequest(NamedTuple):
    """A valid body of POST /sms/send-bulk.

    `items` are the recipients as they came, whatever they are; `numbers` those in E.164 form, and
    `positions[i]` is where `numbers[i]` stands in `items`.
    """

    items: list[object]
    numbers: list[str]
    positions: list[int]
    message: str
    sender: str | None

    def invalid_items(self, refused: Sequence[int] = ()) -> list[object]:
        """Items that are no number or whose number, by its index, is `refused`; in input order."""
        if len(self.numbers) == len(self.items) and not refused:
            return []
        valid = set(self.positions)
        valid.difference_update(self.positions[index] for index in refused)
        return [item for position, item in enumerate(self.items) if position not in valid]


# --- requests (1.1, 1.4, 2.1) -------------------------------------------------------------------


def parse_send(fields: Mapping[str, object]) -> SendRequest | Errors:
    """The request in `fields`, or what is wrong with it."""
    errors: Errors = {}
    request = SendRequest(
        _read_recipient(fields, errors), _read_message(fields, errors), _read_sender(fields, errors)
    )
    return errors or request


def parse_bulk(fields: Mapping[str, object]) -> BulkRequest | Errors:
    """The request in `fields`, or what is wrong with it.  Bad numbers are no error here (2.1.2)."""
    errors: Errors = {}
    items = _read_recipients(fields, errors)
    message = _read_message(fields, errors)
    sender = _read_sender(fields, errors)
    if errors:
        return errors
    numbers: list[str] = []
    positions: list[int] = []
    for position, item in enumerate(items):
        if isinstance(item, str):
            number = item.strip()
            if _E164.fullmatch(number) is not None:
                numbers.append(number)
                positions.append(position)
    return BulkRequest(items, numbers, positions, message, sender)


def field_value(fields: Mapping[str, object], field: str) -> object:
    """1.1: strings are trimmed; an empty one, like an empty array, counts as left out."""
    value = fields.get(field)
    if isinstance(value, str):
        return value.strip() or None
    return None if value == [] or value == {} else value


def _read_recipient(fields: Mapping[str, object], errors: Errors) -> str:
    value = field_value(fields, "recipient")
    if value is None:
        errors["recipient"] = [required("recipient")]
    elif not isinstance(value, str):
        errors["recipient"] = [not_a_string("recipient"), bad_format("recipient")]
    elif _E164.fullmatch(value) is None:
        errors["recipient"] = [bad_format("recipient")]
    else:
        return value
    return ""


def _read_recipients(fields: Mapping[str, object], errors: Errors) -> list[object]:
    value = field_value(fields, "recipients")
    if isinstance(value, dict):
        value = list(value.values())  # the framework's `array` may be a map
    if value is None:
        errors["recipients"] = [required("recipients")]
    elif not isinstance(value, list):
        errors["recipients"] = ["The recipients field must be an array."]
    elif len(value) > MAX_RECIPIENTS:
        errors["recipients"] = [
            f"The recipients field must not have more than {MAX_RECIPIENTS} items."
        ]
    else:
        return value
    return []


def _read_message(fields: Mapping[str, object], errors: Errors) -> str:
    value = field_value(fields, "message")
    if value is None:
        errors["message"] = [required("message")]
        return ""
    return _read_text("message", value, MAX_MESSAGE_LENGTH, errors)


def _read_sender(fields: Mapping[str, object], errors: Errors) -> str | None:
    value = field_value(fields, "sender_id")
    if value is None and isinstance(fields.get("sender_id"), (list, dict)):
        errors["sender_id"] = [not_a_string("sender_id")]  # no string, though it is empty
    return None if value is None else _read_text("sender_id", value, MAX_SENDER_LENGTH, errors)


def _read_text(field: str, value: object, limit: int, errors: Errors) -> str:
    if not isinstance(value, str):
        errors[field] = [not_a_string(field)]
    elif len(value) > limit:
        errors[field] = [too_long(field, limit)]
    elif not is_storable(value):
        errors[field] = [bad_format(field)]
    else:
        return value
    return ""


def _words(field: str) -> str:
    return field.replace("_", " ")


def required(field: str) -> str:
    """The text for a field that is missing."""
    return f"The {_words(field)} field is required."


def not_a_string(field: str) -> str:
    """The text for a value of another type."""
    return f"The {_words(field)} field must be a string."


def bad_format(field: str) -> str:
    """The text for a string that breaks the field's pattern."""
    return f"The {_words(field)} field format is invalid."


def too_long(field: str, limit: int) -> str:
    """The text for a string of more than `limit` characters."""
    return f"The {_words(field)} field must not be greater than {limit} characters."


# --- answers (1.2, 2.1, 2.10) -------------------------------------------------------------------


def render_sent(message_id: str, cost_micros: int, segments: int, balance_micros: int) -> bytes:
    """The answer to an accepted POST /sms/send."""
    return (
        f'{{"success":true,"data":{{"message_id":"{message_id}","status":"pending",'
        f'"cost":{format_amount(cost_micros)},"segments":{segments},'
        f'"balance_remaining":{format_amount(balance_micros)}}},'
        '"message":"SMS queued for sending"}'
    ).encode("ascii")


def render_bulk(
    message_ids: Sequence[str], total_micros: int, balance_micros: int, invalid: Sequence[object]
) -> bytes:
    """The answer to an accepted POST /sms/send-bulk."""
    ids = '","'.join(message_ids)
    return (
        f'{{"success":true,"data":{{"total_messages":{len(message_ids)},'
        f'"total_cost":{format_amount(total_micros)},'
        f'"balance_remaining":{format_amount(balance_micros)},"message_ids":["{ids}"],'
        f'"invalid_recipients":{_json(invalid)}}},"message":"Bulk SMS queued for sending"}}'
    ).encode("ascii")


def render_balance(balance_micros: int, currency: str, organization: str) -> bytes:
    """The answer to GET /balance."""
    return (
        f'{{"success":true,"data":{{"balance":{format_amount(balance_micros)},'
        f'"currency":{_json(currency)},"organization":{_json(organization)}}}}}'
    ).encode("ascii")


def render_status(
    message_id: str,
    state: MessageState,
    recipient: str,
    cost_micros: int,
    segments: int,
    sent_at_ms: int,
    final_at_ms: int,
    error: str,
) -> bytes:
    """The answer to GET /sms/{id}/status.  `recipient` is E.164 digits; a time of 0 is unset."""
    delivered_at_ms = final_at_ms if state == MessageState.DELIVERED else 0
    failure_text = _FAILURE_TEXTS.get(state)
    error_code = error if failure_text is not None and error else None
    return (
        f'{{"success":true,"data":{{"id":"{message_id}","status":"{WORDS[state].exosend}",'
        f'"recipient":"+{recipient}","cost":{format_amount(cost_micros)},"segments":{segments},'
        f'"sent_at":{_timestamp(sent_at_ms)},"delivered_at":{_timestamp(delivered_at_ms)},'
        f'"error_message":{_json(failure_text)},"error_code":{_json(error_code)}}}}}'
    ).encode("ascii")


# What the customer reads of a failure: the provider's own words stay in error_code.
_FAILURE_TEXTS = {
    MessageState.FAILED: "The message could not be delivered.",
    MessageState.REJECTED: "The message was rejected.",
    MessageState.EXPIRED: "The message expired before it could be delivered.",
    MessageState.CANCELLED: "The message was cancelled.",
}


def render_framework_error(message: str, errors: Errors | None = None) -> bytes:
    """A body of the framework's family (1.4): no `success` key."""
    body: dict[str, object] = {"message": message}
    if errors is not None:
        body["errors"] = errors
    return render_json(body)


def render_validation_errors(errors: Errors) -> bytes:
    """The 422 body of validation: the first text, the number of the others, and all of them."""
    texts = [text for field_texts in errors.values() for text in field_texts]
    others = len(texts) - 1
    summary = texts[0]
    if others:
        summary += f" (and {others} more error{'s' if others > 1 else ''})"
    return render_framework_error(summary, errors)


def render_application_error(
    message: str, field: str | None = None, details: Mapping[str, object] | None = None
) -> bytes:
    """A body of the application's family (1.4): `success` false, the text again under its field."""
    body: dict[str, object] = {"success": False, "message": message}
    if field is not None:
        body["errors"] = {field: [message]}
    if details is not None:
        body["data"] = details
    return render_json(body)


def render_json(value: object) -> bytes:
    """`value` as a body."""
    return _json(value).encode("ascii")


def timestamp_text(at_ms: int) -> str | None:
    """1.7: UTC in whole seconds; None when unset."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).isoformat() if at_ms else None


def _timestamp(at_ms: int) -> str:
    """The same as a JSON value."""
    return f'"{timestamp_text(at_ms)}"' if at_ms else "null"


# `default`: an uploaded file among the invalid recipients is shown by its name.
_json = json.JSONEncoder(separators=(",", ":"), default=str).encode
