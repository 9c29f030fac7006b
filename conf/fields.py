"""The kinds of value a key can have, read from TOML into what the daemon uses.

Every reader raises ValueError with a reason an operator can act on.
"""

import re
from datetime import UTC, date, datetime, time
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo

from conf.section import source_of
from gateway.domain.money import parse_amount

MAX_SECONDS = 366 * 86_400
MAX_RATE_PER_S = 1_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TITLE = re.compile(r"\S(?:.{0,62}\S)?")
_CURRENCY = re.compile(r"[A-Z]{3,8}")
_VISIBLE = re.compile(r"[!-~]+")
_PORT = re.compile(r"[0-9]{1,5}")
_PREFIX = re.compile(r"(?:[1-9][0-9]{0,14})?")

# --- texts and numbers --------------------------------------------------------------------------


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(
            "must be 1 to 64 letters, digits, '_', '.' or '-', the first a letter or digit"
        )
    return text


def _title(text: str) -> str:
    if not _TITLE.fullmatch(text) or not text.isprintable():
        raise ValueError("must be 1 to 64 printable characters, no space first or last")
    return text


def _currency(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise ValueError("must be 3 to 8 capital letters such as EUR")
    return text


def _visible(text: str) -> str:
    if not _VISIBLE.fullmatch(text):
        raise ValueError("must be printable ASCII without spaces")
    return text


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError('must be the first digits of E.164 numbers, without "+", or ""')
    return text


Name = Annotated[str, AfterValidator(_name)]
Title = Annotated[str, AfterValidator(_title)]
Currency = Annotated[str, AfterValidator(_currency)]
Visible = Annotated[str, AfterValidator(_visible)]
# SMPP v3.4 5.2.1: 16 octets with the NUL.
SystemId = Annotated[str, Field(max_length=15), AfterValidator(_visible)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Seconds = Annotated[int, Field(ge=1, le=MAX_SECONDS)]
SecondsOrNever = Annotated[int, Field(ge=0, le=MAX_SECONDS)]
RatePerSecond = Annotated[int, Field(ge=0, le=MAX_RATE_PER_S)]


def _amount(value: object) -> int:
    if isinstance(value, str):
        return parse_amount(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return parse_amount(str(value))
    raise ValueError('must be an amount as text, such as "0.035"')


def _price(value: object) -> int:
    micros = _amount(value)
    if micros < 0:
        raise ValueError("must not be negative")
    return micros


def _moment(value: object) -> int:
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    elif isinstance(value, date):
        moment = datetime.combine(value, time(tzinfo=UTC))
    else:
        raise ValueError(  # noqa: TRY004 - pydantic collects ValueError
            "must be a TOML date or date-time such as 2026-01-31"
        )
    return max(0, int(moment.timestamp() * 1000))


Amount = Annotated[int, PlainValidator(_amount)]  # micro-units, any sign
Price = Annotated[int, PlainValidator(_price)]  # micro-units, not negative
Moment = Annotated[int, PlainValidator(_moment)]  # UTC milliseconds; without a zone it is UTC


# --- places -------------------------------------------------------------------------------------


class Address(NamedTuple):
    """Where to listen.  Port 0 = a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(value: object) -> Address:
    if not isinstance(value, str):
        raise ValueError('must be a text such as "127.0.0.1:8080"')  # noqa: TRY004 - pydantic collects ValueError
    host, colon, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not colon or not host or (":" in host and not bracketed):
        raise ValueError(
            'must be "host:port", such as "127.0.0.1:8080", "0.0.0.0:8080" or "[::1]:8080"'
        )
    if not _PORT.fullmatch(port) or int(port) > 65_535:
        raise ValueError("the port must be 0 to 65535")
    return Address(host, int(port))


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise ValueError("must be an IP address or a network such as 10.0.0.0/8") from None


def _path(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, str) and value:
        return source_of(info).directory / value
    raise ValueError("must be a path")


def readable_file(value: object, info: ValidationInfo) -> Path:
    """The path of a file that can be read."""
    path = _path(value, info)
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    return path


def _web_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must be a URL that starts with http:// or https:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password; send them in a header")
    if parts.fragment:
        raise ValueError("must not have a #fragment")
    return text


ListenAddress = Annotated[Address, PlainValidator(_address)]
Network = Annotated[str, AfterValidator(_network)]
FilePath = Annotated[Path, PlainValidator(_path)]
ReadableFile = Annotated[Path, PlainValidator(readable_file)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
