"""Sender ids as pure shapes (2.11, 3.5): what a request must be, what an answer looks like."""

import re
from collections.abc import Callable, Mapping, Sequence

from gateway.domain.identity import SenderState, SenderVerification, StoredSender
from protocols.exosend.contract import (
    MAX_SENDER_LENGTH,
    Errors,
    bad_format,
    field_value,
    not_a_string,
    render_json,
    required,
    timestamp_text,
    too_long,
)

MIN_SENDER_LENGTH = 3
_FIELD = "sender_id"
# Letters, digits and spaces inside, at least one letter.
_NAME = re.compile("(?=.*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9 ]*[A-Za-z0-9])?")

TAKEN: Errors = {_FIELD: ["The sender id has already been taken."]}

EncodeId = Callable[[int], str]


def parse_request(fields: Mapping[str, object]) -> str | Errors:
    """The name in a body of POST /sender-ids, or what is wrong with it."""
    value = field_value(fields, _FIELD)
    if value is None:
        return {_FIELD: [required(_FIELD)]}
    if not isinstance(value, str):
        return {_FIELD: [not_a_string(_FIELD), bad_format(_FIELD)]}
    texts = []
    if len(value) < MIN_SENDER_LENGTH:
        texts.append(f"The sender id field must be at least {MIN_SENDER_LENGTH} characters.")
    if len(value) > MAX_SENDER_LENGTH:
        texts.append(too_long(_FIELD, MAX_SENDER_LENGTH))
    if _NAME.fullmatch(value) is None:
        texts.append(bad_format(_FIELD))
    return {_FIELD: texts} if texts else value


# `status` of GET /sender-ids; any other word means "verified".
_CHOICES: dict[str, Callable[[StoredSender], bool]] = {
    "verified": lambda row: row.may_send,
    "pending": lambda row: row.state == SenderState.PENDING,
    "approved": lambda row: row.state == SenderState.APPROVED,
    "rejected": lambda row: _is_rejected(row),
    "all": lambda _row: True,
}


def chosen(rows: Sequence[StoredSender], status: str) -> list[StoredSender]:
    """Those that GET /sender-ids shows for `status`."""
    is_wanted = _CHOICES.get(status, _CHOICES["verified"])
    return [row for row in rows if is_wanted(row)]


def render_list(rows: Sequence[StoredSender], encode_id: EncodeId) -> bytes:
    """The answer to GET /sender-ids."""
    items = [
        {
            **_stages(row, encode_id),
            "rejection_reason": row.reason if _is_rejected(row) and row.reason else None,
            "message_count": row.message_count,
            "created_at": timestamp_text(row.created_at_ms),
            "approved_at": timestamp_text(row.approved_at_ms),
            "verified_at": timestamp_text(row.verified_at_ms),
        }
        for row in rows
    ]
    return render_json({"success": True, "data": items})


def render_requested(row: StoredSender, encode_id: EncodeId) -> bytes:
    """The answer to an accepted POST /sender-ids."""
    return render_json(
        {
            "success": True,
            "data": {**_stages(row, encode_id), "created_at": timestamp_text(row.created_at_ms)},
            "message": "Sender ID request submitted. Awaiting approval from administrator.",
        }
    )


def render_default(row: StoredSender, encode_id: EncodeId) -> bytes:
    """The answer to a done PATCH /sender-ids/{id}/default."""
    stages = _stages(row, encode_id)
    shown = ("id", "sender_id", "is_verified", "is_default")
    return render_json(
        {
            "success": True,
            "data": {name: stages[name] for name in shown},
            "message": "Sender ID set as default",
        }
    )


def render_deleted() -> bytes:
    """The answer to a done DELETE /sender-ids/{id}."""
    return render_json({"success": True, "data": None, "message": "Sender ID deleted successfully"})


def _stages(row: StoredSender, encode_id: EncodeId) -> dict[str, object]:
    return {
        "id": encode_id(row.id),
        "sender_id": row.name,
        "admin_status": row.state.name.lower(),
        "provider_status": row.verification.name.lower(),
        "is_verified": row.may_send,
        "is_default": row.is_default,
    }


def _is_rejected(row: StoredSender) -> bool:
    """By either stage."""
    return row.state == SenderState.REJECTED or row.verification == SenderVerification.REJECTED
