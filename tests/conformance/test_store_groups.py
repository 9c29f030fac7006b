"""What a commit group writes, and that a refused one writes nothing."""

import asyncio
import logging

import pytest

from gateway.domain.commit_group import (
    CreditChange,
    EventKind,
    IdempotencyRow,
    LedgerKind,
    LedgerLine,
    MessageEvent,
    NewBatch,
    NewWebhookDelivery,
    ParkedReceipt,
    PartChange,
    StoredPart,
)
from gateway.domain.errors import CreditConflict, StoreRejected, StoreUnavailable
from gateway.domain.lifecycle import MessageState as S
from gateway.domain.lifecycle import MoneyState, Notified
from gateway.domain.message import IdempotencyKey
from gateway.store.store import Store
from tests.support.groups import (
    PRICE,
    accepting,
    change,
    commit,
    group_of,
    new_message,
    writable,
    write,
)


async def account(
    store: Store, name: str = "acme", opening: int = 10 * PRICE, limit: int = 0
) -> int:
    row = await store.accounts.declare(name, "EUR", limit, opening, 500)
    return row.id


async def balances(store: Store) -> dict[str, tuple[int, int]]:
    return {a.name: (a.balance_micros, a.held_micros) for a in await store.accounts.load()}


# --- rows ---------------------------------------------------------------------------------------


async def test_new_message_comes_back_with_every_column(store: Store) -> None:
    row = new_message(
        7, credential_id=3, priority=2, text=None, octets=b"\x05\x00\x03\x01\x02\x01\xff",
        data_coding=0xF5, esm_class=0x40, tlvs=b"\x02\x0c\x00\x02\x00\x01", charge_micros=PRICE,
        money=MoneyState.CHARGED, notify_when=2, door_note=2**63 - 1, due_at_ms=2**41,
    )  # fmt: skip
    await write(store, new_messages=[row])
    stored = await store.messages.message(7)
    assert stored is not None
    assert stored[:22] == row
    assert (stored.state, stored.provider_id, stored.provider_message_id) == (S.QUEUED, None, None)
    assert (stored.attempts, stored.sent_at_ms, stored.final_at_ms) == (0, 0, 0)
    assert (stored.error, stored.notified, stored.parts) == ("", 0, ())
    assert isinstance(stored.state, S)


async def test_text_of_any_plane_is_kept(store: Store) -> None:
    text = "Grüezi €[] 🙂 \n\r\t end"
    await write(store, new_messages=[new_message(1, text=text)])
    stored = await store.messages.message(1)
    assert stored is not None
    assert stored.text == text


@pytest.mark.parametrize("count", [1, 2, 511, 512, 513, 1027])
async def test_groups_of_any_size(store: Store, count: int) -> None:
    keys = range(1, count + 1)
    await write(store, new_messages=[new_message(k, recipient=f"4179{k:07}") for k in keys])
    await write(
        store,
        message_changes=[change(k, S.QUEUED, S.SENT, provider_message_id=f"id{k}") for k in keys],
    )
    rows = await store.messages.in_flight(0, count, count + 1)
    assert [(r.key, r.recipient, r.provider_message_id) for r in rows] == [
        (k, f"4179{k:07}", f"id{k}") for k in keys
    ]


async def test_content_of_a_batch_stands_once_and_is_filled_in(store: Store) -> None:
    await write(
        store,
        new_batches=[
            NewBatch(10, 1, "shared", None, None, None, None, 2),
            NewBatch(20, 1, None, b"\x00\xff", 4, 0x40, b"\x01", 1),
        ],
        new_messages=[
            new_message(11, batch_key=10, text=None),
            new_message(12, batch_key=10, text=None),
            new_message(21, batch_key=20, text=None),
        ],
    )
    first, second, opaque = [await store.messages.message(key) for key in (11, 12, 21)]
    assert first is not None
    assert second is not None
    assert opaque is not None
    assert (first.text, second.text, first.batch_key) == ("shared", "shared", 10)
    assert opaque[9:14] == (None, b"\x00\xff", 4, 0x40, b"\x01")


async def test_change_writes_every_mutable_column(store: Store) -> None:
    await write(store, new_messages=[new_message(1)])
    row = change(
        1, S.QUEUED, S.FAILED, money=MoneyState.REFUNDED, provider_id=9, provider_message_id="x y",
        attempts=3, due_at_ms=11, sent_at_ms=12, final_at_ms=13, error="0x58", notified=1,
    )  # fmt: skip
    await write(store, message_changes=[row])
    stored = await store.messages.message(1)
    assert stored is not None
    assert row[2:] == (
        stored.state, stored.money, stored.provider_id, stored.provider_message_id, stored.attempts,
        stored.due_at_ms, stored.sent_at_ms, stored.final_at_ms, stored.error, stored.notified,
    )  # fmt: skip


async def test_message_is_accepted_and_changed_in_one_group(store: Store) -> None:
    await write(store, new_messages=[new_message(1)], message_changes=[change(1, S.QUEUED, S.SENT)])
    stored = await store.messages.message(1)
    assert stored is not None
    assert stored.state == S.SENT


async def test_change_of_another_state_is_skipped_reported_and_stops_nothing(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await write(store, new_messages=[new_message(1), new_message(2)])
    await write(store, message_changes=[change(1, S.QUEUED, S.DELIVERED)])
    with caplog.at_level(logging.ERROR, "postern.store"):
        await write(
            store, message_changes=[change(1, S.QUEUED, S.FAILED), change(2, S.QUEUED, S.SENT)]
        )
    one, two = await store.messages.message(1), await store.messages.message(2)
    assert one is not None
    assert two is not None
    assert (one.state, two.state) == (S.DELIVERED, S.SENT)
    [record] = caplog.records
    assert record.getMessage() == "store.state_conflict"
    assert record.__dict__["fields"] == {"group": 0, "expected": 2, "changed": 1}


async def test_agreeing_changes_report_nothing(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await write(store, new_messages=[new_message(1)])
    with caplog.at_level(logging.ERROR, "postern.store"):
        await write(store, message_changes=[change(1, S.QUEUED, S.SENT)])
        await write(store, message_changes=[change(1, S.SENT, S.DELIVERED)])
    assert not caplog.records


@pytest.mark.parametrize("count", [1, 5, 600])
async def test_notified_keys_turn_pending_into_done_and_nothing_else(
    store: Store, count: int
) -> None:
    owed = range(1, count + 1)
    others = {count + 1: Notified.NONE, count + 2: Notified.ABANDONED, count + 3: Notified.PENDING}
    states = {**dict.fromkeys(owed, Notified.PENDING), **others}
    await write(
        store,
        new_messages=[new_message(key, credential_id=4) for key in states],
        message_changes=[
            change(key, S.QUEUED, S.DELIVERED, notified=n) for key, n in states.items()
        ],
    )
    await write(store, notified_keys=[*owed, count + 1, count + 2, 404_404])
    done = await store.messages.message(count)
    assert done is not None
    assert (done.notified, done.state, done.final_at_ms) == (Notified.DONE, S.DELIVERED, 3_000)
    rest = [await store.messages.message(key) for key in others]
    assert [row.notified for row in rest if row is not None] == list(others.values())
    still_owed = await store.messages.owed_notifications(4, 0, count + 9)
    assert [row.key for row in still_owed] == [count + 3]


async def test_parts_are_inserted_then_replaced(store: Store) -> None:
    await write(
        store,
        new_messages=[new_message(1, part_count=2)],
        part_changes=[PartChange(1, 0, 4, "a", S.SENT), PartChange(1, 1, None, None, S.QUEUED)],
    )
    await write(
        store,
        part_changes=[PartChange(1, 1, 4, "b", S.SENT), PartChange(1, 0, 4, "a", S.DELIVERED)],
    )
    stored = await store.messages.message(1)
    assert stored is not None
    assert stored.parts == (StoredPart(0, 4, "a", S.DELIVERED), StoredPart(1, 4, "b", S.SENT))


async def test_events_come_back_in_order(store: Store) -> None:
    events = [
        MessageEvent(5, 30, EventKind.RETRY, 1, "first"),
        MessageEvent(5, 20, EventKind.RETRY, None, "second"),
    ]
    await write(store, events=[*events, MessageEvent(6, 1, EventKind.RETRY, 1, "other")])
    assert await store.messages.events(5) == events
    assert await store.messages.events(7) == []


async def test_stored_answer_of_an_idempotency_key(store: Store) -> None:
    key = IdempotencyKey("sms/send", b"k" * 32, b"b" * 32)
    await write(
        store, idempotency=[IdempotencyRow(1, "sms/send", b"k" * 32, b"b" * 32, 200, b"{}", 100)]
    )
    answer = await store.messages.stored_answer(1, key, 100)
    assert answer is not None
    assert answer == (b"b" * 32, 200, b"{}")
    assert await store.messages.stored_answer(1, key, 101) is None
    assert await store.messages.stored_answer(2, key, 100) is None
    assert await store.messages.stored_answer(1, key._replace(endpoint="other"), 100) is None


async def test_an_old_answer_gives_way_to_a_new_one(store: Store) -> None:
    row = IdempotencyRow(1, "sms/send", b"k", b"old", 200, b"1", 100)
    await write(store, idempotency=[row])
    await write(
        store, idempotency=[row._replace(body_digest=b"new", status=422, body=b"2", at_ms=900)]
    )
    answer = await store.messages.stored_answer(1, IdempotencyKey("sms/send", b"k", b"x"), 500)
    assert answer == (b"new", 422, b"2")


async def test_receipts_are_parked_and_unparked(store: Store) -> None:
    receipts = [ParkedReceipt(1, f"id{n}", S.DELIVERED, "000", 50, 60 + n) for n in range(4)]
    again = ParkedReceipt(1, "id2", S.DELIVERED, "000", 50, 62)
    await write(store, parked_receipts=[*receipts, again])
    assert await store.messages.parked_receipts(2) == receipts[:2]
    await write(store, matched_receipts=[(1, "id0"), (1, "id2"), (2, "id1")])
    assert await store.messages.parked_receipts(10) == [receipts[1], receipts[3]]


async def test_receipt_parked_and_matched_in_one_group_is_gone(store: Store) -> None:
    await write(
        store,
        parked_receipts=[ParkedReceipt(1, "id", S.DELIVERED, "", 1, 2)],
        matched_receipts=[(1, "id")],
    )
    assert await store.messages.parked_receipts(10) == []


async def test_webhook_deliveries_are_owed(store: Store) -> None:
    await write(
        store, new_webhook_deliveries=[NewWebhookDelivery(5, 1, 0, "https://a.example/", 70)]
    )
    [delivery] = await store.webhooks.due(70, 10)
    assert delivery[1:] == (5, 1, 0, "https://a.example/", 70, 0, "")


async def test_empty_group_is_committed(store: Store) -> None:
    assert await commit(store, group_of()) is None


# --- money --------------------------------------------------------------------------------------


async def test_charge_moves_balance_and_ledger(store: Store) -> None:
    acme = await account(store)
    assert await commit(store, accepting(acme, 1, 2)) is None
    assert await balances(store) == {"acme": (8 * PRICE, 0)}
    charge, opening = await store.ledger.statement(acme, None, 10)
    assert charge[1:] == (LedgerKind.CHARGE, -2 * PRICE, 2, 1_000, "", 8 * PRICE)
    assert opening[1:] == (LedgerKind.OPENING, 10 * PRICE, 0, 500, "", 10 * PRICE)


async def test_every_line_of_a_group_has_its_own_running_balance(store: Store) -> None:
    acme, other = await account(store), await account(store, "other", opening=0)
    await write(
        store,
        credit=[CreditChange(acme, -PRICE, 0, True), CreditChange(other, PRICE, 0, False)],
        ledger=[
            LedgerLine(acme, LedgerKind.CHARGE, -3 * PRICE, 3, 1, ""),
            LedgerLine(other, LedgerKind.REFUND, PRICE, 1, 1, ""),
            LedgerLine(acme, LedgerKind.REFUND, 2 * PRICE, 2, 1, ""),
        ],
    )
    entries = await store.ledger.statement(acme, None, 2)
    assert [(e.kind, e.balance_micros) for e in entries] == [
        (LedgerKind.REFUND, 9 * PRICE),
        (LedgerKind.CHARGE, 7 * PRICE),
    ]


async def test_guarded_change_may_reach_the_limit_and_not_pass_it(store: Store) -> None:
    acme = await account(store, opening=3 * PRICE, limit=PRICE)
    assert await commit(store, accepting(acme, 1, 2)) is None
    error = await commit(store, accepting(acme, 3))
    assert isinstance(error, CreditConflict)
    assert error.account_ids == {acme}
    assert await store.messages.message(3) is None
    assert await balances(store) == {"acme": (PRICE, 0)}
    assert await store.ledger.verify() == []


async def test_what_is_held_is_not_available(store: Store) -> None:
    acme = await account(store, opening=2 * PRICE)
    await write(store, credit=[CreditChange(acme, 0, PRICE, True)])
    assert isinstance(await commit(store, accepting(acme, 1, 2)), CreditConflict)
    assert await commit(store, accepting(acme, 1)) is None
    assert await balances(store) == {"acme": (PRICE, PRICE)}


async def test_no_more_can_be_held_than_is_available(store: Store) -> None:
    acme = await account(store, opening=2 * PRICE)
    too_much = group_of(credit=[CreditChange(acme, 0, 2 * PRICE + 1, True)])
    assert isinstance(await commit(store, too_much), CreditConflict)
    await write(store, credit=[CreditChange(acme, 0, 2 * PRICE, True)])
    assert await balances(store) == {"acme": (2 * PRICE, 2 * PRICE)}


async def test_conflict_names_every_account_at_fault_and_keeps_nothing(store: Store) -> None:
    poor = [await account(store, f"poor{n}", opening=0) for n in range(3)]
    rich = await account(store, "rich")
    group = accepting(rich, 1)
    for n, id in enumerate(poor):
        group.credit.append(CreditChange(id, -PRICE, 0, n != 1))
    error = await commit(store, group)
    assert isinstance(error, CreditConflict)
    assert error.account_ids == {poor[0], poor[2]}
    assert await store.messages.message(1) is None
    assert (await balances(store))["rich"] == (10 * PRICE, 0)


async def test_unguarded_change_may_go_below_the_limit(store: Store) -> None:
    acme = await account(store, opening=0)
    await write(
        store,
        credit=[CreditChange(acme, -PRICE, 0, False)],
        ledger=[LedgerLine(acme, LedgerKind.CHARGE, -PRICE, 1, 1, "")],
    )
    assert await balances(store) == {"acme": (-PRICE, 0)}


async def test_two_changes_of_one_account_count_as_their_sum(store: Store) -> None:
    acme = await account(store, opening=PRICE)
    changes = [
        CreditChange(acme, -2 * PRICE, PRICE, True),
        CreditChange(acme, PRICE, -PRICE, False),
    ]
    await write(store, credit=changes)
    assert await balances(store) == {"acme": (0, 0)}


async def test_unguarded_change_of_no_account_is_refused(store: Store) -> None:
    error = await commit(store, group_of(credit=[CreditChange(404, 1, 0, False)]))
    assert isinstance(error, StoreRejected)


async def test_ledger_line_without_credit_change_is_refused(store: Store) -> None:
    acme = await account(store)
    group = group_of(ledger=[LedgerLine(acme, LedgerKind.REFUND, 1, 1, 1, "")])
    assert isinstance(await commit(store, group), StoreRejected)
    assert len(await store.ledger.statement(acme, None, 10)) == 1


# --- refused groups -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "culprit",
    [
        new_message(1, text="twice the key"),
        new_message(3, text="lone \ud800 surrogate"),
        new_message(3, due_at_ms=2**63),
        new_message(3, sender=None),
        new_message(3, priority="high"),
    ],
    ids=["duplicate", "surrogate", "64 bits", "null", "wrong type"],
)
async def test_one_bad_row_refuses_the_group_and_writes_nothing(
    store: Store, culprit: object
) -> None:
    acme = await account(store)
    await write(store, new_messages=[new_message(1)])
    group = accepting(acme, 2)
    group.new_messages.append(culprit)  # type: ignore[arg-type]
    group.events.append(MessageEvent(2, 1, EventKind.RETRY, None, ""))
    error = await commit(store, group)
    assert isinstance(error, StoreRejected)
    assert await store.messages.message(2) is None
    assert await store.messages.events(2) == []
    assert await balances(store) == {"acme": (10 * PRICE, 0)}
    # The store goes on, and the good half of the group fits.
    assert await commit(store, accepting(acme, 2)) is None


async def test_bad_row_in_a_change_refuses_the_group(store: Store) -> None:
    await write(store, new_messages=[new_message(1), new_message(2)])
    group = group_of(
        message_changes=[
            change(1, S.QUEUED, S.SENT),
            change(2, S.QUEUED, S.SENT, error="lone \udfff surrogate"),
        ]
    )
    assert isinstance(await commit(store, group), StoreRejected)
    stored = await store.messages.message(1)
    assert stored is not None
    assert stored.state == S.QUEUED


# --- turns --------------------------------------------------------------------------------------


async def test_group_waits_for_a_cold_transaction(store: Store) -> None:
    acme = await account(store, opening=PRICE)
    async with store._engine.transaction() as transaction:
        await transaction.execute("UPDATE account SET balance_micros = 0 WHERE id = ?", acme)
        done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        store.commit(accepting(acme, 1), lambda _, error: done.set_result(error))
        await transaction.execute("UPDATE account SET balance_micros = 0 WHERE id = ?", acme)
        assert not done.done()
    async with asyncio.timeout(20):
        # It saw the cold transaction's work: the credit is gone.
        assert isinstance(await done, CreditConflict)


async def test_cold_transaction_waits_for_the_running_group(store: Store) -> None:
    acme = await account(store, opening=PRICE)
    order: list[str] = []
    done = asyncio.Event()

    def finished(_: object, error: Exception | None) -> None:
        order.append(f"group {error}")
        done.set()

    store.commit(accepting(acme, 1), finished)
    async with asyncio.timeout(20):
        with pytest.raises(CreditConflict):
            await store.ledger.top_up(acme, -1, "", 1)
        order.append("cold")
        await done.wait()
    assert order == ["group None", "cold"]


async def test_failed_cold_transaction_leaves_nothing_and_passes_the_turn(store: Store) -> None:
    acme = await account(store)

    async def cold() -> None:
        async with store._engine.transaction() as transaction:
            await transaction.execute("UPDATE account SET balance_micros = 0 WHERE id = ?", acme)
            raise LookupError

    with pytest.raises(LookupError):
        await cold()
    assert await balances(store) == {"acme": (10 * PRICE, 0)}
    assert await commit(store, accepting(acme, 1)) is None


async def test_cancelled_cold_transaction_leaves_nothing_and_passes_the_turn(store: Store) -> None:
    acme = await account(store)
    inside = asyncio.Event()

    async def cold() -> None:
        async with store._engine.transaction() as transaction:
            await transaction.execute("UPDATE account SET balance_micros = 0 WHERE id = ?", acme)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(cold())
    async with asyncio.timeout(20):
        await inside.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert await balances(store) == {"acme": (10 * PRICE, 0)}
    assert await commit(store, accepting(acme, 1)) is None


# --- closed -------------------------------------------------------------------------------------


async def test_closed_store_is_unavailable(store: Store) -> None:
    await store.close()
    await store.close()
    assert isinstance(
        await commit(store, group_of(new_messages=[new_message(1)])), StoreUnavailable
    )
    with pytest.raises(StoreUnavailable):
        await store.messages.last_key()
    with pytest.raises(StoreUnavailable):
        await store.accounts.disable_undeclared([])
    assert not await writable(store)


async def test_close_waits_for_the_running_group(store: Store) -> None:
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    store.commit(group_of(new_messages=[new_message(1)]), lambda _, error: done.set_result(error))
    async with asyncio.timeout(20):
        await store.close()
    assert done.result() is None


async def test_close_waits_for_an_open_cold_transaction(store: Store) -> None:
    acme = await account(store)
    async with store._engine.transaction() as transaction:
        closing = asyncio.ensure_future(store.close())
        # Long enough for a close that does not wait to be over.
        await asyncio.wait([closing], timeout=0.1)
        assert not closing.done()
        async with asyncio.timeout(20):
            changed = await transaction.execute(
                "UPDATE account SET balance_micros = 1 WHERE id = ?", acme
            )
        assert changed == 1
    async with asyncio.timeout(20):
        await closing
