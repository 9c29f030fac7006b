"""The delivery receipt as text, SMPP v3.4 Appendix B: read leniently, written strictly.

What a receipt means (which state, which message) is decided elsewhere; here are only its words.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from protocols.smpp.codec import decode_tlvs
from protocols.smpp.constants import ESM_INTERMEDIATE, ESM_RECEIPT, ESM_TYPE_MASK, Tag

_TEXT_CHARACTERS = 20  # Appendix B: the first 20 characters of the short message


class ReceiptText(NamedTuple):
    """The fields as the peer wrote them; a missing one is empty, `stat` is in upper case."""

    id: str
    sub: str
    dlvrd: str
    submit_date: str
    done_date: str
    stat: str
    err: str
    text: str


_USUAL = re.compile(
    r"id:(\S*) sub:(\d*) dlvrd:(\d*) submit date:(\d*) done date:(\d*) stat:([A-Z]+) err:(\S*)"
    r"(?: [Tt]ext:(.*))?",
    re.DOTALL,
)
# Any field name of any spelling; a value reaches to the next one.
_FIELD = re.compile(
    r"(?<![a-z])(id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|text)\s*:\s*", re.IGNORECASE
)
_STRICT = re.compile(rb"\s*id:\S+\s.*\bstat:\s*\w", re.IGNORECASE | re.DOTALL)


def parse(octets: bytes | str) -> ReceiptText | None:
    """Reads a receipt's text, or None when it has neither an id nor a stat.

    Fields may be missing, empty, repeated (the first counts), in any order or letter case, with
    spaces after the colons; `text` takes all that follows it.
    """
    receipt = octets if isinstance(octets, str) else octets.decode("latin-1")
    match = _USUAL.fullmatch(receipt)
    if match is not None:
        return ReceiptText._make(match.groups(""))
    values: dict[str, str] = {}
    found = list(_FIELD.finditer(receipt))
    for index, field in enumerate(found):
        name = field[1].lower().replace("_", "").replace(" ", "")
        if name == "text":
            values.setdefault(name, receipt[field.end() :])
            break
        end = found[index + 1].start() if index + 1 < len(found) else len(receipt)
        values.setdefault(name, receipt[field.end() : end].strip(" \t\r\n\0,;"))
    if not values.get("id") and not values.get("stat"):
        return None
    return ReceiptText(
        values.get("id", ""),
        values.get("sub", ""),
        values.get("dlvrd", ""),
        values.get("submitdate", ""),
        values.get("donedate", ""),
        values.get("stat", "").upper(),
        values.get("err", ""),
        values.get("text", ""),
    )


_COUNTS = tuple(b"%03d" % n for n in range(256))


def render(
    message_id: bytes,
    sub: int,
    dlvrd: int,
    submitted_at_ms: int,
    done_at_ms: int,
    stat: bytes,
    err: bytes,
    text: str,
) -> bytes:
    """A receipt's short_message in ASCII, letter for letter as Appendix B lays it out.

    `stat` is one of its seven-letter words and `err` three characters; of `text` the first 20
    characters go out, with "?" for what is not printable ASCII.
    """
    excerpt = text[:_TEXT_CHARACTERS]
    if not (excerpt.isascii() and excerpt.isprintable()):
        excerpt = _NOT_PRINTABLE.sub("?", excerpt)
    return b"id:%b sub:%b dlvrd:%b submit date:%b done date:%b stat:%b err:%b text:%b" % (
        message_id,
        _COUNTS[sub],
        _COUNTS[dlvrd],
        _minute(submitted_at_ms // 60_000),
        _minute(done_at_ms // 60_000),
        stat,
        err,
        excerpt.encode(),
    )


_NOT_PRINTABLE = re.compile("[^ -~]")


def is_receipt(esm_class: int, tlvs: bytes, short_message: bytes) -> bool:
    """Whether a deliver_sm is a receipt and no message of a handset.

    The message type in esm_class is a claim, not a proof: peers send receipts with 0 and handset
    messages with 0x04.  The type needs any trace of a receipt beside it; without the type a
    receipted_message_id or the full form of the text is asked for.
    """
    claimed = esm_class & ESM_TYPE_MASK in (ESM_RECEIPT, ESM_INTERMEDIATE)
    if claimed and short_message.startswith(b"id:"):
        return True
    values = dict(decode_tlvs(tlvs))
    if Tag.RECEIPTED_MESSAGE_ID in values:
        return True
    text = short_message or values.get(Tag.MESSAGE_PAYLOAD, b"")
    if claimed:
        return Tag.MESSAGE_STATE in values or parse(text) is not None
    return _STRICT.match(text) is not None


# --- dates --------------------------------------------------------------------------------------

# The caches pay because the receipts of one moment share their dates.

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# Octets of the year and of the whole date.  Twelve digits are first read as YYMMDDhhmmss; a date of
# this century in the other form has no such month (it begins with 2013 or later).
_DATE_FORMS = ((2, 10), (2, 12), (4, 12), (4, 14))


@lru_cache(maxsize=1024)
def decode_date(text: str, utc_offset_s: int = 0) -> int:
    """UTC milliseconds of a receipt's date, 0 when it cannot be read.

    YYMMDDhhmm, YYMMDDhhmmss, YYYYMMDDhhmm and YYYYMMDDhhmmss are read.  The zone is the peer's own
    and unsaid: `utc_offset_s` is how far its clock is ahead of UTC.
    """
    if not (text.isascii() and text.isdigit()):
        return 0
    for year_length, length in _DATE_FORMS:
        if len(text) != length:
            continue
        year = int(text[:year_length])
        pairs = [int(text[i : i + 2]) for i in range(year_length, length, 2)]
        month, day, hour, minute, second = (*pairs, 0)[:5]
        try:
            local = datetime(2000 + year % 100, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            continue
        return max(0, (local - _EPOCH) // _MILLISECOND - utc_offset_s * 1000)
    return 0


@lru_cache(maxsize=1024)
def _minute(minute: int) -> bytes:
    """YYMMDDhhmm of the minutes since 1970, UTC."""
    return (_EPOCH + timedelta(minutes=minute)).strftime("%y%m%d%H%M").encode()
