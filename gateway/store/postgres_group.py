"""A commit group in PostgreSQL: COPY for what is new, arrays through `unnest` for what changes.

One round trip per table, never one per row.  COPY has no ON CONFLICT, so it serves only the tables
whose keys are ours or the database's own.
"""

# ruff: noqa: S608 - statements are built from names of our own; values are parameters

from collections.abc import Sequence

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
from gateway.store.postgres_connection import Connection

# Column types as the arrays need them; what is not named here is a bigint.
_ARRAY_TYPES = {
    "was_state": "smallint",
    "state": "smallint",
    "money": "smallint",
    "provider_message_id": "text",
    "attempts": "integer",
    "error": "text",
    "notified": "smallint",
    "n": "smallint",
    "guarded": "boolean",
    "endpoint": "text",
    "key_digest": "bytea",
    "body_digest": "bytea",
    "status": "smallint",
    "body": "bytea",
    "sender": "text",
    "classes": "text",
}


def _unnest(columns: Sequence[str]) -> str:
    arrays = (f"${n}::{_ARRAY_TYPES.get(name, 'bigint')}[]" for n, name in enumerate(columns, 1))
    return f"unnest({', '.join(arrays)})"


def _replace(table: str, columns: Sequence[str], key_columns: int, condition: str = "") -> str:
    names, keys = ", ".join(columns), ", ".join(columns[:key_columns])
    assignments = ", ".join(f"{name} = excluded.{name}" for name in columns[key_columns:])
    return (
        f"INSERT INTO {table} ({names}) SELECT * FROM {_unnest(columns)}"
        f" ON CONFLICT ({keys}) DO UPDATE SET {assignments}{condition}"
    )


def _values(columns: Sequence[str]) -> str:
    return f"{_unnest(columns)} AS v ({', '.join(columns)})"


def _assigned(columns: Sequence[str]) -> str:
    return ", ".join(f"{name} = v.{name}" for name in columns)


_CHANGE_MESSAGE = (
    f"UPDATE message SET {_assigned(MessageChange._fields[2:])}"
    f" FROM {_values(MessageChange._fields)}"
    " WHERE message.key = v.key AND message.state = v.was_state"
)
_CHANGE_CREDIT = (
    "UPDATE account SET balance_micros = account.balance_micros + v.balance_micros,"
    " held_micros = account.held_micros + v.held_micros"
    f" FROM {_values(CreditChange._fields)}"
    " WHERE account.id = v.account_id AND (NOT v.guarded OR account.balance_micros"
    " + v.balance_micros - account.held_micros - v.held_micros >= account.limit_micros)"
    " RETURNING account.id, account.balance_micros"
)
_REPLACE_PART = _replace("part", PartChange._fields, 2)
_MARK_NOTIFIED = "UPDATE message SET notified = 2 WHERE notified = 1 AND key = ANY($1::bigint[])"
_REPLACE_ANSWER = _replace("idempotency", IdempotencyRow._fields, 3)
_UNPARK_RECEIPT = (
    "DELETE FROM parked_receipt USING"
    f" {_values(('provider_id', 'provider_message_id'))}"
    " WHERE parked_receipt.provider_id = v.provider_id"
    " AND parked_receipt.provider_message_id = v.provider_message_id"
)
# An intake of many recipients has its row already; no other state is ever written over.
_BEGIN_BULK = _replace("bulk", NewBulk._fields, 1, " WHERE bulk.state = 0")
_STEP_BULK = (
    f"UPDATE bulk SET {_assigned(BulkStep._fields[3:])} FROM {_values(BulkStep._fields)}"
    " WHERE bulk.key = v.key AND bulk.state = v.was_state AND bulk.fed_n = v.was_fed_n"
)
_CHANGE_RECIPIENT = (
    f"UPDATE bulk_recipient SET {_assigned(BulkRecipientChange._fields[2:])}"
    f" FROM {_values(BulkRecipientChange._fields)}"
    " WHERE bulk_recipient.bulk_key = v.bulk_key AND bulk_recipient.n = v.recipient_n"
)
_SUMS = ", ".join(f"{name} = bulk.{name} + v.{name}" for name in BulkCounts._fields[1:])
_COUNT_IN_BULK = (
    f"UPDATE bulk SET {_SUMS} FROM {_values(BulkCounts._fields)} WHERE bulk.key = v.key"
)


async def write_group(connection: Connection, group: CommitGroup) -> None:
    """Writes the rows of `group` inside the open transaction.

    Raises:
        CreditConflict: a guarded credit change would break a limit.
        StoreRejected: money lines that do not belong together.
        Exception: as asyncpg says; the engine translates it.
    """
    await _write_money(connection, group)
    await _write_messages(connection, group)
    await _write_rest(connection, group)


async def _write_money(connection: Connection, group: CommitGroup) -> None:
    balances: dict[int, int] = {}
    if group.credit:
        changes = group_checks.merged_credit(group.credit)
        rows = await connection.fetch(_CHANGE_CREDIT, *zip(*changes, strict=True))
        balances = {row[0]: row[1] for row in rows}
        group_checks.check_credit_taken(changes, balances)
    if group.ledger:
        lines = group_checks.ledger_rows(group.ledger, balances)
        await _copy(connection, "ledger", group_checks.LEDGER_COLUMNS, lines)


async def _write_messages(connection: Connection, group: CommitGroup) -> None:
    if group.new_batches:
        await _copy(connection, "batch", NewBatch._fields, group.new_batches)
    if group.new_messages:
        await _copy(connection, "message", NewMessage._fields, group.new_messages)
    if group.door_texts:
        await _copy(connection, "door_text", DoorText._fields, group.door_texts)
    if group.new_bulks or group.bulk_steps:
        await _write_bulks(connection, group)
    if group.message_changes:
        status = await _execute(connection, _CHANGE_MESSAGE, group.message_changes)
        group_checks.report_state_conflicts(group, changed_rows(status))
    if group.part_changes:
        await _execute(connection, _REPLACE_PART, group.part_changes)
    if group.notified_keys:
        await connection.execute(_MARK_NOTIFIED, group.notified_keys)


async def _write_bulks(connection: Connection, group: CommitGroup) -> None:
    if group.new_bulks:
        status = await _execute(connection, _BEGIN_BULK, group.new_bulks)
        group_checks.check_bulks(len(group.new_bulks), changed_rows(status))
    if group.new_bulk_recipients:
        columns = NewBulkRecipient._fields
        await _copy(connection, "bulk_recipient", columns, group.new_bulk_recipients)
    if group.bulk_steps:
        status = await _execute(connection, _STEP_BULK, group.bulk_steps)
        group_checks.check_bulks(len(group.bulk_steps), changed_rows(status))


async def _write_rest(connection: Connection, group: CommitGroup) -> None:
    if group.recipient_changes:
        await _execute(connection, _CHANGE_RECIPIENT, group.recipient_changes)
    if group.bulk_counts:
        await _execute(connection, _COUNT_IN_BULK, group.bulk_counts)
    if group.events:
        await _copy(connection, "event", MessageEvent._fields, group.events)
    if group.idempotency:
        await _execute(connection, _REPLACE_ANSWER, group.idempotency)
    if group.parked_receipts:
        await _copy(connection, "parked_receipt", ParkedReceipt._fields, group.parked_receipts)
    if group.matched_receipts:
        await _execute(connection, _UNPARK_RECEIPT, group.matched_receipts)
    if group.new_webhook_deliveries:
        columns = NewWebhookDelivery._fields
        await _copy(connection, "webhook_delivery", columns, group.new_webhook_deliveries)


def changed_rows(status: str) -> int:
    """The row count of a command tag: ``UPDATE 3`` is 3, ``CREATE TABLE`` is 0."""
    count = status.rpartition(" ")[2]
    return int(count) if count.isdigit() else 0


async def _copy(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]
) -> None:
    await connection.copy_records_to_table(table, records=rows, columns=columns)


async def _execute(connection: Connection, sql: str, rows: Sequence[Row]) -> str:
    return await connection.execute(sql, *zip(*rows, strict=True))
