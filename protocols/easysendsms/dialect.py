"""EasySendSMS as an upstream: requests, answers and delivery reports (7, 4), pure.

The vendor forbids to repeat what it answered with 500 or 503, because it may have been sent: such a
message goes by another provider or ends, and never comes back to this one in the same round.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl, urlsplit

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.domain.money import MICROS
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.domain.receipt import Receipt
from gateway.domain.sms_text import Alphabet
from protocols.easysendsms import errors
from protocols.easysendsms.contract import MAX_PARTS, MAX_RECIPIENTS
from protocols.http.dialect import Awaited, HttpCall, PollRead, ReceiptsRead
from protocols.http.json_path import parse_json, short_text, storable_id

ERROR_LENGTH = 32
_MAX_BALANCE = Decimal(9_000_000_000_000)

# What is wrong with our account there, or with our settings, and not with the message.
_OURS = frozenset(
    {
        errors.NO_KEY, errors.UNKNOWN_KEY, errors.ADDRESS_REFUSED, errors.KEY_DISABLED,
        errors.ACCOUNT_DISABLED, errors.DEMO_EXPIRED, errors.NO_CREDIT, errors.WRONG_METHOD,
        errors.WRONG_CONTENT_TYPE, errors.TOO_MANY_RECIPIENTS, 404,
    }
)  # fmt: skip
_NOT_THE_MESSAGE = frozenset({401, 402, 403, 404, 405, 415})
_NEVER_AGAIN = frozenset({500, 503})
_STATES = {
    "DELIVRD": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "UNDELIV": MessageState.FAILED,
}
_DATE_FORMS = ("%m/%d/%Y %I:%M:%S %p", "%Y-%m-%d %H:%M:%S")


class EasySendDialect:
    """`protocols.http.dialect.Dialect`.  `base_url` ends in ``/v1/rest``.

    The vendor learns the URL for its reports in its dashboard, once per account.
    """

    most_together = MAX_RECIPIENTS
    polls = False
    has_callbacks = True

    def __init__(self, base_url: str, api_key: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"apikey": api_key, "Accept": "application/json"}
        parts = urlsplit(base_url)
        self.origin = f"{parts.scheme}://{parts.netloc}"

    def unfit(self, message: Message) -> Refused | None:
        """A text of more than five parts (5)."""
        return Refused("too_many_parts") if message.part_count > MAX_PARTS else None

    def together(self, message: Message) -> object:
        """One request has one sender, one text and one type."""
        return message.sender, message.text, message.alphabet

    def send(self, messages: Sequence[Message], callback_url: str) -> HttpCall:
        """POST /sms/send (3.1)."""
        first = messages[0]
        fields = {
            "from": first.sender,
            "to": ",".join(message.recipient for message in messages),
            "text": first.text,
            "type": "0" if first.alphabet is Alphabet.GSM7 else "1",
        }
        headers = {**self._headers, "Content-Type": "application/json"}
        return HttpCall(
            "POST", f"{self._base_url}/sms/send", headers, json.dumps(fields).encode("ascii")
        )

    def read_sent(
        self, messages: Sequence[Message], status: int, headers: Mapping[str, str], body: bytes
    ) -> Sequence[Outcome]:
        """By position; a place that is missing counts as an invalid number."""
        answer = parse_json(body)
        ids = answer.get("messageIds") if isinstance(answer, dict) else None
        if status != 200 or not isinstance(ids, list):
            return [_outcome_of_error(status, answer)] * len(messages)
        places = [place.strip() for text in ids for place in str(text).split(",")]
        places += [f"ERR: {errors.BAD_RECIPIENT}"] * (len(messages) - len(places))
        return [_outcome_of_place(place) for place in places[: len(messages)]]

    def read_callback(self, query: str, headers: Mapping[str, str], body: bytes) -> ReceiptsRead:
        """A delivery report, in the present names or the older ones (4).

        Without a body it is the vendor's check of the URL.
        """
        if not body.strip():
            return ReceiptsRead(())
        fields = dict(parse_qsl(body.decode("utf-8", "replace")))
        message_id = storable_id(fields.get("sms_id") or fields.get("messageid"))
        word = (fields.get("response") or fields.get("status") or "").upper()
        state = _STATES.get(word)
        if not message_id or state is None:
            return ReceiptsRead((), unreadable=1)
        error = "" if state is MessageState.DELIVERED else word
        done_at_ms = _time_ms(fields.get("sent_date") or fields.get("date") or "")
        return ReceiptsRead((Receipt(message_id, state, error, done_at_ms),))

    def poll(self, awaited: Sequence[Awaited]) -> Sequence[HttpCall]:
        """None: the vendor has no query of a message."""
        return ()

    def read_poll(
        self, call: HttpCall, awaited: Sequence[Awaited], status: int, body: bytes
    ) -> PollRead:
        """Nothing is ever asked."""
        return PollRead(())

    def balance(self) -> HttpCall:
        """GET /sms/balance (3.2), which the vendor answers twice a minute."""
        return HttpCall("GET", f"{self._base_url}/sms/balance", dict(self._headers), None)

    def read_balance(self, status: int, body: bytes) -> int | None:
        """The vendor's credits in millionths."""
        if status != 200:
            return None
        try:
            answer = json.loads(body, parse_float=Decimal)
            balance = Decimal(str(answer["balance"]))
        except (ValueError, TypeError, KeyError, RecursionError, InvalidOperation):
            return None
        is_sane = balance.is_finite() and abs(balance) < _MAX_BALANCE
        return int(balance * MICROS) if is_sane else None


def _outcome_of_place(place: str) -> Outcome:
    verdict, _, rest = place.partition(":")
    if verdict.strip().upper() == "OK":
        return Sent(storable_id(rest.strip()))  # without an id no report can be matched
    return Refused(short_text(rest, ERROR_LENGTH) or "unreadable_place")


def _outcome_of_error(status: int, answer: object) -> Outcome:
    """What a whole request came to that was not accepted."""
    code = answer.get("error") if isinstance(answer, dict) else None
    if type(code) is not int:
        code = None
    error = str(code) if code is not None and abs(code) < 10**9 else f"http_{status}"
    if status == 429:
        return Deferred(error, throttled=True)
    if status in _NEVER_AGAIN:
        return Refused(error)
    if status == 200 and code is None:
        # "status" other than OK is a failure; anything else may be an acceptance we cannot read.
        is_failure = isinstance(answer, dict) and answer.get("status", "OK") != "OK"
        return Refused("status_not_ok") if is_failure else Unknown("unreadable_answer")
    if status == 408 or status >= 500:
        return Unknown(error)
    is_redirect = status < 400 and code is None
    if code in _OURS or status in _NOT_THE_MESSAGE or is_redirect:
        return Deferred(error)
    return Refused(error)


def _time_ms(text: str) -> int:
    """UTC milliseconds of either date form; 0 when it is neither."""
    for form in _DATE_FORMS:
        try:
            moment = datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return max(0, int(moment.timestamp() * 1000))
    return 0
