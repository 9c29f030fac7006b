"""The one vocabulary of refusals.

    Refusal           a value: admission said no; nothing was charged, nothing was stored
      RefusalCode     the closed set of reasons; every wire has one table over all of them
    GatewayError      an exception of ours
      StoreUnavailable   the store cannot take writes or answer reads now; try again later
      StoreRejected      the store refuses this very content, for ever
      CreditConflict     a guarded credit change would break an account's limit
      ConfigurationError objects that contradict each other

`Refusal.code` is stable, the public text bland, the private `reason` for log and timeline only.
"""

from enum import StrEnum
from typing import final


class RefusalCode(StrEnum):
    """Why a submission was not accepted."""

    SENDER_NOT_ALLOWED = "sender_not_allowed"
    SENDER_INVALID = "sender_invalid"
    RECIPIENT_INVALID = "recipient_invalid"
    RECIPIENT_BLOCKED = "recipient_blocked"
    TEXT_INVALID = "text_invalid"
    TEXT_EMPTY = "text_empty"
    TEXT_TOO_LONG = "text_too_long"
    SCHEDULE_INVALID = "schedule_invalid"
    VALIDITY_INVALID = "validity_invalid"
    NO_ROUTE = "no_route"
    NO_PRICE = "no_price"
    NO_CREDIT = "no_credit"
    RATE_EXCEEDED = "rate_exceeded"
    ACCOUNT_DISABLED = "account_disabled"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    IDEMPOTENCY_RUNNING = "idempotency_running"
    BUSY = "busy"  # the commit queue is full: back-pressure, try again at once
    STOPPING = "stopping"
    STORE_UNAVAILABLE = "store_unavailable"


TEMPORARY = frozenset(
    {
        RefusalCode.RATE_EXCEEDED,
        RefusalCode.IDEMPOTENCY_RUNNING,
        RefusalCode.BUSY,
        RefusalCode.STOPPING,
        RefusalCode.STORE_UNAVAILABLE,
    }
)


@final
class Refusal:
    """Admission's no.  `reason` is private; `index` names the recipient of a batch it is about."""

    __slots__ = ("code", "index", "reason")

    def __init__(self, code: RefusalCode, reason: str = "", index: int | None = None) -> None:
        self.code = code
        self.reason = reason
        self.index = index

    def __repr__(self) -> str:
        return f"Refusal({self.code}, {self.reason!r})"


class GatewayError(Exception):
    """Root of the heart's exceptions."""


class StoreUnavailable(GatewayError):
    """The store cannot be reached or cannot write now (disk full, read-only, connection lost)."""


class StoreRejected(GatewayError):
    """The store refuses the content of one row; trying again cannot help."""


class CreditConflict(GatewayError):
    """The rows of these accounts moved under us: their members of the group are decided again."""

    def __init__(self, account_ids: frozenset[int]) -> None:
        super().__init__(f"credit conflict for accounts {sorted(account_ids)}")
        self.account_ids = account_ids


class ConfigurationError(GatewayError):
    """Declared objects contradict each other or the store."""
