"""SMPP v3.4 7.1.1: schedule_delivery_time and validity_period, octets to UTC and back."""

import re
from datetime import UTC, datetime, timedelta

_TIME = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d)(\d\d)([-+R])", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MAX_QUARTERS = 48


def decode_time(text: str, now_ms: int) -> int:
    """schedule_delivery_time or validity_period as UTC milliseconds, SMPP v3.4 7.1.1.

    "YYMMDDhhmmsstnnp" is an absolute time `nn` quarter hours ahead of (+) or behind (-) UTC, in the
    years 2000 to 2099; "YYMMDDhhmmss000R" counts from `now_ms`, years and months by the calendar.
    The empty string is 0: the SMSC's default.

    Raises:
        ValueError: neither form, or no date of the calendar.
    """
    if not text:
        return 0
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no SMPP time: expected YYMMDDhhmmsstnnp")
    sign = match[9]
    year, month, day, hour, minute, second, tenth, quarters = map(int, match.groups()[:8])
    if sign == "R":
        start = _EPOCH + now_ms * _MILLISECOND
        moment = _plus_months(start, 12 * year + month) + timedelta(
            days=day, hours=hour, minutes=minute, seconds=second
        )
        return (moment - _EPOCH) // _MILLISECOND
    if quarters > _MAX_QUARTERS:
        raise ValueError(f"{text!r} is over 12 hours from UTC")
    local = datetime(2000 + year, month, day, hour, minute, second, tenth * 100_000, UTC)
    offset = timedelta(minutes=15 * quarters)
    return ((local - offset if sign == "+" else local + offset) - _EPOCH) // _MILLISECOND


def _plus_months(start: datetime, months: int) -> datetime:
    """The same day and time `months` later, or that month's last day."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    next_year, next_month = divmod(year * 12 + month + 1, 12)
    first = start.replace(year=year, month=month + 1, day=1)
    length = (start.replace(year=next_year, month=next_month + 1, day=1) - first).days
    return first.replace(day=min(start.day, length))


def encode_relative(seconds: int) -> bytes:
    """A period of `seconds` as "YYMMDDhhmmss000R", SMPP v3.4 7.1.1.2.

    Days are counted as months of 30 days from 31 days on and years of 365, because peers check the
    fields against a calendar; such a period is exact to a few days, a shorter one to the second.

    Raises:
        ValueError: a negative period or one of 100 years or more.
    """
    days, rest = divmod(seconds, 86_400)
    years, days = divmod(days, 365)
    if not 0 <= years < 100:
        raise ValueError(f"a period of {seconds} s does not fit a relative time")
    months, days = divmod(days, 30) if days > 30 else (0, days)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    return b"%02d%02d%02d%02d%02d%02d000R" % (years, months, days, hours, minutes, rest)
