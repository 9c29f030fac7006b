"""ME-SMS API v2 as pure shapes: what a request must be, what an answer looks like.

The vendor prints few of its shapes; those that are our choice are told in docs/me-sms.md.  Nothing
here knows HTTP or the heart's ports.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.domain.bulk import BulkQuote, BulkRecipient, BulkState, BulkView, RecipientState
from gateway.domain.identity import StoredSender
from gateway.domain.money import format_amount
from gateway.domain.sms_text import Alphabet, is_storable
from protocols.mesms.statuses import (
    RECIPIENT_STATUSES,
    message_status,
    recipient_status,
    sender_status,
)
from protocols.mesms.times import parse_time, render_time

INVALID_PARAMETERS = "INVALID_PARAMETERS"  # the code of every 400 but a refused cancel

MAX_SENDER_LENGTH = 11
MAX_CONTENT_LENGTH = 1_000  # characters, before and after the placeholders are filled
MAX_RECIPIENTS = 2_000_000
MAX_ID = 2**63 - 1  # of a template or a contact group

DEFAULT_MESSAGES, MAX_MESSAGES = 20, 100  # per page of the list
DEFAULT_RECIPIENTS, MAX_PAGE_RECIPIENTS = 100, 1_000  # per page of recipients
MAX_NUMBER = 10**15  # of a page or a cursor

_PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")
_DIGITS = re.compile(r"[0-9]{1,16}")
_ENCODINGS = {Alphabet.GSM7: "GSM7", Alphabet.UCS2: "UCS2"}


class InvalidParameters(Exception):
    """A request that breaks a rule; its text tells the customer which."""


def too_many_recipients() -> InvalidParameters:
    """More than 3.1 allows."""
    return InvalidParameters(f"A message can have at most {MAX_RECIPIENTS} recipients.")


# --- requests: send and preview (3.1, 3.2) ------------------------------------------------------


class Content(NamedTuple):
    """What is to be said: a text of its own or a stored one, and what fills its placeholders."""

    text: str | None
    template_id: int | None
    variables: dict[str, str]


class SendRequest(NamedTuple):
    """The parameters of a send but for its numbers, each valid by itself.

    `scheduled` is the time as it was written.
    """

    sender: str
    content: Content
    contact_group_id: int | None
    scheduled: str | None
    due_at_ms: int
    is_dry_run: bool


class PreviewRequest(NamedTuple):
    """The parameters of a preview but for its numbers."""

    content: Content
    contact_group_id: int | None


def parse_send(fields: Mapping[str, object], now_ms: int) -> SendRequest:
    """The request in `fields`.

    Raises:
        InvalidParameters: a parameter is missing or breaks a rule.
    """
    sender = _sender(fields)
    content = _content(fields)
    group_id = _recipients(fields)
    scheduled = _text(fields, "scheduledTime")
    due_at_ms = 0 if scheduled is None else _future(scheduled, now_ms)
    return SendRequest(sender, content, group_id, scheduled, due_at_ms, is_dry_run(fields))


def parse_preview(fields: Mapping[str, object]) -> PreviewRequest:
    """The request in `fields`.

    Raises:
        InvalidParameters: a parameter is missing or breaks a rule.
    """
    return PreviewRequest(_content(fields), _recipients(fields))


def is_dry_run(fields: Mapping[str, object]) -> bool:
    """Whether `fields` ask for a calculation only."""
    value = fields.get("dryRun")
    if value is not None and not isinstance(value, bool):
        raise InvalidParameters("dryRun must be true or false.")
    return bool(value)


def fill(text: str, variables: Mapping[str, str]) -> str:
    """`text` with the values of its placeholders `{{name}}`.

    Raises:
        InvalidParameters: a placeholder has no value, or the result is too long.
    """

    def value_of(placeholder: re.Match[str]) -> str:
        name = placeholder[1].strip()
        value = variables.get(name)
        if value is None:
            raise InvalidParameters(f"variables has no value for {{{{{name}}}}}.")
        return value

    filled = _PLACEHOLDER.sub(value_of, text)
    _check_length(filled)
    return filled


def _sender(fields: Mapping[str, object]) -> str:
    sender = _text(fields, "sender")
    if not sender:
        raise InvalidParameters("sender is required.")
    if len(sender) > MAX_SENDER_LENGTH:
        raise InvalidParameters(f"sender can have at most {MAX_SENDER_LENGTH} characters.")
    return sender


def _content(fields: Mapping[str, object]) -> Content:
    text = _text(fields, "content")
    template_id = _id(fields, "templateId")
    if text is not None and template_id is not None:
        raise InvalidParameters("content and templateId exclude each other.")
    if not text and template_id is None:
        raise InvalidParameters("content or templateId is required.")
    if text is not None:
        _check_length(text)
    return Content(text, template_id, _variables(fields))


def _check_length(text: str) -> None:
    if len(text) > MAX_CONTENT_LENGTH:
        raise InvalidParameters(f"content can have at most {MAX_CONTENT_LENGTH} characters.")


def _variables(fields: Mapping[str, object]) -> dict[str, str]:
    """Values are texts, or numbers as JSON writes them."""
    value = fields.get("variables")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidParameters("variables must be an object.")
    variables = {}
    for name, item in value.items():
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            raise InvalidParameters("The values of variables must be strings or numbers.")
        variables[name.strip()] = item if isinstance(item, str) else json.dumps(item)
    if not is_storable("".join(variables.values())):
        raise InvalidParameters("A value of variables cannot be stored as text.")
    return variables


def _recipients(fields: Mapping[str, object]) -> int | None:
    """The contact group, or None when there are numbers in its place."""
    numbers = fields.get("msisdns")
    if numbers is not None and not isinstance(numbers, list):
        raise InvalidParameters("msisdns must be an array of strings.")
    group_id = _id(fields, "contactGroupId")
    if numbers is None and group_id is None:
        raise InvalidParameters("msisdns or contactGroupId is required.")
    return group_id


def _future(text: str, now_ms: int) -> int:
    try:
        at_ms = parse_time(text)
    except ValueError:
        raise InvalidParameters(
            "scheduledTime must be an ISO 8601 date and time such as 2026-06-01T10:00:00+07:00."
        ) from None
    if at_ms <= now_ms:
        raise InvalidParameters("scheduledTime must be in the future.")
    return at_ms


def _text(fields: Mapping[str, object], name: str) -> str | None:
    """A text that can be stored; null counts as left out."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidParameters(f"{name} must be a string.")
    if not is_storable(value):
        raise InvalidParameters(f"{name} cannot be stored as text.")
    return value


def _id(fields: Mapping[str, object], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON makes no difference between 1 and 1.0
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidParameters(f"{name} must be an integer.")
    if not 0 <= value <= MAX_ID:
        raise InvalidParameters(f"{name} is out of range.")
    return value


# --- requests: queries (3.4, 3.6) ---------------------------------------------------------------


def parse_page(query: Mapping[str, str]) -> int:
    """`page`, from 1."""
    return _number(query, "page", 1, 1, MAX_NUMBER)


def parse_message_limit(query: Mapping[str, str]) -> int:
    """`limit` of the list."""
    return _number(query, "limit", DEFAULT_MESSAGES, 1, MAX_MESSAGES)


def parse_recipient_limit(query: Mapping[str, str]) -> int:
    """`limit` of recipients."""
    return _number(query, "limit", DEFAULT_RECIPIENTS, 1, MAX_PAGE_RECIPIENTS)


def parse_after(query: Mapping[str, str]) -> int:
    """`after`: the cursor of an earlier answer, 0 for the first page."""
    return _number(query, "after", 0, 0, MAX_NUMBER)


def parse_recipient_status(query: Mapping[str, str]) -> str | None:
    """`status` of recipients, or None when all are wanted."""
    status = query.get("status")
    if status is not None and status not in RECIPIENT_STATUSES:
        raise InvalidParameters(f"status must be one of {', '.join(RECIPIENT_STATUSES)}.")
    return status


def _number(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if _DIGITS.fullmatch(text) is None or not least <= int(text) <= most:
        raise InvalidParameters(f"{name} must be an integer from {least} to {most}.")
    return int(text)


# --- answers ------------------------------------------------------------------------------------

_json = json.JSONEncoder(separators=(",", ":")).encode


def render_error(text: str, code: str) -> bytes:
    """The one shape of every error (2)."""
    return _json({"error": text, "code": code}).encode("ascii")


def render_sent(uuid: str, view: BulkView, scheduled: str | None) -> bytes:
    """The answer to an accepted send; `scheduled` is the time as the customer wrote it."""
    status = "scheduled" if view.due_at_ms else "pending"
    return (
        f'{{"uuid":"{uuid}","status":"{status}","sender":{_json(view.sender)},'
        f'"recipients":{view.recipients},"parts":{view.parts},'
        f'"credits":{format_amount(view.total_micros)},"scheduledTime":{_json(scheduled)}}}'
    ).encode("ascii")


def render_quote(quote: BulkQuote, text: str, *, is_dry_run: bool = False) -> bytes:
    """The answer to a preview, or to a send that was a dry run."""
    dry_run = ',"dryRun":true' if is_dry_run else ""
    return (
        f'{{"recipients":{quote.recipients},"parts":{quote.parts},'
        f'"credits":{format_amount(quote.total_micros)},'
        f'"encoding":"{_ENCODINGS[quote.alphabet]}","length":{len(text)}{dry_run}}}'
    ).encode("ascii")


def render_cancelled(uuid: str, released_micros: int) -> bytes:
    """The answer to a cancel that was in time."""
    return (
        f'{{"uuid":"{uuid}","status":"cancelled",'
        f'"refundedCredits":{format_amount(released_micros)}}}'
    ).encode("ascii")


def render_messages(
    messages: Sequence[tuple[str, BulkView]], total: int, page: int, limit: int
) -> bytes:
    """A page of the list: (uuid, message) pairs."""
    items = ",".join(_message(uuid, view) for uuid, view in messages)
    return f'{{"data":[{items}],"total":{total},"page":{page},"limit":{limit}}}'.encode("ascii")


def render_message(uuid: str, view: BulkView) -> bytes:
    """One message, with the count of every recipient status once nothing more is to come."""
    summary = "null"
    if view.state is not BulkState.SCHEDULED and message_status(view) != "pending":
        summary = _json(_counts(view))
    return f'{_message(uuid, view)[:-1]},"drSummary":{summary}}}'.encode("ascii")


def render_recipients_after(
    view: BulkView, recipients: Sequence[BulkRecipient], next_cursor: int | None
) -> bytes:
    """A page of the cursor mode; `next_cursor` None: the last one."""
    has_more = "false" if next_cursor is None else "true"
    return (
        f'{{"data":[{_recipients_of(view, recipients)}],"summary":{_summary(view)},'
        f'"nextCursor":{_json(next_cursor)},"hasMore":{has_more}}}'
    ).encode("ascii")


def render_recipients_page(
    view: BulkView, recipients: Sequence[BulkRecipient], total: int, page: int, limit: int
) -> bytes:
    """A page of the page mode."""
    return (
        f'{{"data":[{_recipients_of(view, recipients)}],"summary":{_summary(view)},'
        f'"total":{total},"page":{page},"limit":{limit}}}'
    ).encode("ascii")


def render_credit(available_micros: int) -> bytes:
    """The balance (3.7)."""
    return f'{{"credit":{format_amount(available_micros)}}}'.encode("ascii")


def render_senders(senders: Sequence[StoredSender]) -> bytes:
    """The sender names of the account (3.8); none of ours is shared."""
    items = [
        {"id": row.id, "name": row.name, "status": sender_status(row), "shared": False}
        for row in senders
    ]
    return _json({"data": items}).encode("ascii")


def _message(uuid: str, view: BulkView) -> str:
    scheduled = f'"{render_time(view.due_at_ms)}"' if view.due_at_ms else "null"
    return (
        f'{{"uuid":"{uuid}","sender":{_json(view.sender)},"content":{_json(view.text)},'
        f'"status":"{message_status(view)}","recipients":{view.recipients},'
        f'"parts":{view.parts},"credits":{format_amount(view.total_micros)},'
        f'"scheduledTime":{scheduled},"createdAt":"{render_time(view.created_at_ms)}"}}'
    )


def _recipients_of(view: BulkView, recipients: Sequence[BulkRecipient]) -> str:
    words = {state: recipient_status(view.state, state) for state in RecipientState}
    return ",".join(
        f'{{"id":{n},"msisdn":{_json(number)},"status":"{words[state]}",'
        f'"updatedAt":{_time(changed_at_ms)}}}'
        for n, number, state, changed_at_ms in recipients
    )


def _time(at_ms: int) -> str:
    return f'"{render_time(at_ms)}"' if at_ms else "null"


def _counts(view: BulkView) -> dict[str, int]:
    """Recipients by the vendor's words, all of them, in its order."""
    counts = dict.fromkeys(RECIPIENT_STATUSES, 0)
    for state, count in view.counts.items():
        counts[recipient_status(view.state, state)] += count
    return counts


def status_count(view: BulkView, status: str) -> int:
    """How many recipients have `status`, in the vendor's words."""
    return _counts(view)[status]


def _summary(view: BulkView) -> str:
    """`summary[]`: the whole message, whatever the page and the filter; zeros are left out."""
    return _json([{"status": s, "count": c} for s, c in _counts(view).items() if c])
