"""The ledger: an append-only line for every move of a balance.

Commit groups write the charges and refunds of messages.  What an operator does (top-up, adjustment)
goes through here, line and account row in one transaction.
"""

# ruff: noqa: S608 - statements are built from names and numbers of our own

from typing import NamedTuple

from gateway.domain.commit_group import LedgerKind
from gateway.domain.errors import CreditConflict, StoreRejected
from gateway.store.audit import LedgerAudit, differences_of
from gateway.store.engine import Engine, Transaction


class LedgerEntry(NamedTuple):
    """A row of `ledger`, as a statement shows it; `balance_micros` is the balance after it."""

    id: int
    kind: LedgerKind
    amount_micros: int
    message_count: int
    at_ms: int
    note: str
    balance_micros: int


class Ledger:
    """Top-ups and statements."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def top_up(self, account_id: int, amount_micros: int, note: str, at_ms: int) -> int:
        """Adds to a balance, or takes from it when negative; returns the new balance.

        Raises:
            ValueError: the amount is 0.
            CreditConflict: taking it would leave less than the account's limit available.
            StoreRejected: there is no such account.
        """
        if amount_micros == 0:
            raise ValueError("an amount of 0 moves nothing")
        async with self._engine.transaction() as transaction:
            rows = await transaction.fetch(
                "UPDATE account SET balance_micros = balance_micros + ? WHERE id = ?"
                " AND (balance_micros - held_micros + ? >= limit_micros OR ? = 1)"
                " RETURNING balance_micros",
                amount_micros,
                account_id,
                amount_micros,
                int(amount_micros > 0),
            )
            if not rows:
                await _explain_refusal(transaction, account_id)
            balance_micros: int = rows[0][0]
            kind = LedgerKind.TOP_UP if amount_micros > 0 else LedgerKind.ADJUSTMENT
            await add_line(
                transaction, account_id, kind, amount_micros, at_ms, note, balance_micros
            )
        return balance_micros

    async def statement(
        self, account_id: int, before_id: int | None, limit: int
    ) -> list[LedgerEntry]:
        """The newest lines, or those before line `before_id`; newest first."""
        before = ("", ()) if before_id is None else (" AND id < ?", (before_id,))
        rows = await self._engine.fetch(
            "SELECT id, kind, amount_micros, message_count, at_ms, note, balance_micros FROM ledger"
            f" WHERE account_id = ?{before[0]} ORDER BY id DESC LIMIT ?",
            account_id,
            *before[1],
            limit,
        )
        return [LedgerEntry(row[0], LedgerKind(row[1]), *row[2:]) for row in rows]

    async def verify(self) -> list[str]:
        """Compares every account with its ledger lines and its messages; one text per difference.

        Reads both tables whole while the writer waits: for stores that nobody uses.  An operator
        asks `postern ledger verify`, which reads a snapshot.
        """
        async with self._engine.transaction() as transaction:
            return differences_of(await LedgerAudit(transaction.fetch).run())


async def add_line(
    transaction: Transaction,
    account_id: int,
    kind: LedgerKind,
    amount_micros: int,
    at_ms: int,
    note: str,
    balance_micros: int,
) -> None:
    """Writes one line about no message; `balance_micros` is the account's balance after it."""
    await transaction.execute(
        "INSERT INTO ledger"
        " (account_id, kind, amount_micros, message_count, at_ms, note, balance_micros)"
        " VALUES (?, ?, ?, 0, ?, ?, ?)",
        account_id,
        int(kind),
        amount_micros,
        at_ms,
        note,
        balance_micros,
    )


async def _explain_refusal(transaction: Transaction, account_id: int) -> None:
    if not await transaction.fetch("SELECT id FROM account WHERE id = ?", account_id):
        raise StoreRejected(f"there is no account {account_id}")
    raise CreditConflict(frozenset({account_id}))
