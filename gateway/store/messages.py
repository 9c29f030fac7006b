"""Reads of messages (`ports.MessageStore`): what recovery, the feeder, receipts and queries ask.

Every condition on `state` and `notified` repeats the words of a partial index, because SQLite uses
such an index only then.
"""

# ruff: noqa: S608 - statements are built from names of our own; values are parameters

from collections.abc import Sequence

from gateway.domain.commit_group import (
    MessageEvent,
    NewBatch,
    ParkedReceipt,
    StoredMessage,
    StoredPart,
)
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import PRIORITIES, IdempotencyKey, StoredAnswer
from gateway.domain.provider_id import canonical_id
from gateway.domain.receipt import AwaitedReceipt
from gateway.store.engine import Engine, Row, placeholders

# Content stands in the batch when the message has none of its own.
_CONTENT = frozenset(NewBatch._fields) & {"text", "octets", "data_coding", "esm_class", "tlvs"}
_COLUMNS = ", ".join(
    f"coalesce(m.{name}, b.{name})" if name in _CONTENT else f"m.{name}"
    for name in StoredMessage._fields[:-1]
)
_SELECT = f"SELECT {_COLUMNS} FROM message m LEFT JOIN batch b ON b.key = m.batch_key"
_STATE = StoredMessage._fields.index("state")
_PARTS_AT_ONCE = 500  # placeholders in one statement

_LAST_KEY = (
    "SELECT coalesce(max(last), 0) FROM"
    " (SELECT max(key) AS last FROM message UNION ALL SELECT max(key) FROM batch"
    " UNION ALL SELECT max(key) FROM bulk) AS keys"
)
# One index probe per account and class; DISTINCT would read every queued row.
_QUEUES = (
    f"WITH class (n) AS (VALUES {', '.join(f'({n})' for n in range(PRIORITIES))})"
    " SELECT a.id, class.n FROM account a CROSS JOIN class WHERE EXISTS (SELECT 1 FROM message m"
    " WHERE m.state = 0 AND m.account_id = a.id AND m.priority = class.n)"
    " ORDER BY a.id, class.n"
)
_QUEUED = (
    f"{_SELECT} WHERE m.state = 0 AND m.account_id = ? AND m.priority = ?"
    " AND (m.due_at_ms, m.key) > (?, ?) AND m.due_at_ms < ?"
    " ORDER BY m.due_at_ms, m.key LIMIT ?"
)
_NEXT_DUE = (
    "SELECT m.due_at_ms FROM message m WHERE m.state = 0 AND m.account_id = ? AND m.priority = ?"
    " AND (m.due_at_ms, m.key) > (?, ?) ORDER BY m.due_at_ms, m.key LIMIT 1"
)
# The unary plus keeps the inner query on the index of queued rows, which holds all it needs.
_EXPIRED = (
    f"{_SELECT} WHERE m.key IN (SELECT q.key FROM message q WHERE q.state = 0"
    " AND q.expires_at_ms > 0 AND q.expires_at_ms <= ? AND +q.key > ? ORDER BY +q.key LIMIT ?)"
    " ORDER BY m.key"
)
_IN_FLIGHT = (
    f"{_SELECT} WHERE m.state IN (1, 2) AND m.key > ? AND m.key <= ? ORDER BY m.key LIMIT ?"
)
# Not final, or UNKNOWN.
_MAY_MOVE = "(state < 10 OR state = 16)"
_HAS_ID = "provider_message_id <> ''"
_CANONICAL = "ltrim(lower(provider_message_id), '0')"  # `gateway.domain.provider_id.canonical_id`
_BY_PROVIDER_ID = (
    f"{_SELECT} WHERE (m.state < 10 OR m.state = 16) AND m.key IN ("
    f"SELECT key FROM message WHERE {_MAY_MOVE} AND {_HAS_ID}"
    f" AND provider_id = ? AND {_CANONICAL} IN ({{ids}})"
    f" UNION SELECT message_key FROM part WHERE {_MAY_MOVE} AND {_HAS_ID}"
    f" AND provider_id = ? AND {_CANONICAL} IN ({{ids}})) ORDER BY m.key"
)
_AWAITED = (
    f"SELECT {_CANONICAL}, key, provider_message_id, recipient, sent_at_ms FROM message"
    f" WHERE {_MAY_MOVE} AND {_HAS_ID} AND provider_id = ? AND state = 2"
    # The first condition is the index's, the second the page's.
    f" AND {_CANONICAL} >= ? AND ({_CANONICAL}, key) > (?, ?)"
    f" ORDER BY {_CANONICAL}, key LIMIT ?"
)
_OWED = (
    f"{_SELECT} WHERE m.notified = 1 AND m.credential_id = ? AND m.key > ? ORDER BY m.key LIMIT ?"
)


class Messages:
    """`ports.MessageStore` over either engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def next_key(self, after: int) -> int:
        """The least key of any message above `after`, 0 when there is none."""
        rows = await self._engine.fetch(
            "SELECT coalesce(min(key), 0) FROM message WHERE key > ?", after
        )
        key: int = rows[0][0]
        return key

    async def last_key(self) -> int:
        """The greatest key of any message, batch or bulk, 0 in an empty store."""
        rows = await self._engine.fetch(_LAST_KEY)
        key: int = rows[0][0]
        return key

    async def queues(self) -> list[tuple[int, int]]:
        """(account_id, priority) pairs that have QUEUED rows."""
        return [
            (account_id, priority) for account_id, priority in await self._engine.fetch(_QUEUES)
        ]

    async def queued(
        self, account_id: int, priority: int, after: tuple[int, int], due_before_ms: int, limit: int
    ) -> list[StoredMessage]:
        """QUEUED rows in order of (due_at_ms, key), past `after`, due before `due_before_ms`."""
        return await self._read(_QUEUED, account_id, priority, *after, due_before_ms, limit)

    async def next_due_ms(
        self, account_id: int, priority: int, after: tuple[int, int]
    ) -> int | None:
        """due_at_ms of the first QUEUED row past `after`, or None."""
        rows = await self._engine.fetch(_NEXT_DUE, account_id, priority, *after)
        return rows[0][0] if rows else None

    async def expired(self, now_ms: int, after_key: int, limit: int) -> list[StoredMessage]:
        """QUEUED rows whose expires_at_ms has passed, by key."""
        return await self._read(_EXPIRED, now_ms, after_key, limit)

    async def in_flight(self, from_key: int, to_key: int, limit: int) -> list[StoredMessage]:
        """ATTEMPTED or SENT rows with from_key < key <= to_key, by key."""
        return await self._read(_IN_FLIGHT, from_key, to_key, limit)

    async def by_provider_message_id(
        self, provider_id: int, ids: Sequence[str]
    ) -> list[StoredMessage]:
        """Rows (not final, or UNKNOWN) with one of `ids`, their own or a part's.

        Case and leading zeros do not count.
        """
        forms = sorted({canonical_id(id) for id in ids if id})
        if not forms:
            return []
        sql = _BY_PROVIDER_ID.replace("{ids}", placeholders(len(forms)))
        return await self._read(sql, provider_id, *forms, provider_id, *forms)

    async def awaited(
        self, provider_id: int, after: tuple[str, int], limit: int
    ) -> list[AwaitedReceipt]:
        """SENT rows of one provider that have its id, in order of the ids, past `after`.

        ("", 0) is before all of them.
        """
        rows = await self._engine.fetch(_AWAITED, provider_id, after[0], *after, limit)
        return [AwaitedReceipt((form, key), *rest) for form, key, *rest in rows]

    async def owed_notifications(
        self, credential_id: int, after_key: int, limit: int
    ) -> list[StoredMessage]:
        """Rows with notified = PENDING of one credential, by key."""
        return await self._read(_OWED, credential_id, after_key, limit)

    async def parked_receipts(self, limit: int) -> list[ParkedReceipt]:
        """The oldest parked receipts."""
        rows = await self._engine.fetch(
            "SELECT provider_id, provider_message_id, state, error, done_at_ms, at_ms"
            " FROM parked_receipt ORDER BY id LIMIT ?",
            limit,
        )
        return [ParkedReceipt(*row) for row in rows]

    async def message(self, key: int) -> StoredMessage | None:
        """One row, or None."""
        found = await self._read(f"{_SELECT} WHERE m.key = ?", key)
        return found[0] if found else None

    async def events(self, key: int) -> list[MessageEvent]:
        """The message's events, oldest first."""
        rows = await self._engine.fetch(
            "SELECT message_key, at_ms, kind, provider_id, detail FROM event"
            " WHERE message_key = ? ORDER BY id",
            key,
        )
        return [MessageEvent(*row) for row in rows]

    async def stored_answer(
        self, account_id: int, key: IdempotencyKey, since_ms: int
    ) -> StoredAnswer | None:
        """The stored answer of an idempotency key no older than `since_ms`, or None."""
        rows = await self._engine.fetch(
            "SELECT body_digest, status, body FROM idempotency"
            " WHERE account_id = ? AND endpoint = ? AND key_digest = ? AND at_ms >= ?",
            account_id,
            key.endpoint,
            key.key_digest,
            since_ms,
        )
        return StoredAnswer(*rows[0]) if rows else None

    async def _read(self, sql: str, *params: object) -> list[StoredMessage]:
        rows = await self._engine.fetch(sql, *params)
        parts = await self._parts(rows)
        return [
            StoredMessage._make(
                (
                    *row[:_STATE],
                    MessageState(row[_STATE]),
                    *row[_STATE + 1 :],
                    parts.get(row[0], ()),
                )
            )
            for row in rows
        ]

    async def _parts(self, rows: Sequence[Row]) -> dict[int, tuple[StoredPart, ...]]:
        """The part rows of those messages that have several, by message key."""
        part_count = StoredMessage._fields.index("part_count")
        keys = [row[0] for row in rows if row[part_count] > 1]
        found: dict[int, list[StoredPart]] = {}
        for at in range(0, len(keys), _PARTS_AT_ONCE):
            slice_ = keys[at : at + _PARTS_AT_ONCE]
            sql = (
                "SELECT message_key, n, provider_id, provider_message_id, state FROM part"
                f" WHERE message_key IN ({placeholders(len(slice_))}) ORDER BY message_key, n"
            )
            for message_key, *part in await self._engine.fetch(sql, *slice_):
                found.setdefault(message_key, []).append(StoredPart(*part))
        return {key: tuple(parts) for key, parts in found.items()}
