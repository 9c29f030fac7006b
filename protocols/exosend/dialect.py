"""ExoSend API v1 as an upstream: requests and answers, pure.

The vendor has no callbacks (5): receipts are asked for, one request a message, and its 60 requests
a minute are shared with the sends; so many messages go in one send where they can.  It documents no
idempotency key; every send carries one all the same, for an upstream that is a gateway like this.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from urllib.parse import quote, urlsplit

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.domain.money import MICROS
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.domain.receipt import Receipt
from protocols.exosend.contract import MAX_MESSAGE_LENGTH, MAX_RECIPIENTS, MAX_SENDER_LENGTH
from protocols.http.dialect import Awaited, HttpCall, PollRead, ReceiptsRead
from protocols.http.json_path import parse_json, scalar_text, short_text, storable_id

ERROR_LIMIT = 64  # characters of an outcome's error
RECEIPT_ERROR_LIMIT = 32
MOST_BALANCE = 10**15  # of the account's currency; more is no balance

# About our account with the vendor, the address, or the moment: other providers, then a later try.
_LATER = frozenset({401, 402, 403, 404, 408, 409, 503})
# 3.1; what is left out is not final.
_STATES = {"delivered": MessageState.DELIVERED, "failed": MessageState.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExoSendAccess:
    """Where the API is and who asks.  `base_url` such as ``https://send.exoclass.com/api/v1``."""

    base_url: str
    token: str = field(repr=False)


class ExoSendDialect:
    """`protocols.http.dialect.Dialect` of one ExoSend organization."""

    most_together = MAX_RECIPIENTS
    polls = True
    has_callbacks = False

    def __init__(self, access: ExoSendAccess) -> None:
        self._base_url = access.base_url.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {access.token}",
            "Accept": "application/json",
        }
        parts = urlsplit(access.base_url)
        self.origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    # --- sending (2.1.1, 2.1.2) -----------------------------------------------------------------

    def unfit(self, message: Message) -> Refused | None:
        """What the vendor's validation would refuse."""
        if len(message.sender) > MAX_SENDER_LENGTH:
            return Refused("sender_length")
        text = message.text or ""
        if not text.strip():
            return Refused("blank_text")  # the vendor trims texts
        if len(text) > MAX_MESSAGE_LENGTH:
            return Refused("text_length")
        return None

    def together(self, message: Message) -> object:
        """Sender and text."""
        return message.sender, message.text

    def send(self, messages: Sequence[Message], callback_url: str) -> HttpCall:
        """A single send for one message, else a bulk send."""
        first = messages[0]
        fields: dict[str, object] = {}
        if len(messages) == 1:
            path = "/sms/send"
            fields["recipient"] = f"+{first.recipient}"
        else:
            path = "/sms/send-bulk"
            fields["recipients"] = [f"+{message.recipient}" for message in messages]
        fields["message"] = first.text
        if first.sender:  # without one, the organization's default
            fields["sender_id"] = first.sender
        body = json.dumps(fields, separators=(",", ":")).encode("ascii")
        headers = {
            **self._headers,
            "Content-Type": "application/json",
            "Idempotency-Key": _idempotency_key(messages, body),
        }
        return HttpCall("POST", self._base_url + path, headers, body)

    def read_sent(
        self, messages: Sequence[Message], status: int, headers: Mapping[str, str], body: bytes
    ) -> Sequence[Outcome]:
        """One outcome per message; of a bulk send those named invalid are refused."""
        value = parse_json(body)
        if not 200 <= status <= 299:
            return [_not_sent(status, value)] * len(messages)
        told = _data(value)
        if len(messages) == 1:
            return [_sent(told.get("message_id"))]
        return _sent_together(messages, told)

    # --- receipts (2.1.3, 3.1) ------------------------------------------------------------------

    def read_callback(self, query: str, headers: Mapping[str, str], body: bytes) -> ReceiptsRead:
        """The vendor has none (5)."""
        return ReceiptsRead((), 1)

    def poll(self, awaited: Sequence[Awaited]) -> Sequence[HttpCall]:
        """One request for each: the vendor has no other."""
        return [
            HttpCall("GET", self._status_url(item.provider_message_id), self._headers, None)
            for item in awaited
        ]

    def read_poll(
        self, call: HttpCall, awaited: Sequence[Awaited], status: int, body: bytes
    ) -> PollRead:
        """The receipt of one message that has its end."""
        asked = next(
            (a for a in awaited if self._status_url(a.provider_message_id) == call.url), None
        )
        if status != 200 or asked is None:
            return PollRead(())
        told = _data(parse_json(body))
        state = _STATES.get(scalar_text(told.get("status")) or "")
        if state is None:
            return PollRead(())
        error = None
        if state == MessageState.FAILED:
            error = scalar_text(told.get("error_code")) or scalar_text(told.get("error_message"))
        return PollRead(
            [
                Receipt(
                    asked.provider_message_id,
                    state,
                    short_text(error or "", RECEIPT_ERROR_LIMIT),
                    _time_ms(told.get("delivered_at")),
                )
            ]
        )

    def _status_url(self, message_id: str) -> str:
        return f"{self._base_url}/sms/{quote(message_id, safe='')}/status"

    # --- balance (2.10.1) -----------------------------------------------------------------------

    def balance(self) -> HttpCall | None:
        """Of the organization."""
        return HttpCall("GET", f"{self._base_url}/balance", self._headers, None)

    def read_balance(self, status: int, body: bytes) -> int | None:
        """Micro-units of the organization's currency."""
        if status != 200:
            return None
        try:
            amount = Decimal(scalar_text(_data(parse_json(body)).get("balance")) or "")
        except InvalidOperation:
            return None
        if not amount.is_finite() or abs(amount) > MOST_BALANCE:
            return None
        return int(amount * MICROS)


def _idempotency_key(messages: Sequence[Message], body: bytes) -> str:
    """The same for the same messages with the same content, and for no others."""
    digest = blake2b(body, digest_size=16)
    for message in messages:
        digest.update(b"%016x" % message.key)
    return digest.hexdigest()


def _data(value: object) -> Mapping[str, object]:
    """The `data` of a success envelope (1.2); empty when there is none."""
    if isinstance(value, dict) and value.get("success") is not False:
        told = value.get("data")
        if isinstance(told, dict):
            return told
    return {}


def _sent(message_id: object) -> Outcome:
    id = storable_id(scalar_text(message_id))
    return Sent(id) if id else Unknown("answer_unreadable")


def _sent_together(messages: Sequence[Message], told: Mapping[str, object]) -> Sequence[Outcome]:
    """`message_ids` are in the order of the recipients that are not in `invalid_recipients`."""
    ids, invalid = told.get("message_ids"), told.get("invalid_recipients", [])
    if not isinstance(ids, list) or not isinstance(invalid, list):
        return [Unknown("answer_unreadable")] * len(messages)
    refused = {item for item in invalid if isinstance(item, str)}
    rest = iter(ids)
    fits = sum(f"+{message.recipient}" not in refused for message in messages) == len(ids)
    outcomes: list[Outcome] = []
    for message in messages:
        if f"+{message.recipient}" in refused:
            outcomes.append(Refused("invalid_recipient"))
        else:
            outcomes.append(_sent(next(rest)) if fits else Unknown("answer_unreadable"))
    return outcomes


def _not_sent(status: int, value: object) -> Outcome:
    """What an error means (1.4).

    Its 422 may name the recipient, but then it is this vendor's view of it (not a destination of
    theirs, blocked by them): another provider may well take the message.
    """
    told = scalar_text(value.get("message")) if isinstance(value, dict) else None
    error = short_text(f"http_{status} {told or ''}", ERROR_LIMIT)
    if status == 429:
        return Deferred(error, throttled=True)
    if status in _LATER or 300 <= status < 400:  # nobody follows a redirect: it was not taken
        return Deferred(error)
    if 400 <= status < 500:
        return Refused(error)
    return Unknown(error)


def _time_ms(value: object) -> int:
    """UTC milliseconds of a timestamp (1.7), 0 when it is none."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None or moment.tzinfo is None:
            return 0
        return max(0, int(moment.timestamp() * 1000))
    except (ValueError, OverflowError):
        return 0
