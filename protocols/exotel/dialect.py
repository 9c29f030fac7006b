"""Exotel as an upstream: `protocols.http.dialect.Dialect`.  Pure (contract, section 7).

Sends go to `Sms/send.json`, several numbers of one text in one request; receipts come to the
StatusCallback, or are asked for message by message where nothing can be called back.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from gateway.domain.account import Door
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.domain.receipt import Receipt
from gateway.domain.sms_text import Alphabet
from gateway.domain.vendor_tlv import PE_ID, TEMPLATE_ID, TM_ID, decode_texts
from protocols.exotel.answers import PREFIX
from protocols.exotel.contract import MAX_BODY_LENGTH, MAX_MESSAGES
from protocols.exotel.door_note import sms_type
from protocols.exotel.numbers import read_recipient
from protocols.exotel.statuses import is_failure, state_of_code, state_of_word
from protocols.exotel.times import read_time
from protocols.http.dialect import Awaited, HttpCall, PollRead, ReceiptsRead
from protocols.http.json_path import parse_json, scalar_text, short_text, storable_id

ERROR_LENGTH = 64  # characters of an outcome's error
RECEIPT_ERROR_LENGTH = 32
THROTTLED_CODE = "40405"
POLL_PATIENCE_S = 30  # the vendor's Retry-After
HIGH_PRIORITY = 2  # class of the heart
MAX_FIELDS = 100  # of a callback

_DLT_FIELDS = {
    PE_ID: "DltEntityId",
    TEMPLATE_ID: "DltTemplateId",
    TM_ID: "BindingChainDetails",
}
_CODE = re.compile("[0-9]{1,9}")
_CODE_NAMES = ("DetailedStatusCode", "ExoStatusCode")
_WORD_NAMES = ("Status", "DetailedStatus")
# A report's own time; DateSent is when the message left.
_TIME_NAMES = ("DateUpdated", "UpdatedAt", "DateSent", "SentAt")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExotelUpstream:
    """An account at Exotel, or at whoever speaks its API.

    `base_url`: up to ``/v1/Accounts/<account_sid>``, which may be left out.  The DLT fields and
    `sms_type` are for messages that bring none.  `callbacks`: the vendor can reach us; else
    receipts are asked for.
    """

    base_url: str
    account_sid: str
    api_key: str
    api_token: str = field(repr=False)
    sms_type: str = ""
    dlt_entity_id: str = ""
    dlt_template_id: str = ""
    callbacks: bool = True


class ExotelDialect:
    """One account at Exotel."""

    most_together = MAX_MESSAGES

    def __init__(self, upstream: ExotelUpstream) -> None:
        self._upstream = upstream
        base = upstream.base_url.rstrip("/")
        parts = urlsplit(base)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        if PREFIX + "/" not in parts.path:
            base += f"{PREFIX}/{upstream.account_sid}"
        self._send_url = f"{base}/Sms/send.json"
        self._details_url = f"{base}/SMS/Messages/"
        self.has_callbacks = upstream.callbacks
        self.polls = not upstream.callbacks
        pair = f"{upstream.api_key}:{upstream.api_token}".encode()
        self._authorization = "Basic " + base64.b64encode(pair).decode("ascii")

    # -- sends -----------------------------------------------------------------------------------

    def unfit(self, message: Message) -> Refused | None:
        """A text that is too long for the vendor."""
        if len(message.text or "") > MAX_BODY_LENGTH:
            return Refused("text_too_long")
        return None

    def together(self, message: Message) -> object:
        """Everything of the request but the number."""
        opaque = message.opaque
        return (
            message.sender,
            message.text,
            message.alphabet,
            message.priority >= HIGH_PRIORITY,
            self._sms_type(message),
            opaque.tlvs if opaque is not None else b"",
        )

    def send(self, messages: Sequence[Message], callback_url: str) -> HttpCall:
        """One POST, a static bulk when there are several messages."""
        first = messages[0]
        fields = {"From": first.sender, "Body": first.text or ""}
        fields["EncodingType"] = "unicode" if first.alphabet == Alphabet.UCS2 else "plain"
        if first.priority >= HIGH_PRIORITY:
            fields["Priority"] = "high"
        fields.update(self._registered(first))
        if callback_url and self.has_callbacks:
            fields["StatusCallback"] = callback_url
        if len(messages) == 1:
            fields["To"] = f"+{first.recipient}"
        else:
            fields.update((f"To[{n}]", f"+{m.recipient}") for n, m in enumerate(messages))
        headers = self._headers()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return HttpCall("POST", self._send_url, headers, urlencode(fields).encode("ascii"))

    def read_sent(
        self, messages: Sequence[Message], status: int, headers: Mapping[str, str], body: bytes
    ) -> Sequence[Outcome]:
        """One outcome per message, found by its number, else by its place."""
        value = parse_json(body)
        if status not in (200, 207):
            return [_error_outcome(status, value)] * len(messages)
        exception = _member(value, "RestException")
        if exception is not None:
            return [_exception_outcome(exception)] * len(messages)
        elements = _matched(messages, _elements(value))
        return [_element_outcome(element) for element in elements]

    def _registered(self, message: Message) -> Iterator[tuple[str, str]]:
        """SmsType and the DLT fields: the message's own, else the account's."""
        tlvs = decode_texts(message.opaque.tlvs) if message.opaque is not None else {}
        values = {
            "SmsType": self._sms_type(message),
            "DltEntityId": self._upstream.dlt_entity_id,
            "DltTemplateId": self._upstream.dlt_template_id,
        }
        for tag, name in _DLT_FIELDS.items():
            values[name] = tlvs.get(tag) or values.get(name, "")
        return ((name, value) for name, value in values.items() if value)

    def _sms_type(self, message: Message) -> str:
        """What the customer asked our own Exotel door for is passed on."""
        asked = sms_type(message.door_note) if message.door == Door.EXOTEL else ""
        return asked or self._upstream.sms_type

    def _headers(self) -> dict[str, str]:
        return {"Authorization": self._authorization, "Accept": "application/json"}

    # -- receipts --------------------------------------------------------------------------------

    def read_callback(self, query: str, headers: Mapping[str, str], body: bytes) -> ReceiptsRead:
        """A form or a JSON object (5.1), whatever the header says."""
        if body.lstrip()[:1] in (b"{", b"["):
            value = parse_json(body)
        else:
            value = _form(body.decode("utf-8", "replace") or query)
        reports = value if isinstance(value, list) else [value]
        found = [_receipt(report) for report in reports if isinstance(report, dict)]
        receipts = [receipt for receipt in found if receipt is not None]
        return ReceiptsRead(receipts, len(reports) - len(receipts))

    def poll(self, awaited: Sequence[Awaited]) -> Sequence[HttpCall]:
        """The details of each."""
        return [
            HttpCall("GET", f"{self._details_url}{sid}.json", self._headers(), None)
            for sid in (item.provider_message_id for item in awaited)
            if sid.isalnum() and sid.isascii()  # it becomes a path
        ]

    def read_poll(
        self, call: HttpCall, awaited: Sequence[Awaited], status: int, body: bytes
    ) -> PollRead:
        """The end of the message, once it has one; a 200 without a message knows nothing (3.4)."""
        if status in (429, 503):
            return PollRead([], retry_after_s=POLL_PATIENCE_S)
        message = _member(parse_json(body), "SMSMessage")
        if status != 200 or message is None:
            return PollRead([])
        # Named by the question: the answer to another one would be matched all the same.
        sid = call.url.removeprefix(self._details_url).removesuffix(".json")
        receipt = _receipt({**message, "SmsSid": sid})
        if receipt is None or receipt.state == MessageState.SENT:
            return PollRead([])
        return PollRead([receipt])

    # -- balance ---------------------------------------------------------------------------------

    def balance(self) -> HttpCall | None:
        """The vendor has no such endpoint."""
        return None

    def read_balance(self, status: int, body: bytes) -> int | None:
        """Nothing is asked, so nothing is answered."""
        return None


# --- answers to sends ---------------------------------------------------------------------------

_Members = Mapping[str, object]


def _elements(value: object) -> list[_Members]:
    """The messages of an answer: one object, an array, or newer pages' `SMSMessages` (3.2)."""
    if isinstance(value, dict):
        listed = value.get("SMSMessages")
        if isinstance(listed, list):
            return [item for item in listed if isinstance(item, dict)]
        value = [value]
    if not isinstance(value, list):
        return []
    found = (_member(v, "SMSMessage") or _rest_exception(v) for v in value)
    return [item if item is not None else {} for item in found]


def _rest_exception(value: object) -> _Members | None:
    exception = _member(value, "RestException")
    return None if exception is None else {"RestException": exception}


def _member(value: object, name: str) -> _Members | None:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else None


def _matched(messages: Sequence[Message], elements: list[_Members]) -> list[_Members | None]:
    """The element of each message: by its number, else by its place when none is missing."""
    by_number: dict[str, int] = {}
    for place, element in enumerate(elements):
        number = read_recipient(scalar_text(element.get("To")) or "")
        if number:
            by_number.setdefault(number, place)
    places = [by_number.get(message.recipient) for message in messages]
    if len(elements) == len(messages):
        taken = set(places)
        places = [
            n if place is None and n not in taken else place for n, place in enumerate(places)
        ]
    return [None if place is None else elements[place] for place in places]


def _element_outcome(element: _Members | None) -> Outcome:
    if element is None:
        return Unknown("answer_unreadable")
    exception = _member(element, "RestException")
    if exception is not None:
        return _exception_outcome(exception)
    sid = storable_id(scalar_text(element.get("Sid")))
    word = scalar_text(element.get("Status")) or ""
    if is_failure(word):
        code = scalar_text(element.get("DetailedStatusCode")) or ""
        detail = scalar_text(element.get("DetailedStatus")) or ""
        return Refused(short_text(f"{code or word} {detail}", ERROR_LENGTH))
    return Sent(sid) if sid else Unknown("answer_unreadable")


def _exception_outcome(exception: _Members) -> Outcome:
    """By the status it repeats; without one it is a refusal."""
    status = scalar_text(exception.get("Status")) or ""
    number = int(status) if status.isascii() and status.isdecimal() and len(status) == 3 else 400
    return _error_outcome(number, {"RestException": exception})


def _error_outcome(status: int, value: object) -> Outcome:
    """The classes of section 7; the vendor's text is not looked at.

    A wrong key and an empty balance are refusals of this provider only: the next one is tried.
    """
    code = scalar_text((_member(value, "RestException") or {}).get("Code")) or ""
    error = short_text(f"http_{status} {code}", ERROR_LENGTH)
    if status == 429 or (status == 503 and code == THROTTLED_CODE):
        return Deferred(error, throttled=True)
    if status == 503 or 300 <= status < 400:  # redirects are not followed: nobody took it
        return Deferred(error)
    if 400 <= status < 500 and status != 408:
        return Refused(error)
    return Unknown(error)  # there is no idempotency key: it may have been sent


# --- receipts -----------------------------------------------------------------------------------


def _form(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, errors="replace", max_num_fields=MAX_FIELDS))
    except ValueError:
        return {}


def _receipt(fields: _Members) -> Receipt | None:
    """What a report says; None: it names no message or says nothing.

    The code decides, then the words; an unknown word moves nothing and is shown as the error.
    """
    sid = storable_id(scalar_text(fields.get("SmsSid")))
    code = _first_text(fields, _CODE_NAMES)
    words = [text for name in _WORD_NAMES if (text := scalar_text(fields.get(name)))]
    if not sid or not (code or words):
        return None
    states = [state_of_code(int(code))] if _CODE.fullmatch(code) else []
    states += [state_of_word(word) for word in words]
    state = next((s for s in states if s is not None), None)
    error = ""
    if state not in (MessageState.DELIVERED, MessageState.SENT):
        error = short_text(code or words[0], RECEIPT_ERROR_LENGTH)
    done_at_ms = read_time(_first_text(fields, _TIME_NAMES))
    return Receipt(sid, MessageState.SENT if state is None else state, error, done_at_ms)


def _first_text(fields: _Members, names: Sequence[str]) -> str:
    return next((text for name in names if (text := scalar_text(fields.get(name)))), "")
