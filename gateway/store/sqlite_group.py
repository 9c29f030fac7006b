"""A commit group in SQLite: multi-row statements in a few sizes.

One statement for many rows crosses into C once; `executemany` releases and retakes the interpreter
lock for every row and starves beside a busy event loop, and so, to a lesser degree, does every
further statement.  The sizes keep the number of different statements small enough for the
connection's statement cache; updates are filled up to the next size with a key that no row has, so
that one statement does them all.  Runs on the writer thread.
"""

# ruff: noqa: S608 - statements are built from names of our own; values are parameters

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain

from gateway.domain.bulk_rows import (
    BulkCounts,
    BulkRecipientChange,
    BulkStep,
    NewBulk,
    NewBulkRecipient,
)
from gateway.domain.commit_group import (
    CommitGroup,
    CreditChange,
    DoorText,
    IdempotencyRow,
    MessageChange,
    MessageEvent,
    NewBatch,
    NewMessage,
    NewWebhookDelivery,
    ParkedReceipt,
    PartChange,
)
from gateway.store import group_checks
from gateway.store.engine import Row

# A compiled statement stays in memory with some 500 octets for each value: all sizes of all of them
# are 8 MB, and several times that when the largest has 512 rows.
_SIZES = (256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
# Every statement in every size, and room for the cold ones.
CACHED_STATEMENTS = 512
_NO_KEY = -1


class MultiRow:
    """One statement for any number of rows: `head`, the rows' placeholders, `tail`.

    `fill`: rows may be filled up with rows whose first column is a key that does not exist.
    """

    __slots__ = ("_fill", "_statements")

    def __init__(self, head: str, columns: int, tail: str = "", *, fill: bool = False) -> None:
        row = f"({', '.join('?' * columns)})"
        self._statements = tuple((n, f"{head} {', '.join([row] * n)}{tail}") for n in _SIZES)
        self._fill = [_NO_KEY, *[None] * (columns - 1)] if fill else None

    def run(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
        """Executes it for `rows`; returns the number of rows changed."""
        return sum(connection.execute(sql, values).rowcount for sql, values in self._cut(rows))

    def fetch(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> list[Row]:
        """Executes it for `rows`; returns what its RETURNING clause yields."""
        returned: list[Row] = []
        for sql, values in self._cut(rows):
            returned += connection.execute(sql, values).fetchall()
        return returned

    def _cut(self, rows: Sequence[Row]) -> Iterator[tuple[str, list[object]]]:
        at, end = 0, len(rows)
        larger: tuple[int, str] | None = None
        for size, sql in self._statements:
            if self._fill is not None and larger is not None and size < end - at:
                yield (
                    larger[1],
                    [*chain.from_iterable(rows[at:]), *self._fill * (larger[0] + at - end)],
                )
                return
            while end - at >= size:
                yield sql, list(chain.from_iterable(rows[at : at + size]))
                at += size
            larger = (size, sql)


@lru_cache
def insertion(table: str, columns: Sequence[str], tail: str = "") -> MultiRow:
    """The statement that inserts rows of these columns."""
    return MultiRow(f"INSERT INTO {table} ({', '.join(columns)}) VALUES", len(columns), tail)


def _replace(table: str, columns: Sequence[str], key_columns: int, condition: str = "") -> MultiRow:
    keys, others = columns[:key_columns], columns[key_columns:]
    assignments = ", ".join(f"{name} = excluded.{name}" for name in others)
    return insertion(
        table, columns, f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {assignments}{condition}"
    )


def _assigned(columns: Sequence[str], key_columns: int) -> str:
    # A VALUES list in FROM calls its columns column1, column2, ...
    return ", ".join(
        f"{name} = v.column{n}" for n, name in enumerate(columns, 1) if n > key_columns
    )


_CHANGE_MESSAGE = MultiRow(
    f"UPDATE message SET {_assigned(MessageChange._fields, 2)} FROM (VALUES",
    len(MessageChange._fields),
    ") AS v WHERE message.key = v.column1 AND message.state = v.column2",
    fill=True,
)
_CHANGE_CREDIT = MultiRow(
    "UPDATE account SET balance_micros = balance_micros + v.column2,"
    " held_micros = held_micros + v.column3 FROM (VALUES",
    len(CreditChange._fields),
    ") AS v WHERE account.id = v.column1 AND (v.column4 = 0"
    " OR balance_micros + v.column2 - held_micros - v.column3 >= limit_micros)"
    " RETURNING account.id, balance_micros",
)
_INSERT_LEDGER = insertion("ledger", group_checks.LEDGER_COLUMNS)
_INSERT_BATCH = insertion("batch", NewBatch._fields)
_INSERT_DOOR_TEXT = insertion("door_text", DoorText._fields)
_INSERT_MESSAGE = insertion("message", NewMessage._fields)
_REPLACE_PART = _replace("part", PartChange._fields, 2)
_MARK_NOTIFIED = MultiRow(
    "UPDATE message SET notified = 2 WHERE notified = 1 AND key IN (VALUES", 1, ")", fill=True
)
_INSERT_EVENT = insertion("event", MessageEvent._fields)
_REPLACE_ANSWER = _replace("idempotency", IdempotencyRow._fields, 3)
_PARK_RECEIPT = insertion("parked_receipt", ParkedReceipt._fields)
_UNPARK_RECEIPT = MultiRow(
    "DELETE FROM parked_receipt WHERE (provider_id, provider_message_id) IN (VALUES", 2, ")"
)
_INSERT_DELIVERY = insertion("webhook_delivery", NewWebhookDelivery._fields)
# An intake of many recipients has its row already; no other state is ever written over.
_BEGIN_BULK = _replace("bulk", NewBulk._fields, 1, " WHERE bulk.state = 0")
_INSERT_RECIPIENT = insertion("bulk_recipient", NewBulkRecipient._fields)
_STEP_BULK = MultiRow(
    f"UPDATE bulk SET {_assigned(BulkStep._fields, 3)} FROM (VALUES",
    len(BulkStep._fields),
    ") AS v WHERE bulk.key = v.column1 AND bulk.state = v.column2 AND bulk.fed_n = v.column3",
    fill=True,
)
_CHANGE_RECIPIENT = MultiRow(
    f"UPDATE bulk_recipient SET {_assigned(BulkRecipientChange._fields, 2)} FROM (VALUES",
    len(BulkRecipientChange._fields),
    ") AS v WHERE bulk_recipient.bulk_key = v.column1 AND bulk_recipient.n = v.column2",
    fill=True,
)
_SUMS = ", ".join(
    f"{name} = {name} + v.column{n}" for n, name in enumerate(BulkCounts._fields, 1) if n > 1
)
_COUNT_IN_BULK = MultiRow(
    f"UPDATE bulk SET {_SUMS} FROM (VALUES",
    len(BulkCounts._fields),
    ") AS v WHERE bulk.key = v.column1",
    fill=True,
)
# SQLite writes no page whose content stays the same.
_PROBE = "UPDATE write_probe SET at_ms = max(at_ms + 1, strftime('%s', 'now') * 1000)"


def write_group(group: CommitGroup, connection: sqlite3.Connection) -> None:
    """Writes `group` in one transaction, or nothing.

    One that changes nothing writes a row all the same: it asks whether the disk takes writes.

    Raises:
        CreditConflict: a guarded credit change would break a limit.
        StoreRejected: money lines that do not belong together.
        sqlite3.Error: as SQLite says; the engine translates it.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        before = connection.total_changes
        _write_money(connection, group)
        _write_messages(connection, group)
        _write_rest(connection, group)
        if connection.total_changes == before:
            connection.execute(_PROBE)
        commit(connection)
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back when the disk is full
            connection.execute("ROLLBACK")
        raise


def commit(connection: sqlite3.Connection) -> None:
    """Ends the open transaction: on disk, or undone for good.

    When the sync fails, the log has the whole transaction all the same, and a crash would bring it
    back after its customers were refused.  The next transaction is written in its place: so there
    is one at once.

    Raises:
        sqlite3.Error: it is undone.
    """
    try:
        connection.execute("COMMIT")
    except sqlite3.Error:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_PROBE)
            connection.execute("COMMIT")
        raise


def _write_money(connection: sqlite3.Connection, group: CommitGroup) -> None:
    balances: dict[int, int] = {}
    if group.credit:
        changes = group_checks.merged_credit(group.credit)
        balances = dict(_CHANGE_CREDIT.fetch(connection, changes))
        group_checks.check_credit_taken(changes, balances)
    if group.ledger:
        _INSERT_LEDGER.run(connection, group_checks.ledger_rows(group.ledger, balances))


def _write_messages(connection: sqlite3.Connection, group: CommitGroup) -> None:
    if group.new_batches:
        _INSERT_BATCH.run(connection, group.new_batches)
    if group.new_messages:
        _INSERT_MESSAGE.run(connection, group.new_messages)
    if group.door_texts:
        _INSERT_DOOR_TEXT.run(connection, group.door_texts)
    if group.new_bulks or group.bulk_steps:
        _write_bulks(connection, group)
    if group.message_changes:
        changed = _CHANGE_MESSAGE.run(connection, group.message_changes)
        group_checks.report_state_conflicts(group, changed)
    if group.part_changes:
        _REPLACE_PART.run(connection, group.part_changes)
    if group.notified_keys:
        _MARK_NOTIFIED.run(connection, [(key,) for key in group.notified_keys])


def _write_bulks(connection: sqlite3.Connection, group: CommitGroup) -> None:
    if group.new_bulks:
        changed = _BEGIN_BULK.run(connection, group.new_bulks)
        group_checks.check_bulks(len(group.new_bulks), changed)
    if group.new_bulk_recipients:
        _INSERT_RECIPIENT.run(connection, group.new_bulk_recipients)
    if group.bulk_steps:
        changed = _STEP_BULK.run(connection, group.bulk_steps)
        group_checks.check_bulks(len(group.bulk_steps), changed)


def _write_rest(connection: sqlite3.Connection, group: CommitGroup) -> None:
    if group.recipient_changes:
        _CHANGE_RECIPIENT.run(connection, group.recipient_changes)
    if group.bulk_counts:
        _COUNT_IN_BULK.run(connection, group.bulk_counts)
    if group.events:
        _INSERT_EVENT.run(connection, group.events)
    if group.idempotency:
        _REPLACE_ANSWER.run(connection, group.idempotency)
    if group.parked_receipts:
        _PARK_RECEIPT.run(connection, group.parked_receipts)
    if group.matched_receipts:
        _UNPARK_RECEIPT.run(connection, group.matched_receipts)
    if group.new_webhook_deliveries:
        _INSERT_DELIVERY.run(connection, group.new_webhook_deliveries)
