"""Bulks on both engines: intake, the one commit, steps, ends, queries, removal and retention."""

from typing import Any

import pytest

from gateway.domain.bulk import BulkState, RecipientState
from gateway.domain.bulk_rows import (
    BulkCounts,
    BulkRecipientChange,
    BulkStep,
    NewBulk,
    NewBulkRecipient,
    StoredBulk,
    UnfedRecipient,
)
from gateway.domain.commit_group import NewBatch
from gateway.domain.errors import StoreRejected
from gateway.domain.lifecycle import MessageState as S
from gateway.domain.lifecycle import MoneyState
from gateway.ports import BulkChoice
from gateway.store.store import Store
from tests.support.groups import PRICE, change, commit, group_of, new_message, write

R = RecipientState


def new_bulk(key: int, recipients: int = 3, **columns: Any) -> NewBulk:
    """A running bulk of account 1, nothing of it fed."""
    row = NewBulk(
        key=key, account_id=1, credential_id=7, door=4, state=BulkState.RUNNING, sender="ACME",
        money=MoneyState.CHARGED, alphabet=0, parts=1, recipients=recipients, valid=recipients,
        total_micros=recipients * PRICE, unfed_micros=recipients * PRICE, unfed_count=recipients,
        fed_n=0, due_at_ms=0, created_at_ms=5, classes=f"[{PRICE}]", pending=recipients,
        invalid=0, blocked=0,
    )  # fmt: skip
    return row._replace(**columns)


def recipients(key: int, count: int, first: int = 1, state: int = 0) -> list[NewBulkRecipient]:
    return [
        NewBulkRecipient(key, n, f"4179{n:07d}", state, 0, 0) for n in range(first, first + count)
    ]


def batch(key: int, count: int = 3) -> NewBatch:
    return NewBatch(key, 1, f"text {key}", None, None, None, None, count)


def step(key: int, was: int = BulkState.RUNNING, was_fed_n: int = 0, **columns: Any) -> BulkStep:
    made = BulkStep(key, was, was_fed_n, BulkState.RUNNING, MoneyState.CHARGED, 3, 0, 0, 0)
    return made._replace(**columns)


def counts(key: int, **moved: int) -> BulkCounts:
    return BulkCounts(key, **{name: moved.get(name, 0) for name in BulkCounts._fields[1:]})


async def begin(store: Store, key: int, count: int = 3, **columns: Any) -> None:
    """A bulk that came in with one commit."""
    await write(
        store,
        new_bulks=[new_bulk(key, count, **columns)],
        new_bulk_recipients=recipients(key, count),
        new_batches=[batch(key, count)],
    )


async def stored(store: Store, key: int) -> StoredBulk:
    row = await store.bulks.bulk(key)
    assert row is not None
    return row


async def left(store: Store, table: str) -> int:
    [(count,)] = await store._engine.fetch(f"SELECT count(*) FROM {table}")  # noqa: S608
    return int(count)


# --- intake -------------------------------------------------------------------------------------


async def test_an_intake_shows_nowhere_until_its_commit(store: Store) -> None:
    intake = new_bulk(11, state=BulkState.INTAKE, recipients=0)
    await store.bulks.take_in(recipients(11, 2000), intake)
    await store.bulks.take_in(recipients(11, 2000, first=2001), None)
    assert await store.bulks.bulk(11) is None
    assert await store.bulks.list(1, BulkChoice.ALL, 0, 10) == ([], 0)
    assert await store.bulks.unfed() == []
    assert await store.bulks.intakes(12) == [11]
    assert await store.bulks.intakes(11) == []
    await write(
        store,
        new_bulks=[new_bulk(11, 4001)],
        new_bulk_recipients=recipients(11, 1, first=4001),
        new_batches=[batch(11, 4001)],
    )
    row = await stored(store, 11)
    assert row.text == "text 11"
    assert NewBulk._make(row[: len(NewBulk._fields)]) == new_bulk(11, 4001)
    assert row[len(NewBulk._fields) : -1] == (0,) * 8
    assert await store.bulks.intakes(12) == []
    assert await left(store, "bulk_recipient") == 4001


async def test_a_bulk_is_never_begun_twice(store: Store) -> None:
    await begin(store, 11)
    group = group_of(new_bulks=[new_bulk(11, sender="OTHER")], new_batches=[batch(12)])
    assert isinstance(await commit(store, group), StoreRejected)
    assert (await stored(store, 11)).sender == "ACME"
    assert await left(store, "batch") == 1


async def test_an_intake_goes_in_steps(store: Store) -> None:
    await store.bulks.take_in(recipients(11, 25), new_bulk(11, state=BulkState.INTAKE))
    await begin(store, 12)
    gone = [await store.bulks.remove_intake(11, 10) for _ in range(3)]
    assert gone == [False, False, True]
    assert await left(store, "bulk_recipient") == 3
    assert await left(store, "bulk") == 1
    assert await store.bulks.remove_intake(11, 10)
    assert await store.bulks.remove_intake(12, 10)  # it is real: nothing of it is an intake's
    assert await left(store, "bulk_recipient") == 3


async def test_keys_go_on_above_an_intake(store: Store) -> None:
    await store.bulks.take_in(recipients(11, 1), new_bulk(11, state=BulkState.INTAKE))
    assert await store.messages.last_key() == 11


# --- steps --------------------------------------------------------------------------------------


async def test_feeding_moves_it_on_with_its_messages(store: Store) -> None:
    await begin(store, 11)
    assert [row.key for row in await store.bulks.unfed()] == [11]
    page = await store.bulks.pending_recipients(11, 0, 2)
    assert page == [UnfedRecipient(1, "41790000001", 0), UnfedRecipient(2, "41790000002", 0)]
    await write(
        store,
        new_messages=[new_message(20 + n, batch_key=11, door_note=-n, text=None) for n in (1, 2)],
        bulk_steps=[step(11, fed_n=2, unfed_micros=PRICE, unfed_count=1)],
    )
    row = await stored(store, 11)
    assert (row.fed_n, row.unfed_micros, row.unfed_count) == (2, PRICE, 1)
    message = await store.messages.message(21)
    assert message is not None
    assert (message.text, message.door_note) == ("text 11", -1)
    await write(store, bulk_steps=[step(11, was_fed_n=2)])
    assert await store.bulks.unfed() == []


@pytest.mark.parametrize("elsewhere", [{"was": BulkState.SCHEDULED}, {"was_fed_n": 1}])
async def test_a_step_from_elsewhere_takes_its_group_back(
    store: Store, elsewhere: dict[str, int]
) -> None:
    await begin(store, 11)
    group = group_of(new_messages=[new_message(21)], bulk_steps=[step(11, **elsewhere)])
    assert isinstance(await commit(store, group), StoreRejected)
    assert await store.messages.message(21) is None
    assert (await stored(store, 11)).fed_n == 0


async def test_several_bulks_step_in_one_group(store: Store) -> None:
    for key in (11, 12, 13):
        await begin(store, key)
    await write(store, bulk_steps=[step(key, fed_n=key - 10) for key in (11, 12, 13)])
    assert [(await stored(store, key)).fed_n for key in (11, 12, 13)] == [1, 2, 3]


async def test_what_is_due(store: Store) -> None:
    assert await store.bulks.next_due_ms() is None
    for key, due_ms in ((11, 300), (12, 100), (13, 200)):
        await begin(store, key, state=BulkState.SCHEDULED, due_at_ms=due_ms)
    assert await store.bulks.next_due_ms() == 100
    assert [row.key for row in await store.bulks.due(250, 10)] == [12, 13]
    assert [row.key for row in await store.bulks.due(250, 1)] == [12]
    await write(store, bulk_steps=[step(12, BulkState.SCHEDULED, fed_n=0)])
    assert [row.key for row in await store.bulks.due(250, 10)] == [13]
    assert [row.key for row in await store.bulks.unfed()] == [12]


# --- ends ---------------------------------------------------------------------------------------


async def test_ends_are_written_to_recipients_and_counts(store: Store) -> None:
    for key in (11, 12):
        await begin(store, key)
    await write(
        store,
        recipient_changes=[
            BulkRecipientChange(11, 2, R.DELIVERED, 77),
            BulkRecipientChange(11, 3, R.UNKNOWN, 78),
            BulkRecipientChange(12, 1, R.FAILED, 79),
            BulkRecipientChange(99, 1, R.FAILED, 79),  # purged meanwhile
        ],
        bulk_counts=[
            counts(11, pending=-2, delivered=1, unknown=1),
            counts(12, pending=-1, failed=1),
            counts(99, pending=-1, failed=1),
        ],
    )
    first, second = await stored(store, 11), await stored(store, 12)
    assert (first.pending, first.delivered, first.unknown) == (1, 1, 1)
    assert (second.pending, second.failed) == (2, 1)
    rows = await store.bulks.recipients(11, 0, (), 10)
    assert [(row.n, row.state, row.changed_at_ms) for row in rows] == [
        (1, R.PENDING, 0), (2, R.DELIVERED, 77), (3, R.UNKNOWN, 78),
    ]  # fmt: skip


# --- queries ------------------------------------------------------------------------------------


async def test_recipients_by_state_and_position(store: Store) -> None:
    intake = new_bulk(11, state=BulkState.INTAKE)
    await store.bulks.take_in(recipients(11, 12_000), intake)
    await store.bulks.take_in(recipients(11, 5, first=12_001, state=R.INVALID), None)
    page = store.bulks.recipients
    assert [row.n for row in await page(11, 5, (), 3)] == [6, 7, 8]
    assert await page(11, 0, (R.INVALID,), 3) == []
    assert [row.n for row in await page(11, 10_000, (R.INVALID, R.BLOCKED), 3)] == [
        12_001, 12_002, 12_003,
    ]  # fmt: skip
    assert await page(11, 12_005, (), 3) == []


async def test_lists_by_state(store: Store) -> None:
    await begin(store, 11)  # pending
    await begin(store, 12, state=BulkState.SCHEDULED, due_at_ms=100)
    await begin(store, 13, state=BulkState.CANCELLED)
    for key, end in ((14, "delivered"), (15, "failed"), (16, "handed_over"), (17, "unknown")):
        await begin(store, key)
        await write(store, bulk_counts=[counts(key, pending=-3, **{end: 3})])
    await begin(store, 18, account_id=2)
    expected = {
        BulkChoice.ALL: [17, 16, 15, 14, 13, 12, 11],
        BulkChoice.SCHEDULED: [12],
        BulkChoice.CANCELLED: [13],
        BulkChoice.PENDING: [11],
        BulkChoice.SENT: [17, 16, 14],
        BulkChoice.FAILED: [15],
    }
    for chosen, keys in expected.items():
        rows, count = await store.bulks.list(1, chosen, 0, 10)
        assert ([row.key for row in rows], count) == (keys, len(keys)), chosen
    rows, count = await store.bulks.list(1, BulkChoice.ALL, 2, 3)
    assert ([row.key for row in rows], count) == ([15, 14, 13], 7)


@pytest.mark.parametrize("chosen", list(BulkChoice))
async def test_every_choice_is_a_query(store: Store, chosen: BulkChoice) -> None:
    assert await store.bulks.list(1, chosen, 0, 10) == ([], 0)


# --- money --------------------------------------------------------------------------------------


async def test_the_audit_counts_what_is_not_fed(store: Store) -> None:
    acme = (await store.accounts.declare("acme", "EUR", 0, 10 * PRICE, 1)).id
    await begin(store, 11, account_id=acme, money=MoneyState.HELD)
    assert any("held" in text for text in await store.ledger.verify())
    async with store._engine.transaction() as transaction:
        await transaction.execute(
            "UPDATE account SET held_micros = ? WHERE id = ?", 3 * PRICE, acme
        )
    assert await store.ledger.verify() == []
    await write(store, bulk_steps=[step(11, money=MoneyState.HELD, fed_n=1, unfed_micros=PRICE)])
    assert any("held" in text for text in await store.ledger.verify())


# --- retention ----------------------------------------------------------------------------------


async def finished(store: Store, key: int, count: int = 3, **columns: Any) -> None:
    """Its messages have ended and are purged."""
    await begin(store, key, count, **columns)
    await write(
        store,
        bulk_steps=[step(key, fed_n=count)],
        new_messages=[
            new_message(key + n, batch_key=key, door_note=-n, text=None)
            for n in range(1, count + 1)
        ],
        bulk_counts=[counts(key, pending=-count, delivered=count)],
    )
    await write(
        store,
        message_changes=[change(key + n, S.QUEUED, S.DELIVERED) for n in range(1, count + 1)],
    )


async def test_a_finished_bulk_goes_once_its_messages_are_gone(store: Store) -> None:
    await finished(store, 100)
    assert await store.retention.purge_bulks(1000, 50) == 0
    assert await store.retention.purge_finished(1000, 50) == 3
    assert await store.retention.purge_bulks(100, 50) == 0  # too young
    assert await store.retention.purge_bulks(1000, 50) == 3
    assert [await left(store, table) for table in ("bulk", "bulk_recipient", "batch")] == [0, 0, 0]


async def test_what_is_not_over_stays(store: Store) -> None:
    await begin(store, 100)  # pending
    await begin(store, 200, state=BulkState.SCHEDULED, due_at_ms=100)
    await begin(store, 300, state=BulkState.CANCELLED)
    assert await store.retention.purge_bulks(1000, 50) == 3
    assert [row.key for row in (await store.bulks.list(1, BulkChoice.ALL, 0, 10))[0]] == [200, 100]
    assert await left(store, "batch") == 2
    assert await left(store, "bulk_recipient") == 6


async def test_a_large_one_goes_in_steps_and_shows_no_more(store: Store) -> None:
    await begin(store, 100, 25, state=BulkState.CANCELLED)
    await begin(store, 200, 3, state=BulkState.CANCELLED)
    assert await store.retention.purge_bulks(1000, 10) == 10
    assert await store.bulks.bulk(100) is None
    assert await left(store, "bulk_recipient") == 18
    steps = 0
    while await store.retention.purge_bulks(1000, 10) == 10:
        steps += 1
    assert steps == 2
    assert [await left(store, table) for table in ("bulk", "bulk_recipient", "batch")] == [0, 0, 0]


async def test_many_small_ones_go_together(store: Store) -> None:
    for key in range(100, 140):
        await begin(store, key, 1, state=BulkState.CANCELLED)
    assert await store.retention.purge_bulks(1000, 30) == 30
    assert await left(store, "bulk") == 10
    assert await store.retention.purge_bulks(1000, 30) == 10
    assert await left(store, "bulk_recipient") == 0
