"""EasySendSMS REST API v1, sending and balance, as pure shapes (3.1, 3.2, 5).

What a request must be, in the order of checks of the vendor's contract (2.3), and what an answer
looks like.  An error is the number of its code; `errors` has its words.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.domain.money import format_amount
from gateway.domain.sms_text import Alphabet, is_storable, measure, split
from protocols.easysendsms import errors

MAX_RECIPIENTS = 30
MAX_PARTS = 5
MAX_NUMERIC_SENDER = 15  # digits; a leading "+" does not count
MAX_SENDER = 11  # characters
PAST_TOLERANCE_MS = 60_000

_NUMBER = re.compile(r"[1-9][0-9]{7,14}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
# More characters than five parts can hold in any alphabet need not be counted.
_MOST_CHARACTERS = MAX_PARTS * 153
_ALPHABETS = {"0": Alphabet.GSM7, "1": Alphabet.UCS2}


class SendRequest(NamedTuple):
    """A valid body of POST /sms/send.

    `entries` are the distinct recipients as written, in first-seen order; `numbers` those that are
    numbers.  `scheduled` is as written, empty = now; `due_at_ms` 0 = now.
    """

    sender: str
    entries: list[str]
    numbers: list[str]
    text: str
    alphabet: Alphabet
    parts: int
    scheduled: str = ""
    due_at_ms: int = 0


def parse_send(
    fields: Mapping[str, object], is_allowed: Callable[[str], bool], now_ms: int
) -> SendRequest | int:
    """The request in `fields`, or the code of the first thing that is wrong with it.

    `is_allowed` tells whether a sender is approved.
    """
    if any(fields.get(name) is None for name in ("from", "to", "text", "type")):
        return errors.MISSING_PARAMETER
    alphabet = _alphabet(fields["type"])
    if alphabet is None:
        return errors.BAD_TYPE
    text = fields["text"]
    if not isinstance(text, str):
        return errors.BAD_TEXT
    parts = count_parts(text, alphabet)
    if parts is None:
        return errors.BAD_TEXT
    sender = _sender(fields["from"], is_allowed)
    if sender is None:
        return errors.BAD_SENDER
    entries = distinct_entries(fields["to"])
    if entries is None:
        return errors.TOO_MANY_RECIPIENTS
    scheduled = fields.get("scheduled")
    due_at_ms = _due(scheduled, now_ms)
    if due_at_ms is None:
        return errors.BAD_SCHEDULE
    numbers = [entry for entry in entries if is_number(entry)]
    if not numbers:
        return errors.BAD_RECIPIENT
    return SendRequest(
        sender, entries, numbers, text, alphabet, parts, str(scheduled or ""), due_at_ms
    )


def distinct_entries(value: object) -> list[str] | None:
    """The entries of a comma list, each once, spaces around commas left out.

    None when there are more than MAX_RECIPIENTS, repeated ones counted.  What is no text has one
    entry that is no number.
    """
    entries = value.split(",", MAX_RECIPIENTS) if isinstance(value, str) else [""]
    if len(entries) > MAX_RECIPIENTS:
        return None
    return list(dict.fromkeys(entry.strip(" ") for entry in entries))


def is_number(entry: str) -> bool:
    """3.1: 8 to 15 digits with country code, neither "+" nor "0" first."""
    return _NUMBER.fullmatch(entry) is not None


def count_parts(text: str, alphabet: Alphabet) -> int | None:
    """5: the parts `text` makes in `alphabet`; None: empty, outside of it, or over five parts."""
    if not text or len(text) > _MOST_CHARACTERS:
        return None
    if alphabet is Alphabet.GSM7:
        needed, parts = measure(text)
        if needed is not Alphabet.GSM7:
            return None
    else:
        if not is_storable(text):
            return None
        parts = len(split(text, alphabet))
    return parts if parts <= MAX_PARTS else None


def _alphabet(value: object) -> Alphabet | None:
    if type(value) is int:
        value = str(value)
    return _ALPHABETS.get(value) if isinstance(value, str) else None


def _sender(value: object, is_allowed: Callable[[str], bool]) -> str | None:
    """The approved spelling of a sender: as it came or, for a number, without its "+"."""
    if not isinstance(value, str) or not is_storable(value):
        return None
    bare = value.removeprefix("+")
    is_numeric = bare.isascii() and bare.isdecimal()
    if not bare or len(bare if is_numeric else value) > (
        MAX_NUMERIC_SENDER if is_numeric else MAX_SENDER
    ):
        return None
    if is_allowed(value):
        return value
    return bare if is_numeric and is_allowed(bare) else None


def _due(value: object, now_ms: int) -> int | None:
    """6: UTC milliseconds of `scheduled`, 0 = now; None: no such moment, or one in the past."""
    if value is None or value == "":
        return 0
    if not isinstance(value, str) or _MOMENT.fullmatch(value) is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    due_at_ms = int(moment.timestamp() * 1000)
    return due_at_ms if due_at_ms >= now_ms - PAST_TOLERANCE_MS else None


# --- answers ------------------------------------------------------------------------------------


def render_sent(request: SendRequest, ids: Mapping[str, str]) -> bytes:
    """The answer to an accepted send; `ids` by number, those that were refused left out."""
    return _json(
        {
            "status": "OK",
            "scheduled": request.scheduled or "Now",
            "messageIds": [
                f"OK: {ids[entry]}" if entry in ids else f"ERR: {errors.BAD_RECIPIENT}"
                for entry in request.entries
            ],
        }
    )


def render_balance(balance_micros: int) -> bytes:
    """The answer of the balance: a decimal number of the account's currency."""
    return f'{{"balance":{format_amount(balance_micros)}}}'.encode("ascii")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
