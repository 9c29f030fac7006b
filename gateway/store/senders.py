"""Sender ids: asked for, approved, verified; and how many messages each was used for.

The count costs the hot path nothing: messages reach the disk in the order of their keys, so what
was accepted since the last count is what lies above the key it ended at.
"""

# ruff: noqa: S608 - statements are built from names of our own; values are parameters

from gateway.domain.identity import Origin, SenderState, SenderVerification, StoredSender
from gateway.store.engine import Engine, Row

_COLUMNS = ", ".join(StoredSender._fields)
_MAY_SEND = f"state = {SenderState.APPROVED:d} AND verification = {SenderVerification.VERIFIED:d}"
# In DO UPDATE the bare names are the row as it was.
_SET = (
    "INSERT INTO sender (account_id, name, state, verification, reason, origin, created_at_ms,"
    " approved_at_ms, verified_at_ms, changed_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (account_id, name) DO UPDATE SET state = excluded.state,"
    " verification = excluded.verification, reason = excluded.reason, origin = excluded.origin,"
    f" is_default = CASE WHEN excluded.state = {SenderState.APPROVED:d}"
    f" AND excluded.verification = {SenderVerification.VERIFIED:d}"
    " THEN sender.is_default ELSE 0 END,"
    " approved_at_ms = CASE WHEN excluded.approved_at_ms = 0 OR sender.approved_at_ms = 0"
    " THEN excluded.approved_at_ms ELSE sender.approved_at_ms END,"
    " verified_at_ms = CASE WHEN excluded.verified_at_ms = 0 OR sender.verified_at_ms = 0"
    " THEN excluded.verified_at_ms ELSE sender.verified_at_ms END,"
    " changed_at_ms = excluded.changed_at_ms"
)
_REQUEST = (
    "INSERT INTO sender (account_id, name, state, verification, origin, created_at_ms,"
    f" changed_at_ms) VALUES (?, ?, {SenderState.PENDING:d}, {SenderVerification.PENDING:d},"
    f" {Origin.STORE:d}, ?, ?) ON CONFLICT (account_id, name) DO NOTHING RETURNING {_COLUMNS}"
)
_SINCE = "(SELECT account_id, sender, key FROM message WHERE key > ? ORDER BY key LIMIT ?) AS since"


class Senders:
    """`ports.SenderStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def load_senders(self, account_id: int | None = None) -> list[StoredSender]:
        """The senders of one account or of all, whatever their state, by account and id."""
        where, values = ("", ()) if account_id is None else (" WHERE account_id = ?", (account_id,))
        rows = await self._engine.fetch(
            f"SELECT {_COLUMNS} FROM sender{where} ORDER BY account_id, id", *values
        )
        return [_sender(row) for row in rows]

    async def set_sender(
        self,
        account_id: int,
        name: str,
        state: SenderState,
        verification: SenderVerification,
        reason: str,
        origin: Origin,
        at_ms: int,
    ) -> None:
        """Makes or changes the account's sender `name`.

        The times of approval and verification are those of the first yes since the last no.  One
        that may no longer send is no default any more.
        """
        async with self._engine.transaction() as transaction:
            await transaction.execute(
                _SET,
                account_id,
                name,
                int(state),
                int(verification),
                reason,
                int(origin),
                at_ms,
                at_ms if state == SenderState.APPROVED else 0,
                at_ms if verification == SenderVerification.VERIFIED else 0,
                at_ms,
            )

    async def request_sender(self, account_id: int, name: str, at_ms: int) -> StoredSender | None:
        """A new sender that awaits both stages; None when the account has one of that name."""
        async with self._engine.transaction() as transaction:
            rows = await transaction.fetch(_REQUEST, account_id, name, at_ms, at_ms)
        return _sender(rows[0]) if rows else None

    async def make_default(self, account_id: int, sender_id: int) -> bool:
        """Makes it the account's only default; False, and nothing changes, when it may not send."""
        async with self._engine.transaction() as transaction:
            changed = await transaction.execute(
                f"UPDATE sender SET is_default = 1 WHERE id = ? AND account_id = ? AND {_MAY_SEND}",
                sender_id,
                account_id,
            )
            if changed:
                await transaction.execute(
                    "UPDATE sender SET is_default = 0"
                    " WHERE account_id = ? AND is_default = 1 AND id <> ?",
                    account_id,
                    sender_id,
                )
        return changed == 1

    async def delete_sender(self, sender_id: int) -> bool:
        """Removes one that was never used; False when it was, or is gone."""
        async with self._engine.transaction() as transaction:
            deleted = await transaction.execute(
                "DELETE FROM sender WHERE id = ? AND message_count = 0", sender_id
            )
        return deleted == 1

    async def count_messages(self, limit: int) -> int:
        """Counts up to `limit` messages that are not counted yet; how many it looked at.

        Two that run at the same time count nothing twice: the second finds the first one's mark.
        """
        [(counted_key,)] = await self._engine.fetch("SELECT message_key FROM sender_count")
        used = await self._engine.fetch(
            f"SELECT account_id, sender, count(*), max(key) FROM {_SINCE}"
            " GROUP BY account_id, sender",
            counted_key,
            limit,
        )
        if used:
            await self._add(used, counted_key)
        return sum(count for _, _, count, _ in used)

    async def _add(self, used: list[Row], counted_key: int) -> None:
        async with self._engine.transaction() as transaction:
            is_first = await transaction.execute(
                "UPDATE sender_count SET message_key = ? WHERE message_key = ?",
                max(last_key for _, _, _, last_key in used),
                counted_key,
            )
            for account_id, name, count, _ in used if is_first else ():
                await transaction.execute(
                    "UPDATE sender SET message_count = message_count + ?"
                    " WHERE account_id = ? AND name = ?",
                    count,
                    account_id,
                    name,
                )


def _sender(row: Row) -> StoredSender:
    id, account_id, name, state, verification, reason, origin, is_default, *rest = row
    return StoredSender(
        id,
        account_id,
        name,
        SenderState(state),
        SenderVerification(verification),
        reason,
        Origin(origin),
        bool(is_default),
        *rest,
    )
