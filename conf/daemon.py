"""The daemon's own tables: listeners, store, queue, log and the limits of its doors.

The limits that no table names are constants of the module they protect.
"""

import ssl
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, PlainValidator, ValidationInfo, model_validator

from conf.fields import (
    Address,
    FilePath,
    ListenAddress,
    Network,
    ReadableFile,
    Seconds,
    SecondsOrNever,
    SystemId,
    WebUrl,
)
from conf.hlr import HlrSettings
from conf.secrets import Secret, read_secret, read_secret_file
from conf.section import Listed, Section, source_of

_SOCKET_PATH_OCTETS = 107  # sun_path of unix(7), without the NUL
_KEY_DIGITS = 64  # 32 octets for AES-256-GCM


def _path_or_none(value: object, info: ValidationInfo) -> Path | None:
    if not isinstance(value, str):
        raise ValueError('must be a path, or "" for none')  # noqa: TRY004 - collected
    return source_of(info).directory / value if value else None


def _control(value: object, info: ValidationInfo) -> Path | None:
    path = _path_or_none(value, info)
    if path is None:
        return None
    if len(bytes(path)) > _SOCKET_PATH_OCTETS:
        raise ValueError(
            f"{path} is longer than a socket path may be, {_SOCKET_PATH_OCTETS} octets"
        )
    return path


def _store_url(value: object, info: ValidationInfo) -> Secret:
    secret = read_secret(value, info)
    url = secret.reveal()
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        if not path or path == ":memory:":
            raise ValueError("must name a database file: sqlite:///./postern.db")
        return Secret(f"sqlite:///{source_of(info).directory / path}", secret.warning)
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname or parse_qs(parts.query).get("host"))
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme != "postgresql":
        raise ValueError("must start with sqlite:/// or postgresql://")
    if not has_host or len(parts.path) < 2:
        raise ValueError("must name host and database: postgresql://user:secret@host/database")
    return secret


def _key_file(value: object, info: ValidationInfo) -> Secret:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a path")
    path = source_of(info).directory / value
    key = read_secret_file(path)
    digits = key.reveal()
    if len(digits) != _KEY_DIGITS or not set(digits.lower()) <= set("0123456789abcdef"):
        raise ValueError(
            f"{path} must hold {_KEY_DIGITS} hexadecimal digits: openssl rand -hex 32 makes them"
        )
    return key


class TlsSettings(Section):
    """`[listen.tls]`: HTTPS for the REST listener."""

    cert: ReadableFile
    key: ReadableFile

    @model_validator(mode="after")
    def _fit(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # An empty password, because an encrypted key must not ask for one on the terminal.
            context.load_cert_chain(self.cert, self.key, password="")
        except ssl.SSLError as error:
            raise ValueError(
                f"{self.cert} and {self.key} are not a PEM certificate and its unencrypted key:"
                f" {error.reason or error}"
            ) from None
        return self


class ListenSettings(Section):
    """`[listen]`: what is left out does not listen; `control` is None when switched off."""

    http: ListenAddress | None = None
    smpp: ListenAddress | None = None
    admin: ListenAddress | None = None
    # Read by _control like a value of the file.
    control: Annotated[Path | None, PlainValidator(_control)] = "postern.sock"  # type: ignore[assignment]
    tls: TlsSettings | None = None

    @model_validator(mode="after")
    def _own_ports(self) -> Self:
        taken: dict[Address, str] = {}
        for name in ("http", "smpp", "admin"):
            address = getattr(self, name)
            if address is not None and address.port and taken.setdefault(address, name) != name:
                raise ValueError(f"{taken[address]} and {name} are both {address}")
        return self


class StoreSettings(Section):
    """`[store]`: `url` may hold a password; `retention_days`, 0 = for ever, may be a fraction.

    `handovers` is None when switched off.
    """

    # Read by _store_url like a value of the file.
    url: Annotated[Secret, PlainValidator(_store_url)] = "sqlite:///./postern.db"  # type: ignore[assignment]
    retention_days: Annotated[float, Field(ge=0, le=36_500)] = 90
    # Read by _path_or_none like a value of the file.
    handovers: Annotated[Path | None, PlainValidator(_path_or_none)] = "postern.handovers"  # type: ignore[assignment]


class SmppSettings(Section):
    """`[smpp]`: the server's half of SMPP.  The timers are those of SMPP v3.4 7.2, 0 = never."""

    system_id: SystemId = "postern"
    default_charset: Literal["gsm", "latin1", "ascii", "utf8"] = "gsm"
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1000
    session_init_s: Seconds = 30
    enquire_link_s: SecondsOrNever = 30
    inactivity_s: SecondsOrNever = 0
    response_s: Seconds = 10
    delivery_window: Annotated[int, Field(ge=1, le=10_000)] = 100
    delivery_timeout_s: Seconds = 30


class HttpSettings(Section):
    """`[http]`: the REST listener.  `public_url` is how providers reach it; None = its address."""

    max_body_octets: Annotated[int, Field(ge=1024, le=1 << 30)] = 1_048_576
    idle_timeout_s: Seconds = 75
    public_url: WebUrl | None = None


class QueueSettings(Section):
    """`[queue]`: validity, retries and the memory bounds of messages on their way."""

    validity_s: Seconds = 172_800
    retry: Listed[Seconds] = (5, 30, 120, 600, 1800, 3600)
    max_ready: Annotated[int, Field(ge=100, le=10_000_000)] = 10_000
    max_in_memory: Annotated[int, Field(ge=1000, le=100_000_000)] = 200_000
    max_uncommitted: Annotated[int, Field(ge=100, le=10_000_000)] = 50_000


class LogSettings(Section):
    """`[log]`: `message_log` None = no message log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    message_log: FilePath | None = None


class DrainSettings(Section):
    """`[drain]`: how long a stopping daemon waits for what is under way."""

    deadline_s: Seconds = 6


class CallbackSettings(Section):
    """`[callbacks]`: the status webhooks of customers."""

    allow_private: bool = False


class SecretsSettings(Section):
    """`[secrets]`: `key_file` is read at load; None = secrets in the store are not sealed."""

    key_file: Annotated[Secret, PlainValidator(_key_file)] | None = None

    @property
    def seal(self) -> bytes | None:
        """The 32 octets of the key, or None."""
        return bytes.fromhex(self.key_file.reveal()) if self.key_file else None


class DaemonSettings(Section):
    """All the tables above, and the keys that stand before the first table of a file."""

    trusted_proxies: Listed[Network] = ()
    listen: ListenSettings
    store: StoreSettings
    smpp: SmppSettings
    http: HttpSettings
    queue: QueueSettings
    log: LogSettings
    drain: DrainSettings
    callbacks: CallbackSettings
    hlr: HlrSettings
    secrets: SecretsSettings
