"""A status notification as it goes to a customer's webhook: its body and its signature.  Pure.

The customer checks ``Postern-Signature``: HMAC-SHA256, keyed with the webhook's secret, over the
``Postern-Timestamp`` header, a full stop and the body as received; and refuses an old timestamp.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.domain.fate import WORDS
from gateway.domain.money import format_amount
from protocols.http.notice import Notice, NoticeRefused, NoticeSubject, WebhookDelivery

# 24 hours in all.
RETRY_WAITS_S = (10, 30, 120, 600, 1800, *([3600] * 23))


class SignedForm:
    """`NoticeForm` of the gateway's own webhooks.

    `secret(account_id, url)` is the signing secret, None when the webhook is no longer configured.
    A delivery that is repeated has the same `Postern-Delivery`, so that the customer can tell.
    """

    waits_s = RETRY_WAITS_S

    def __init__(self, secret: Callable[[int, str], str | None]) -> None:
        self._secret = secret

    def url(self, delivery: WebhookDelivery) -> str:
        """The webhook's, as configured when the message ended."""
        return delivery.url

    def notice(self, delivery: WebhookDelivery, subject: NoticeSubject, now_ms: int) -> Notice:
        """The signed request.  Raises NoticeRefused: the webhook is no longer configured."""
        secret = self._secret(delivery.account_id, delivery.url)
        if secret is None:
            raise NoticeRefused("the webhook is no longer configured")
        body = render_event(subject)
        timestamp = now_ms // 1000
        headers = {
            "Content-Type": "application/json",
            "Postern-Timestamp": str(timestamp),
            "Postern-Signature": sign(secret, timestamp, body),
            "Postern-Delivery": str(delivery.id),
        }
        return Notice(delivery.url, headers, body)


def render_event(subject: NoticeSubject) -> bytes:
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
