"""Times as Exotel writes them: Indian Standard Time without a zone."""

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

IST = timezone(timedelta(hours=5, minutes=30))
EPOCH = "1970-01-01 05:30:00"  # stands for an unset time in XML


def write_time(at_ms: int) -> str:
    """``YYYY-MM-DD HH:MM:SS`` of a UTC time in milliseconds; 0 gives EPOCH."""
    return _write_second(at_ms // 1000)


@lru_cache(maxsize=256)  # the elements of a bulk answer share their second
def _write_second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, IST).strftime("%Y-%m-%d %H:%M:%S")


def read_time(text: str) -> int:
    """UTC milliseconds of a time as Exotel or ISO 8601 writes it; 0 when it is unset or neither."""
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=IST)
        return max(0, int(moment.astimezone(UTC).timestamp() * 1000))
    except (ValueError, OverflowError):
        return 0
