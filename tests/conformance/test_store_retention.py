"""Removal of what is finished and old; the sums stay checkable."""

from gateway.domain.commit_group import (
    EventKind,
    IdempotencyRow,
    LedgerKind,
    LedgerLine,
    MessageEvent,
    NewBatch,
    NewWebhookDelivery,
    ParkedReceipt,
    PartChange,
)
from gateway.domain.lifecycle import MessageState as S
from gateway.domain.lifecycle import MoneyState
from gateway.store.store import Store
from tests.support.groups import PRICE, CreditChange, accepting, change, commit, new_message, write


async def left(store: Store, table: str, column: str) -> list[int]:
    sql = f"SELECT {column} FROM {table} ORDER BY {column}"  # noqa: S608 - names of the test
    rows = await store._engine.fetch(sql)
    return [row[0] for row in rows]


async def test_purges_the_finished_in_steps_and_keeps_the_sums(store: Store) -> None:
    acme = (await store.accounts.declare("acme", "EUR", 0, 10 * PRICE, 1)).id
    assert await commit(store, accepting(acme, 1, 2, 3, 4, 5, 6)) is None
    await write(
        store,
        message_changes=[
            change(1, S.QUEUED, S.DELIVERED, money=MoneyState.CHARGED),
            change(2, S.QUEUED, S.FAILED, money=MoneyState.REFUNDED),
            change(3, S.QUEUED, S.SENT, money=MoneyState.CHARGED),  # not final
            change(4, S.QUEUED, S.DELIVERED, money=MoneyState.CHARGED, notified=1),  # owed
            change(5, S.QUEUED, S.UNKNOWN, money=MoneyState.CHARGED, notified=2),
            change(6, S.QUEUED, S.DELIVERED, money=MoneyState.CHARGED),  # too young
        ],
        credit=[CreditChange(acme, PRICE, 0, False)],
        ledger=[LedgerLine(acme, LedgerKind.REFUND, PRICE, 1, 1, "")],
    )
    assert await store.retention.purge_finished(6, 2) == 2
    assert await left(store, "message", "key") == [3, 4, 5, 6]
    assert await store.ledger.verify() == []
    assert await store.retention.purge_finished(6, 2) == 1
    assert await store.retention.purge_finished(6, 2) == 0
    assert await left(store, "message", "key") == [3, 4, 6]
    assert await store.ledger.verify() == []


async def test_what_belongs_to_a_message_goes_with_it(store: Store) -> None:
    keys = (1, 2)
    await write(
        store,
        new_messages=[new_message(key, part_count=2) for key in keys],
        message_changes=[change(1, S.QUEUED, S.DELIVERED), change(2, S.QUEUED, S.SENT)],
        part_changes=[PartChange(key, n, 1, "x", S.SENT) for key in keys for n in (0, 1)],
        events=[MessageEvent(key, 1, EventKind.RETRY, 1, "") for key in keys],
        new_webhook_deliveries=[
            NewWebhookDelivery(key, 1, 0, "https://a.example", 1) for key in keys
        ],
    )
    assert await store.retention.purge_finished(100, 10) == 0  # its webhook is still owed
    (owed, _) = await store.webhooks.due(100, 10)
    assert owed.message_key == 1
    await store.webhooks.done([owed.id])
    assert await store.retention.purge_finished(100, 10) == 1
    assert await left(store, "part", "message_key") == [2, 2]
    assert await left(store, "event", "message_key") == [2]
    assert await left(store, "webhook_delivery", "message_key") == [2]


async def test_batch_goes_with_its_last_message(store: Store) -> None:
    await write(
        store,
        new_batches=[
            NewBatch(10, 1, "a", None, None, None, None, 2),
            NewBatch(20, 1, "b", None, None, None, None, 1),
        ],
        new_messages=[
            new_message(11, batch_key=10, text=None),
            new_message(12, batch_key=10, text=None),
            new_message(21, batch_key=20, text=None),
        ],
        message_changes=[change(11, S.QUEUED, S.DELIVERED), change(21, S.QUEUED, S.DELIVERED)],
    )
    assert await store.retention.purge_finished(100, 10) == 2
    assert await left(store, "batch", "key") == [10]
    survivor = await store.messages.message(12)
    assert survivor is not None
    assert survivor.text == "a"
    await write(store, message_changes=[change(12, S.QUEUED, S.DELIVERED)])
    assert await store.retention.purge_finished(100, 10) == 1
    assert await left(store, "batch", "key") == []


async def test_old_answers_are_forgotten_in_steps(store: Store) -> None:
    await write(
        store,
        idempotency=[IdempotencyRow(1, "e", bytes([n]), b"b", 200, b"", 100 + n) for n in range(5)],
    )
    assert await store.retention.purge_answers(103, 2) == 2
    assert await store.retention.purge_answers(103, 2) == 1
    assert await store.retention.purge_answers(103, 2) == 0
    assert await left(store, "idempotency", "at_ms") == [103, 104]


async def test_old_parked_receipts_are_forgotten_in_steps(store: Store) -> None:
    await write(
        store,
        parked_receipts=[ParkedReceipt(1, f"id{n}", S.DELIVERED, "", 1, 100 + n) for n in range(5)],
    )
    assert await store.retention.purge_parked_receipts(103, 2) == 2
    assert await store.retention.purge_parked_receipts(103, 2) == 1
    assert await store.retention.purge_parked_receipts(103, 2) == 0
    assert await left(store, "parked_receipt", "at_ms") == [103, 104]
