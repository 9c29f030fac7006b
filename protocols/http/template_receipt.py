"""Delivery receipts as an HTTP provider calls them in: query, form or JSON -> receipts.  Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from gateway.domain.lifecycle import MessageState
from gateway.domain.receipt import Receipt
from protocols.http.dialect import ReceiptsRead
from protocols.http.json_path import (
    MISSING,
    JsonPath,
    Scalar,
    parse_json,
    scalar_text,
    short_text,
    storable_id,
)
from protocols.http.template_problems import TemplateProblems

ERROR_LIMIT = 32  # characters of a receipt's error
MAX_FIELDS = 1000  # of a form or query
_YEAR_10000_MS = 253_402_300_800_000

# The keys of `receipt.states`.
STATES = {
    "sent": MessageState.SENT,  # intermediate: moves nothing
    "delivered": MessageState.DELIVERED,
    "failed": MessageState.FAILED,
    "rejected": MessageState.REJECTED,
    "expired": MessageState.EXPIRED,
    "unknown": MessageState.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptAnswer:
    """What the provider wants to hear when its receipts are kept."""

    status: int = 200
    body: str = "OK"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptSpec:
    """The provider's receipt callback.

    `format` is "json" (paths), "form" or "query" (field names).  `id`, `state`, `error` and `at`
    say where the values stand; `many` is the path of the list when one callback carries several
    receipts, and the others then count from its items.  `states` maps our states (STATES) to the
    provider's words, compared without regard to case.  `token` is the secret in the callback's URL.
    """

    id: str
    state: str
    states: Mapping[str, tuple[Scalar, ...]]
    token: str = field(repr=False)
    error: str = ""
    at: str = ""
    format: str = "json"
    many: str = ""
    answer: ReceiptAnswer = ReceiptAnswer()


class ReceiptReader:
    """The compiled receipt mapping of one provider."""

    __slots__ = ("_at", "_error", "_format", "_id", "_many", "_state", "_states")

    def __init__(self, spec: ReceiptSpec, problems: TemplateProblems) -> None:
        if spec.format not in ("json", "form", "query"):
            problems.add("receipt.format", f'{spec.format!r} is not "json", "form" or "query"')
        if spec.many and spec.format != "json":
            problems.add("receipt.many", 'only receipts in format = "json" can be many')
        if not spec.token:
            problems.add("receipt.token", "empty: anybody could send receipts; set a secret")
        if not 200 <= spec.answer.status <= 299:
            problems.add("receipt.answer.status", f"{spec.answer.status} is not from 200 to 299")
        self._format = spec.format
        self._id = _place("receipt.id", spec.id, spec.format, problems)
        self._state = _place("receipt.state", spec.state, spec.format, problems)
        self._error = _optional_place("receipt.error", spec.error, spec.format, problems)
        self._at = _optional_place("receipt.at", spec.at, spec.format, problems)
        self._many = _optional_place("receipt.many", spec.many, spec.format, problems)
        self._states = _state_words(spec.states, problems)

    def read(self, query: str, body: bytes) -> ReceiptsRead:
        """The receipts of one callback with this raw query string and body.  Never raises."""
        if self._format == "json":
            value = parse_json(body)
        else:
            value = _fields(query if self._format == "query" else body.decode("utf-8", "replace"))
        if self._many is None:
            items: object = [value]
        else:
            items = self._many.find(value)
        if not isinstance(items, list):
            return ReceiptsRead([], 1)
        receipts = [receipt for item in items if (receipt := self._receipt(item)) is not None]
        return ReceiptsRead(receipts, len(items) - len(receipts))

    def _receipt(self, item: object) -> Receipt | None:
        message_id = storable_id(scalar_text(self._id.find(item)))
        word = scalar_text(self._state.find(item))
        if not message_id or not word:
            return None
        state = self._states.get(word.casefold())
        error = scalar_text(self._error.find(item)) if self._error is not None else None
        if state is None:
            # A word nobody mapped must not end a message; it is shown as the error of a report
            # that moves nothing, and the receipt window goes on.
            state, error = MessageState.SENT, error or word
        done_at_ms = _time_ms(self._at.find(item)) if self._at is not None else 0
        return Receipt(message_id, state, short_text(error or "", ERROR_LIMIT), done_at_ms)


class _FieldName:
    """Finds a form or query field by its plain name."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        if not name:
            raise ValueError("empty: name the field")
        self._name = name

    def find(self, value: object) -> object:
        """The field's text, or MISSING."""
        return value.get(self._name, MISSING) if isinstance(value, dict) else MISSING


def _place(key: str, source: str, format: str, problems: TemplateProblems) -> JsonPath | _FieldName:
    if format == "json":
        return problems.attempt(key, JsonPath("$"), JsonPath, source)
    return problems.attempt(key, _FieldName("-"), _FieldName, source)


def _optional_place(
    key: str, source: str, format: str, problems: TemplateProblems
) -> JsonPath | _FieldName | None:
    return _place(key, source, format, problems) if source else None


def _state_words(
    states: Mapping[str, tuple[Scalar, ...]], problems: TemplateProblems
) -> dict[str, MessageState]:
    words: dict[str, MessageState] = {}
    for name, listed in states.items():
        key = f"receipt.states.{name}"
        state = STATES.get(name)
        if state is None:
            problems.add(key, f"unknown state; known are {', '.join(STATES)}")
            continue
        for item in listed:
            word = (scalar_text(item) or "").casefold()
            if words.setdefault(word, state) != state:
                problems.add(key, f"{item!r} already means {words[word].name.lower()}")
    if MessageState.DELIVERED not in words.values():
        problems.add("receipt.states.delivered", "missing: no receipt could ever say delivered")
    return words


def _fields(text: str) -> dict[str, str]:
    """The fields of an urlencoded text; the last of equal names wins; none when too many."""
    try:
        return dict(
            parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS)
        )
    except ValueError:
        return {}


def _time_ms(value: object) -> int:
    """UTC milliseconds of an ISO 8601 text (UTC unless it says) or Unix time; 0 when neither.

    A number from 1e11 on counts milliseconds, below it seconds: 1e11 s is the year 5138, 1e11 ms
    the year 1973.
    """
    text = scalar_text(value) or ""
    try:
        number = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
            number = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return 0
        time_ms = number * 1000
    else:
        time_ms = number if number >= 1e11 else number * 1000
    return round(time_ms) if 0 < time_ms < _YEAR_10000_MS else 0
