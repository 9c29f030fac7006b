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
    """What the administrator says of a sender id.  Values are stored."""

    PENDING = 0
    APPROVED = 1
    REJECTED = 2


class SenderVerification(IntEnum):
    """What the provider says of a sender id; asked once it is approved.  Values are stored."""

    PENDING = 0
    VERIFIED = 1
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
    """A row of `sender`.  Times are UTC milliseconds, 0 = not yet.

    `is_default`: chosen through an API; `message_count`: messages ever accepted with it.
    """

    id: int
    account_id: int
    name: str
    state: SenderState
    verification: SenderVerification
    reason: str  # of the last decision, whoever made it
    origin: Origin
    is_default: bool
    message_count: int
    created_at_ms: int
    approved_at_ms: int
    verified_at_ms: int
    changed_at_ms: int

    @property
    def may_send(self) -> bool:
        """Whether both stages said yes."""
        return (
            self.state == SenderState.APPROVED and self.verification == SenderVerification.VERIFIED
        )


class StoredProvider(NamedTuple):
    """A row of `provider`."""

    id: int
    name: str
    origin: Origin
    enabled: bool
    paused: bool
