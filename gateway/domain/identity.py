"""Rows of accounts, credentials, senders and providers, as a store gives them to the directory."""

from enum import IntEnum
from typing import NamedTuple


class Origin(IntEnum):
    """Where an object came from: that decides what a reload may do to it.  Values are stored."""

    FILE = 1  # declared in the configuration file; disabled when it is no longer there
    STORE = 2  # made by an operator's command


class CredentialKind(IntEnum):
    """Values are stored."""

    TOKEN = 1
    SMPP = 2
    KEY_PAIR = 3


class SenderState(IntEnum):
    """Values are stored."""

    PENDING = 0
    APPROVED = 1
    REJECTED = 2


class StoredAccount(NamedTuple):
    """A row of `account`."""

    id: int
    name: str
    currency: str
    balance_micros: int
    held_micros: int
    limit_micros: int
    opening_micros: int  # the credit applied when the account was made
    origin: Origin
    enabled: bool


class StoredCredential(NamedTuple):
    """A row of `credential`; `digest` and `password_hash` are None when the file has the secret."""

    id: int
    account_id: int
    kind: CredentialKind
    name: str
    digest: bytes | None
    password_hash: str | None
    settings: str  # JSON object
    origin: Origin
    enabled: bool


class StoredSender(NamedTuple):
    """A row of `sender`."""

    account_id: int
    name: str
    state: SenderState
    reason: str
    origin: Origin
    changed_at_ms: int


class StoredProvider(NamedTuple):
    """A row of `provider`."""

    id: int
    name: str
    origin: Origin
    enabled: bool
    paused: bool
