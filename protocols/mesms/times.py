"""Times as the vendor writes them: ISO 8601 in Thai time, +07:00."""

import re
from datetime import datetime, timedelta, timezone

THAI_TIME = timezone(timedelta(hours=7))

_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)


def parse_time(text: str) -> int:
    """UTC milliseconds of a date with a time; without an offset it is Thai time.

    Raises:
        ValueError: it is no such text, or no such moment.
    """
    if _DATE_TIME.fullmatch(text) is None:
        raise ValueError(f"not an ISO 8601 date and time: {text!r}")
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=THAI_TIME)
    return int(moment.timestamp() * 1000)


def render_time(at_ms: int) -> str:
    """Thai time in whole seconds."""
    return datetime.fromtimestamp(at_ms // 1000, THAI_TIME).isoformat()
