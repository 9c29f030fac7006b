"""Bulks and their recipients (`ports.BulkStore`): intake, what is to be fed, queries, removal.

Recipients of an intake come in by cold transactions of their own; what makes a bulk real, and
everything later, goes through commit groups.  Each condition on `state` repeats the words of a
partial index.
"""

# ruff: noqa: S608 - statements are built from names and numbers of our own

from collections.abc import Collection, Sequence

from gateway.domain.bulk import BulkState, RecipientState
from gateway.domain.bulk_rows import (
    NewBulk,
    NewBulkRecipient,
    StoredBulk,
    StoredRecipient,
    UnfedRecipient,
)
from gateway.ports import BulkChoice
from gateway.store.engine import Engine, Transaction, placeholders

MOST_SCANNED = 10_000  # recipient rows one page of a query looks at

_COLUMNS = ", ".join(f"k.{name}" for name in StoredBulk._fields[:-1])
_SELECT = f"SELECT {_COLUMNS}, coalesce(b.text, '') FROM bulk k LEFT JOIN batch b ON b.key = k.key"
# Those of which some message left and is not known to have failed.
_GOOD = "k.delivered + k.handed_over + k.unknown"
_CHOSEN = {
    BulkChoice.ALL: "k.state > 0",
    BulkChoice.SCHEDULED: "k.state > 0 AND k.state = 1",
    BulkChoice.CANCELLED: "k.state > 0 AND k.state = 3",
    BulkChoice.PENDING: "k.state > 0 AND k.state = 2 AND k.pending > 0",
    BulkChoice.SENT: f"k.state > 0 AND k.state = 2 AND k.pending = 0 AND {_GOOD} > 0",
    BulkChoice.FAILED: f"k.state > 0 AND k.state = 2 AND k.pending = 0 AND {_GOOD} = 0",
}
_UNFED = f"{_SELECT} WHERE k.state = 2 AND k.fed_n < k.recipients ORDER BY k.key"
_DUE = f"{_SELECT} WHERE k.state = 1 AND k.due_at_ms <= ? ORDER BY k.due_at_ms LIMIT ?"
_NEXT_DUE = "SELECT min(due_at_ms) FROM bulk WHERE state = 1"
_PAGE = (
    "SELECT n, recipient, price_class FROM bulk_recipient"
    " WHERE bulk_key = ? AND n > ? AND state = 0 ORDER BY n LIMIT ?"
)
# Numbers have no gaps, so a range of them bounds the rows that are looked at.
_RECIPIENTS = (
    "SELECT n, recipient, state, changed_at_ms FROM bulk_recipient"
    " WHERE bulk_key = ? AND n > ? AND n <= ?{wanted} ORDER BY n LIMIT ?"
)
_FIRST_LEFT = "SELECT n FROM bulk_recipient WHERE bulk_key = ? ORDER BY n LIMIT 1"


class Bulks:
    """`ports.BulkStore` over either engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # -- intake ----------------------------------------------------------------------------------

    async def take_in(self, rows: Sequence[NewBulkRecipient], intake: NewBulk | None) -> None:
        """Writes recipients of an intake; with the first ones, its own row."""
        async with self._engine.transaction() as transaction:
            if intake is not None:
                await transaction.insert("bulk", NewBulk._fields, [intake])
            await transaction.insert("bulk_recipient", NewBulkRecipient._fields, rows)

    async def intakes(self, before_key: int) -> Sequence[int]:
        """Keys below `before_key` of intakes that were never committed, or wait to be deleted."""
        rows = await self._engine.fetch(
            "SELECT key FROM bulk WHERE state = 0 AND key < ? ORDER BY key", before_key
        )
        return [row[0] for row in rows]

    async def remove_intake(self, key: int, limit: int) -> bool:
        """Removes up to `limit` recipients of an intake; whether nothing of it is left.

        A bulk that has been committed meanwhile stays as it is.
        """
        async with self._engine.transaction() as transaction:
            rows = await transaction.fetch("SELECT state FROM bulk WHERE key = ?", key)
            if not rows or rows[0][0] != BulkState.INTAKE:
                return True
            if await remove_recipients(transaction, key, limit) == limit:
                return False
            await transaction.execute("DELETE FROM bulk WHERE key = ?", key)
        return True

    # -- feeding ---------------------------------------------------------------------------------

    async def unfed(self) -> Sequence[StoredBulk]:
        """Running bulks whose messages have not all been made, oldest first."""
        return [StoredBulk._make(row) for row in await self._engine.fetch(_UNFED)]

    async def due(self, now_ms: int, limit: int) -> Sequence[StoredBulk]:
        """Scheduled bulks whose time has come."""
        return [StoredBulk._make(row) for row in await self._engine.fetch(_DUE, now_ms, limit)]

    async def next_due_ms(self) -> int | None:
        """When the next scheduled bulk is due, or None."""
        due_ms: int | None = (await self._engine.fetch(_NEXT_DUE))[0][0]
        return due_ms

    async def pending_recipients(
        self, key: int, after_n: int, limit: int
    ) -> Sequence[UnfedRecipient]:
        """The next recipients to make messages of, in order."""
        rows = await self._engine.fetch(_PAGE, key, after_n, limit)
        return [UnfedRecipient._make(row) for row in rows]

    # -- queries ---------------------------------------------------------------------------------

    async def bulk(self, key: int) -> StoredBulk | None:
        """One bulk, or None; an intake is none."""
        rows = await self._engine.fetch(f"{_SELECT} WHERE k.key = ? AND k.state > 0", key)
        return StoredBulk._make(rows[0]) if rows else None

    async def list(
        self, account_id: int, chosen: BulkChoice, offset: int, limit: int
    ) -> tuple[Sequence[StoredBulk], int]:
        """Those of an account past `offset`, newest first, and how many there are in all."""
        condition = f"WHERE k.account_id = ? AND {_CHOSEN[chosen]}"
        count = await self._engine.fetch(f"SELECT count(*) FROM bulk k {condition}", account_id)
        rows = await self._engine.fetch(
            f"{_SELECT} {condition} ORDER BY k.key DESC LIMIT ? OFFSET ?", account_id, limit, offset
        )
        return [StoredBulk._make(row) for row in rows], count[0][0]

    async def recipients(
        self, key: int, after_n: int, states: Collection[RecipientState], limit: int
    ) -> Sequence[StoredRecipient]:
        """Up to `limit` of those numbered past `after_n` in one of `states` (none = all), in order.

        Looks at the next `MOST_SCANNED` numbers only.
        """
        wanted = f" AND state IN ({placeholders(len(states))})" if states else ""
        rows = await self._engine.fetch(
            _RECIPIENTS.format(wanted=wanted),
            key,
            after_n,
            after_n + MOST_SCANNED,
            *(int(state) for state in states),
            limit,
        )
        return [StoredRecipient._make(row) for row in rows]


async def remove_recipients(transaction: Transaction, key: int, limit: int) -> int:
    """Removes up to `limit` recipients of one bulk, first ones first; returns how many."""
    rows = await transaction.fetch(_FIRST_LEFT, key)
    if not rows:
        return 0
    return await transaction.execute(
        "DELETE FROM bulk_recipient WHERE bulk_key = ? AND n < ?", key, rows[0][0] + limit
    )
