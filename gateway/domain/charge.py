"""What is paid for other things than single messages: number queries, the price of a whole bulk."""

from typing import final

from gateway.domain.account import Account, Door
from gateway.domain.bulk_rows import BulkRows
from gateway.domain.commit_group import LedgerKind


@final
class Charge:
    """One move of an account's money that stands for itself, or one step of a bulk.

    `balance_micros` and `held_micros` are signed, and reserved in memory by whoever makes it, as
    admission does.  `message_count` and `note` go to the ledger line, which is written when the
    balance moves.  `key` is unique among the keys of messages and batches; that of a bulk is the
    bulk's.  `bulk` is written with it.
    """

    __slots__ = (
        "account", "balance_micros", "bulk", "door", "held_micros", "key", "kind",
        "message_count", "note",
    )  # fmt: skip

    def __init__(
        self,
        key: int,
        account: Account,
        door: Door,
        kind: LedgerKind,
        balance_micros: int,
        held_micros: int = 0,
        *,
        message_count: int = 0,
        note: str = "",
        bulk: BulkRows | None = None,
    ) -> None:
        self.key = key
        self.account = account
        self.door = door
        self.kind = kind
        self.balance_micros = balance_micros
        self.held_micros = held_micros
        self.message_count = message_count
        self.note = note
        self.bulk = bulk

    @property
    def spends(self) -> bool:
        """Whether less is available after it."""
        return self.balance_micros < self.held_micros

    @property
    def begun_count(self) -> int:
        """Messages that are accepted with it: those of a bulk that begins."""
        return 0 if self.bulk is None or self.bulk.bulk is None else self.bulk.bulk.valid

    @property
    def is_asked_for(self) -> bool:
        """Whether a customer waits for it; a step of a bulk is the gateway's own doing."""
        return self.bulk is None or self.bulk.bulk is not None
