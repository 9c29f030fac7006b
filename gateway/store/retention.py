"""Retention: what is finished and old goes, in small steps, and the sums stay checkable."""

# ruff: noqa: S608 - statements are built from names and numbers of our own

from gateway.domain.bulk import BulkState
from gateway.domain.lifecycle import FIRST_FINAL, MoneyState, Notified
from gateway.store.bulks import remove_recipients
from gateway.store.closing import Closing
from gateway.store.engine import Engine, Transaction
from gateway.store.webhook_deliveries import DeliveryState

# A message that is final and whose customer is owed nothing more, over SMPP or by webhook.
_FINISHED = (
    f"state >= {FIRST_FINAL:d} AND notified <> {Notified.PENDING:d} AND NOT EXISTS"
    f" (SELECT 1 FROM webhook_delivery WHERE message_key = key AND state = {DeliveryState.DUE:d})"
)
_LAST = (
    "SELECT max(key) FROM (SELECT key FROM message"
    f" WHERE key < ? AND {_FINISHED} ORDER BY key LIMIT ?) AS oldest"
)
# The ones found by _LAST are exactly the finished ones up to that key.
_CHOSEN = f"key <= ? AND {_FINISHED}"
_KEYS = f"SELECT key FROM message WHERE {_CHOSEN}"
_ADD_TOTALS = (
    "INSERT INTO purged_total (account_id, message_count, charged_micros)"
    " SELECT account_id, count(*), CAST(sum(CASE WHEN money ="
    f" {MoneyState.CHARGED:d} THEN charge_micros ELSE 0 END) AS bigint)"
    f" FROM message WHERE {_CHOSEN} GROUP BY account_id"
    " ON CONFLICT (account_id) DO UPDATE SET"
    " message_count = purged_total.message_count + excluded.message_count,"
    " charged_micros = purged_total.charged_micros + excluded.charged_micros"
)
_COUNT_IN_BATCHES = (
    "UPDATE batch SET purged_count = purged_count + gone.n FROM"
    f" (SELECT batch_key, count(*) AS n FROM message WHERE {_CHOSEN} AND batch_key IS NOT NULL"
    " GROUP BY batch_key) AS gone WHERE batch.key = gone.batch_key"
)

# A bulk of which every recipient has its end and every message is gone, its batch with them; one
# that was cancelled never had messages.
_OVER = (
    f"(state = {BulkState.RUNNING:d} AND pending = 0"
    " AND NOT EXISTS (SELECT 1 FROM batch WHERE batch.key = bulk.key)"
    f" OR state = {BulkState.CANCELLED:d})"
)
_OLD_BULKS = (
    f"SELECT key, state, recipients FROM bulk WHERE key < ? AND (state = {BulkState.INTAKE:d}"
    f" OR {_OVER}) ORDER BY key LIMIT ?"
)
_OLD_KEYS = f"SELECT key FROM bulk WHERE key <= ? AND {_OVER}"


class Retention:
    """`ports.Retention` and the housekeeping of the smaller tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._closing = Closing(engine)

    async def purge_finished(self, before_key: int, limit: int) -> int:
        """Removes up to `limit` final messages with keys below `before_key`; how many it removed.

        Their parts, events and webhook deliveries go with them, a batch with its last message.
        Their charges stay as sums per account.  A message whose customer is still to be notified
        stays.
        """
        async with self._engine.transaction() as transaction:
            last = (await transaction.fetch(_LAST, before_key, limit))[0][0]
            return 0 if last is None else await _purge_up_to(transaction, last)

    async def purge_bulks(self, before_key: int, limit: int) -> int:
        """Removes up to `limit` recipients of finished bulks begun before; returns how many.

        A bulk goes with its last recipient; one that is too large for one step is no bulk any more
        once the first has begun.  The answer is `limit` whenever there may be more.
        """
        async with self._engine.transaction() as transaction:
            old = await transaction.fetch(_OLD_BULKS, before_key, limit)
            removed = last = 0
            for key, state, recipients in old:
                if state == BulkState.INTAKE or removed + recipients > limit:
                    break
                removed, last = removed + recipients, key
            if last:
                await _purge_bulks_up_to(transaction, last)
                return removed if last == old[-1][0] and len(old) < limit else limit
            return await _purge_one_bulk(transaction, old[0][0], limit) if old else 0

    async def purge_answers(self, before_ms: int, limit: int) -> int:
        """Forgets up to `limit` stored answers of idempotent requests older than `before_ms`."""
        async with self._engine.transaction() as transaction:
            return await transaction.execute(
                "DELETE FROM idempotency WHERE (account_id, endpoint, key_digest) IN"
                " (SELECT account_id, endpoint, key_digest FROM idempotency"
                " WHERE at_ms < ? ORDER BY at_ms LIMIT ?)",
                before_ms,
                limit,
            )

    async def purge_parked_receipts(self, before_ms: int, limit: int) -> int:
        """Forgets up to `limit` receipts parked before `before_ms` whose message never came."""
        async with self._engine.transaction() as transaction:
            return await transaction.execute(
                "DELETE FROM parked_receipt WHERE id IN (SELECT id FROM parked_receipt"
                " WHERE at_ms < ? ORDER BY id LIMIT ?)",
                before_ms,
                limit,
            )

    async def close_ledger(self, before_ms: int, limit: int) -> int:
        """Looks at `limit` ledger lines older than `before_ms` and folds them day by day."""
        return await self._closing.fold(before_ms, limit)


async def _purge_bulks_up_to(transaction: Transaction, last_key: int) -> None:
    await transaction.execute(
        f"DELETE FROM bulk_recipient WHERE bulk_key IN ({_OLD_KEYS})", last_key
    )
    await transaction.execute(f"DELETE FROM batch WHERE key IN ({_OLD_KEYS})", last_key)
    await transaction.execute(f"DELETE FROM bulk WHERE key <= ? AND {_OVER}", last_key)


async def _purge_one_bulk(transaction: Transaction, key: int, limit: int) -> int:
    """A step of it; returns `limit`, because others may follow."""
    await transaction.execute("DELETE FROM batch WHERE key = ?", key)
    if await remove_recipients(transaction, key, limit) == limit:
        await transaction.execute(
            f"UPDATE bulk SET state = {BulkState.INTAKE:d} WHERE key = ?", key
        )
    else:
        await transaction.execute("DELETE FROM bulk WHERE key = ?", key)
    return limit


async def _purge_up_to(transaction: Transaction, last_key: int) -> int:
    await transaction.execute(_ADD_TOTALS, last_key)
    await transaction.execute(_COUNT_IN_BATCHES, last_key)
    await transaction.execute(
        f"DELETE FROM door_text WHERE key <= ? AND key IN ({_KEYS})", last_key, last_key
    )
    await transaction.execute(
        "DELETE FROM door_text WHERE key IN (SELECT key FROM batch WHERE purged_count"
        f" >= message_count AND key IN (SELECT batch_key FROM message WHERE {_CHOSEN}))",
        last_key,
    )
    await transaction.execute(
        "DELETE FROM batch WHERE purged_count >= message_count AND key IN"
        f" (SELECT batch_key FROM message WHERE {_CHOSEN})",
        last_key,
    )
    for table in ("part", "event", "webhook_delivery"):
        await transaction.execute(
            f"DELETE FROM {table} WHERE message_key <= ? AND message_key IN ({_KEYS})",
            last_key,
            last_key,
        )
    return await transaction.execute(f"DELETE FROM message WHERE {_CHOSEN}", last_key)
