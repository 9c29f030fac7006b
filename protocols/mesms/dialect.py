"""ME-SMS API v2 as an upstream: requests and answers, pure (MES-29).

One send carries one text to many numbers and is answered with one uuid for all of them, so that a
message's id here is ``<uuid>/<msisdn>``.  The vendor has no callbacks: receipts are read from the
pages of a send's recipients.  What it does with a repeated send is not documented, so a send that
may have reached it is unknown, never simply tried again.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from urllib.parse import quote, urlsplit

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.domain.money import MICROS
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.domain.receipt import Receipt
from protocols.http.dialect import Awaited, HttpCall, PollRead, ReceiptsRead
from protocols.http.json_path import parse_json, scalar_text, short_text, storable_id
from protocols.mesms.contract import (
    MAX_CONTENT_LENGTH,
    MAX_PAGE_RECIPIENTS,
    MAX_SENDER_LENGTH,
)
from protocols.mesms.times import parse_time

MOST_TOGETHER = 1_000  # a page of recipients; one lost answer leaves no more than this in doubt
ERROR_LIMIT = 64  # characters of an outcome's error
MOST_BALANCE = 10**15  # of the vendor's credits; more is no balance

_THAI_NUMBER = re.compile("66[0-9]{9}")
_PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")
_RECIPIENTS_PATH = re.compile("/sms/([^/?]+)/recipients")
# About our account with the vendor, or about the address: other providers, then a later try.
_OUR_FAULT = frozenset({401, 402, 403, 404})

# 4.2; what is left out is not final.
_STATES = {
    "success": MessageState.DELIVERED,
    "failed": MessageState.FAILED,
    "invalid": MessageState.REJECTED,
    "blocked": MessageState.REJECTED,
    "expired": MessageState.EXPIRED,
    "timeout": MessageState.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeSmsAccess:
    """Where the API is and who asks.  `base_url` such as ``https://me-sms.com/api/v2``."""

    base_url: str
    api_key: str = field(repr=False)


class MeSmsDialect:
    """`protocols.http.dialect.Dialect` of one ME-SMS account."""

    most_together = MOST_TOGETHER
    polls = True
    has_callbacks = False

    def __init__(self, access: MeSmsAccess) -> None:
        self._base_url = access.base_url.rstrip("/")
        self._headers = {"x-api-key": access.api_key, "Accept": "application/json"}
        parts = urlsplit(access.base_url)
        self.origin = f"{parts.scheme}://{parts.netloc}"

    # --- sending (3.1) --------------------------------------------------------------------------

    def unfit(self, message: Message) -> Refused | None:
        """Only Thai mobile numbers, and only what the vendor's limits allow."""
        if _THAI_NUMBER.fullmatch(message.recipient) is None:
            return Refused("not_a_thai_number")
        if not 1 <= len(message.sender) <= MAX_SENDER_LENGTH:
            return Refused("sender_length")
        if not 1 <= len(message.text or "") <= MAX_CONTENT_LENGTH:
            return Refused("content_length")
        return None

    def together(self, message: Message) -> object:
        """Sender and text."""
        return message.sender, message.text

    def send(self, messages: Sequence[Message], callback_url: str) -> HttpCall:
        """One send to all of them."""
        first = messages[0]
        text = first.text or ""
        fields: dict[str, object] = {
            "sender": first.sender,
            "content": text,
            "msisdns": [message.recipient for message in messages],
        }
        # A text of ours that looks like a placeholder is to arrive as it is.
        untouched = {found[1].strip(): found[0] for found in _PLACEHOLDER.finditer(text)}
        if untouched:
            fields["variables"] = untouched
        body = json.dumps(fields, separators=(",", ":")).encode("ascii")
        headers = {**self._headers, "Content-Type": "application/json"}
        return HttpCall("POST", f"{self._base_url}/sms/send", headers, body)

    def read_sent(
        self, messages: Sequence[Message], status: int, headers: Mapping[str, str], body: bytes
    ) -> Sequence[Outcome]:
        """All of them have the same outcome; 200 with a uuid is the only yes."""
        value = parse_json(body)
        if status == 200:
            uuid = storable_id(scalar_text(_member(value, "uuid")), 200)
            if not uuid:
                return [Unknown("answer_unreadable")] * len(messages)
            return [Sent(f"{uuid}/{message.recipient}") for message in messages]
        return [_not_sent(status, value)] * len(messages)

    # --- receipts (3.6, 4.2) --------------------------------------------------------------------

    def read_callback(self, query: str, headers: Mapping[str, str], body: bytes) -> ReceiptsRead:
        """The vendor has none (5)."""
        return ReceiptsRead((), 1)

    def poll(self, awaited: Sequence[Awaited]) -> Sequence[HttpCall]:
        """The first page of each send among them."""
        uuids = dict.fromkeys(item.provider_message_id.rpartition("/")[0] for item in awaited)
        return [self._recipients(quote(uuid, safe=""), "0") for uuid in uuids if uuid]

    def read_poll(
        self, call: HttpCall, awaited: Sequence[Awaited], status: int, body: bytes
    ) -> PollRead:
        """The recipients of one page that have their end, and the next page.

        Nothing follows a page whose summary says that the vendor has no news at all.
        """
        value = parse_json(body)
        found = _RECIPIENTS_PATH.search(call.url)
        if status != 200 or found is None or not isinstance(value, dict):
            return PollRead(())
        path_id = found[1]
        wanted = {
            msisdn: item.provider_message_id
            for item in awaited
            for uuid, _, msisdn in [item.provider_message_id.rpartition("/")]
            if quote(uuid, safe="") == path_id
        }
        receipts = list(_receipts(_member(value, "data", "recipients"), wanted))
        cursor = scalar_text(value.get("nextCursor"))
        if not cursor or value.get("hasMore") is not True or not _has_news(value.get("summary")):
            return PollRead(receipts)
        return PollRead(receipts, [self._recipients(path_id, cursor)])

    def _recipients(self, path_id: str, cursor: str) -> HttpCall:
        query = f"after={quote(cursor, safe='')}&limit={MAX_PAGE_RECIPIENTS}"
        url = f"{self._base_url}/sms/{path_id}/recipients?{query}"
        return HttpCall("GET", url, self._headers, None)

    # --- balance (3.7) --------------------------------------------------------------------------

    def balance(self) -> HttpCall | None:
        """Credits of the account."""
        return HttpCall("GET", f"{self._base_url}/credit", self._headers, None)

    def read_balance(self, status: int, body: bytes) -> int | None:
        """Micro-credits; under any of the names the vendor has used, also inside `data`."""
        if status != 200:
            return None
        text = scalar_text(_member(parse_json(body), "credit", "credits", "balance"))
        try:
            credits = Decimal(text or "")
        except InvalidOperation:
            return None
        if not credits.is_finite() or abs(credits) > MOST_BALANCE:
            return None
        return int(credits * MICROS)


def _not_sent(status: int, value: object) -> Outcome:
    word = scalar_text(_member(value, "code")) or scalar_text(_member(value, "error")) or ""
    error = short_text(f"http_{status} {word}", ERROR_LIMIT)
    if status == 429:
        return Deferred(error, throttled=True)
    if status in _OUR_FAULT or 300 <= status < 400:  # nobody follows a redirect: it was not taken
        return Deferred(error)
    if 400 <= status < 500:
        return Refused(error)
    return Unknown(error)


def _member(value: object, *names: str) -> object:
    """The first of these members that is there, else one of `data`; None without any."""
    if not isinstance(value, dict):
        return None
    for name in names:
        if value.get(name) is not None:
            return value[name]
    inner = value.get("data")
    return _member(inner, *names) if isinstance(inner, dict) else None


def _receipts(rows: object, wanted: Mapping[str, str]) -> Iterator[Receipt]:
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        id = wanted.get(_msisdn(scalar_text(row.get("msisdn")) or ""))
        word = (scalar_text(row.get("status")) or "").casefold()
        state = _STATES.get(word)
        if id is not None and state is not None:
            error = "" if state is MessageState.DELIVERED else word
            yield Receipt(id, state, error, _time_ms(row.get("updatedAt")))


def _msisdn(text: str) -> str:
    """A number in the form it was sent in: `66...`."""
    text = text.removeprefix("+")
    return f"66{text[1:]}" if text.startswith("0") else text


def _time_ms(value: object) -> int:
    try:
        return max(0, parse_time(value)) if isinstance(value, str) else 0
    except (ValueError, OverflowError):
        return 0


def _has_news(summary: object) -> bool:
    """Whether some recipient is not pending; an object by status and a list of counts both do.

    A summary in another form says nothing, so there may be news.
    """
    if isinstance(summary, dict):
        counts = list(summary.items())
    elif isinstance(summary, list) and all(isinstance(item, dict) for item in summary):
        counts = [(item.get("status"), item.get("count")) for item in summary]
    else:
        return True
    return not counts or any(status != "pending" and count for status, count in counts)
