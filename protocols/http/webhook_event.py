"""A status notification as it goes to a customer's webhook: its body and its signature.  Pure.

The customer checks ``Postern-Signature``: HMAC-SHA256, keyed with the webhook's secret, over the
``Postern-Timestamp`` header, a full stop and the body as received; and refuses an old timestamp.
"""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import MessageState
from gateway.domain.money import format_amount


class WebhookSubject(NamedTuple):
    """What a notification says of a message.  Times are UTC milliseconds, 0 = unset.

    `public_id` is the UUID the APIs show; `recipient` is E.164 digits; `price_micros` the charge.
    """

    public_id: str
    state: MessageState
    recipient: str
    sender: str
    parts: int
    price_micros: int
    currency: str
    error: str
    accepted_at_ms: int
    sent_at_ms: int
    final_at_ms: int


def render_event(subject: WebhookSubject) -> bytes:
    """The JSON body of a status notification."""
    return json.dumps(
        {
            "event": "message.status",
            "id": subject.public_id,
            "status": WORDS[subject.state].word,
            "recipient": f"+{subject.recipient}",
            "sender": subject.sender,
            "parts": subject.parts,
            "price": format_amount(subject.price_micros),
            "currency": subject.currency,
            "error": subject.error or None,
            "accepted_at": _iso_time(subject.accepted_at_ms),
            "sent_at": _iso_time(subject.sent_at_ms),
            "final_at": _iso_time(subject.final_at_ms),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The `Postern-Signature` of `body` sent at `timestamp` (Unix seconds).

    ``v1=`` and the hex HMAC-SHA256, keyed with the webhook's secret, of timestamp, ".", body.
    """
    signed = b"%d.%b" % (timestamp, body)
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _iso_time(time_ms: int) -> str | None:
    if not time_ms:
        return None
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
