"""The demo's credentials: drawn once per data directory, the same at every start."""

import json
import secrets
import string
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gateway.domain.errors import ConfigurationError
from postern.private_file import write_private

FILE = "secrets.json"
# SMPP v3.4 5.2.2 allows 8 characters, and many clients insist on it.
SMPP_PASSWORD_LENGTH = 8
_CHARACTERS = string.ascii_letters + string.digits


def _draw(length: int) -> str:
    return "".join(secrets.choice(_CHARACTERS) for _ in range(length))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DemoSecrets:
    """The customers' keys, then those between the gateway and its simulated carriers."""

    token: str
    smpp_password: str
    mesms_key: str
    exotel_key: str
    exotel_token: str
    easysendsms_key: str
    smsc_password: str
    carrier_key: str
    callback_token: str


_MAKERS: dict[str, Callable[[], str]] = {
    "token": lambda: f"1|{_draw(40)}",  # the form of the vendor's own tokens
    "smpp_password": lambda: _draw(SMPP_PASSWORD_LENGTH),
    "mesms_key": lambda: _draw(40),
    "exotel_key": lambda: _draw(32),
    "exotel_token": lambda: _draw(40),
    "easysendsms_key": lambda: _draw(40),
    "smsc_password": lambda: _draw(SMPP_PASSWORD_LENGTH),
    "carrier_key": lambda: _draw(40),
    "callback_token": lambda: _draw(40),
}


def load_or_make(directory: Path) -> DemoSecrets:
    """The credentials kept in `directory`; what is missing is drawn and kept.

    Raises:
        ConfigurationError: the file is not what this function wrote.
        OSError: it cannot be read or written.
    """
    path = directory / FILE
    kept = _read(path)
    made = DemoSecrets(
        **{item.name: kept.get(item.name) or _MAKERS[item.name]() for item in fields(DemoSecrets)}
    )
    if asdict(made) != kept:
        write_private(path, json.dumps(asdict(made), indent=2) + "\n")
    return made


def _read(path: Path) -> dict[str, str]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        kept = None
    if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
        raise ConfigurationError(
            f"{path} does not hold the demo's credentials: delete it and new ones are made"
        )
    return kept
