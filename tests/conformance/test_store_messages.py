"""Reads of messages: what recovery, the feeder, receipts and queries ask."""

import asyncio

import pytest

from gateway.domain.commit_group import NewBatch, PartChange, StoredMessage
from gateway.domain.lifecycle import MessageState as S
from gateway.domain.receipt import AwaitedReceipt
from gateway.store.store import Store
from tests.support.groups import change, new_message, write


def keys(rows: list[StoredMessage]) -> list[int]:
    return [row.key for row in rows]


async def accounts(store: Store, *names: str) -> list[int]:
    return [(await store.accounts.declare(n, "EUR", 0, 0, 0)).id for n in names]


async def in_states(store: Store, states: dict[int, S]) -> None:
    """Messages brought to these states by provider 1."""
    await write(store, new_messages=[new_message(key) for key in states])
    await write(
        store,
        message_changes=[change(key, S.QUEUED, s) for key, s in states.items() if s != S.QUEUED],
    )


async def test_the_next_key_of_a_message(store: Store) -> None:
    assert await store.messages.next_key(0) == 0
    await write(store, new_messages=[new_message(key) for key in (5, 2**62)])
    keys = [await store.messages.next_key(after) for after in (0, 4, 5, 2**62)]
    assert keys == [5, 5, 2**62, 0]


async def test_last_key_of_messages_and_batches(store: Store) -> None:
    assert await store.messages.last_key() == 0
    await write(store, new_messages=[new_message(5), new_message(2**62)])
    assert await store.messages.last_key() == 2**62
    await write(store, new_batches=[NewBatch(2**63 - 1, 1, "t", None, None, None, None, 0)])
    assert await store.messages.last_key() == 2**63 - 1


async def test_queues_are_the_pairs_with_queued_rows(store: Store) -> None:
    acme, bolt, idle = await accounts(store, "acme", "bolt", "idle")
    await write(
        store,
        new_messages=[
            new_message(1, account_id=bolt, priority=3),
            new_message(2, account_id=acme, priority=0),
            new_message(3, account_id=acme, priority=2),
            new_message(4, account_id=acme, priority=2),
            new_message(5, account_id=idle, priority=1),
        ],
        message_changes=[change(5, S.QUEUED, S.SENT)],
    )
    assert await store.messages.queues() == [(acme, 0), (acme, 2), (bolt, 3)]


async def test_queued_pages_in_order_of_due_time_and_key(store: Store) -> None:
    await write(
        store,
        new_messages=[
            new_message(1, due_at_ms=30),
            new_message(2, due_at_ms=10),
            new_message(3, due_at_ms=20),
            new_message(4, due_at_ms=10),
            new_message(5, due_at_ms=40),
            new_message(6, due_at_ms=10, priority=2),
            new_message(7, due_at_ms=10, account_id=2),
            new_message(8, due_at_ms=10),
        ],
        message_changes=[change(8, S.QUEUED, S.SENT)],
    )
    read = store.messages.queued
    assert keys(await read(1, 1, (0, 0), 40, 10)) == [2, 4, 3, 1]
    assert keys(await read(1, 1, (0, 0), 40, 2)) == [2, 4]
    assert keys(await read(1, 1, (10, 2), 40, 2)) == [4, 3]
    assert keys(await read(1, 1, (10, 4), 41, 9)) == [3, 1, 5]
    assert keys(await read(1, 1, (0, 0), 10, 9)) == []
    assert keys(await read(1, 2, (0, 0), 99, 9)) == [6]


async def test_next_due_time_past_a_row(store: Store) -> None:
    await write(store, new_messages=[new_message(1, due_at_ms=10), new_message(2, due_at_ms=2**41)])
    assert await store.messages.next_due_ms(1, 1, (0, 0)) == 10
    assert await store.messages.next_due_ms(1, 1, (10, 0)) == 10
    assert await store.messages.next_due_ms(1, 1, (10, 1)) == 2**41
    assert await store.messages.next_due_ms(1, 1, (2**41, 2)) is None
    assert await store.messages.next_due_ms(1, 0, (0, 0)) is None


async def test_expired_rows_by_key(store: Store) -> None:
    await write(
        store,
        new_messages=[
            new_message(4, expires_at_ms=50, account_id=2),
            new_message(1, expires_at_ms=60),
            new_message(3, expires_at_ms=61),
            new_message(2, expires_at_ms=10, priority=0),
            new_message(5, expires_at_ms=10),
            new_message(6, expires_at_ms=0),  # no expiry
        ],
        message_changes=[change(5, S.QUEUED, S.SENT)],
    )
    assert keys(await store.messages.expired(60, 0, 10)) == [1, 2, 4]
    assert keys(await store.messages.expired(60, 0, 2)) == [1, 2]
    assert keys(await store.messages.expired(60, 2, 2)) == [4]


async def test_in_flight_rows_between_two_keys(store: Store) -> None:
    await in_states(
        store,
        {
            1: S.SENT,
            2: S.ATTEMPTED,
            3: S.QUEUED,
            4: S.DELIVERED,
            5: S.SENT,
            6: S.UNKNOWN,
            7: S.SENT,
        },
    )
    assert keys(await store.messages.in_flight(0, 100, 10)) == [1, 2, 5, 7]
    assert keys(await store.messages.in_flight(1, 5, 10)) == [2, 5]
    assert keys(await store.messages.in_flight(0, 100, 2)) == [1, 2]


async def test_found_by_own_provider_id_unless_final(store: Store) -> None:
    states = {1: S.SENT, 2: S.DELIVERED, 3: S.UNKNOWN, 4: S.ATTEMPTED, 5: S.FAILED}
    await in_states(store, states)
    found = await store.messages.by_provider_message_id(1, ["p1", "p2", "p3", "p4", "p5", "p6"])
    assert keys(found) == [1, 3, 4]
    assert [row.state for row in found] == [S.SENT, S.UNKNOWN, S.ATTEMPTED]
    assert await store.messages.by_provider_message_id(2, ["p1"]) == []
    assert await store.messages.by_provider_message_id(1, []) == []
    assert await store.messages.by_provider_message_id(1, ["q1", "p1 ", ""]) == []


@pytest.mark.parametrize("asked", ["00AB12", "ab12", "AB12", "0ab12"])
async def test_case_and_leading_zeros_of_a_provider_id_do_not_count(
    store: Store, asked: str
) -> None:
    await write(
        store,
        new_messages=[new_message(key, part_count=1 + (key == 4)) for key in range(1, 6)],
        message_changes=[
            change(1, S.QUEUED, S.SENT, provider_message_id="00AB12"),
            change(2, S.QUEUED, S.SENT, provider_message_id="ab12"),
            change(3, S.QUEUED, S.SENT, provider_message_id="ab120"),
            change(5, S.QUEUED, S.SENT, provider_message_id=""),
        ],
        part_changes=[PartChange(4, 0, 1, "0Ab12", S.SENT), PartChange(4, 1, 1, "x", S.SENT)],
    )
    assert keys(await store.messages.by_provider_message_id(1, [asked])) == [1, 2, 4]


async def test_ids_of_zeros_alone_are_one_id_and_no_id_is_none(store: Store) -> None:
    await write(store, new_messages=[new_message(key) for key in (1, 2, 3)])
    changes = [
        change(key, S.QUEUED, S.SENT, provider_message_id=id)
        for key, id in ((1, "0"), (2, "000"), (3, ""))
    ]
    await write(store, message_changes=changes)
    assert keys(await store.messages.by_provider_message_id(1, ["0"])) == [1, 2]


async def test_only_ascii_letters_are_folded(store: Store) -> None:
    await write(
        store,
        new_messages=[new_message(1)],
        message_changes=[change(1, S.QUEUED, S.SENT, provider_message_id="0ÄB")],
    )
    assert keys(await store.messages.by_provider_message_id(1, ["Äb"])) == [1]
    assert await store.messages.by_provider_message_id(1, ["äb"]) == []


async def test_found_by_the_provider_id_of_a_part(store: Store) -> None:
    await write(
        store,
        new_messages=[new_message(1, part_count=2), new_message(2, part_count=2)],
        part_changes=[
            PartChange(1, 0, 1, "a0", S.SENT),
            PartChange(1, 1, 1, "a1", S.DELIVERED),
            PartChange(2, 0, 1, "b0", S.SENT),
        ],
    )
    assert keys(await store.messages.by_provider_message_id(1, ["a0", "b0"])) == [1, 2]
    assert keys(await store.messages.by_provider_message_id(1, ["a1"])) == []
    [found] = await store.messages.by_provider_message_id(1, ["a0"])
    assert [(p.n, p.provider_message_id) for p in found.parts] == [(0, "a0"), (1, "a1")]


async def test_one_id_of_many_messages_finds_them_all(store: Store) -> None:
    await write(store, new_messages=[new_message(1), new_message(2)])
    same = [change(key, S.QUEUED, S.SENT, provider_message_id="same") for key in (1, 2)]
    await write(store, message_changes=same)
    assert keys(await store.messages.by_provider_message_id(1, ["same"])) == [1, 2]


async def test_awaited_receipts_of_a_provider_in_order_of_its_ids(store: Store) -> None:
    ids = {1: "0B1", 2: "a2", 3: "", 4: "a1", 5: "A1", 6: "a3", 7: "a4", 8: "a5"}
    await write(
        store,
        new_messages=[new_message(key, recipient=f"6680000000{key}") for key in ids],
        message_changes=[
            change(key, S.QUEUED, S.SENT, provider_message_id=id, sent_at_ms=key * 10)
            for key, id in ids.items()
        ],
    )
    # What has ended, and what another provider sent.
    await write(
        store,
        message_changes=[
            change(6, S.SENT, S.DELIVERED, provider_message_id="a3"),
            change(7, S.SENT, S.UNKNOWN, provider_message_id="a4"),
            change(8, S.SENT, S.SENT, provider_message_id="a5", provider_id=2),
        ],
    )
    read = store.messages.awaited
    everything = await read(1, ("", 0), 10)
    assert everything == [
        AwaitedReceipt(("a1", 4), "a1", "66800000004", 40),
        AwaitedReceipt(("a1", 5), "A1", "66800000005", 50),
        AwaitedReceipt(("a2", 2), "a2", "66800000002", 20),
        AwaitedReceipt(("b1", 1), "0B1", "66800000001", 10),
    ]
    pages: list[AwaitedReceipt] = []
    position = ("", 0)
    while page := await read(1, position, 1):
        pages += page
        position = page[-1].position
    assert pages == everything
    assert [item.provider_message_id for item in await read(2, ("", 0), 10)] == ["a5"]


async def test_owed_notifications_of_a_credential_by_key(store: Store) -> None:
    await write(
        store,
        new_messages=[new_message(key, credential_id=6 if key == 4 else 5) for key in range(1, 7)],
    )
    pending = [change(key, S.QUEUED, S.DELIVERED, notified=1) for key in (1, 2, 4, 5, 6)]
    await write(store, message_changes=[*pending, change(3, S.QUEUED, S.DELIVERED)])
    await write(store, message_changes=[change(2, S.DELIVERED, S.DELIVERED, notified=2)])
    assert keys(await store.messages.owed_notifications(5, 0, 10)) == [1, 5, 6]
    assert keys(await store.messages.owed_notifications(5, 1, 1)) == [5]
    assert keys(await store.messages.owed_notifications(6, 0, 10)) == [4]


async def test_no_such_message(store: Store) -> None:
    assert await store.messages.message(404) is None


@pytest.mark.parametrize("count", [1, 500, 501])
async def test_parts_are_attached_to_every_row_of_a_page(store: Store, count: int) -> None:
    range_ = range(1, count + 1)
    await write(
        store,
        new_messages=[new_message(key, part_count=2) for key in range_],
        part_changes=[PartChange(k, n, 1, f"{k}.{n}", S.SENT) for k in range_ for n in (1, 0)],
    )
    rows = await store.messages.queued(1, 1, (0, 0), 2**41, count + 1)
    assert len(rows) == count
    assert all(
        [p.provider_message_id for p in row.parts] == [f"{row.key}.0", f"{row.key}.1"]
        for row in rows
    )


async def test_many_reads_at_once_share_the_readers(store: Store) -> None:
    await write(store, new_messages=[new_message(key) for key in range(1, 51)])
    async with asyncio.timeout(20):
        rows = await asyncio.gather(*(store.messages.message(key) for key in range(1, 51)))
    assert [row.key for row in rows if row is not None] == list(range(1, 51))


async def test_reads_go_on_while_a_cold_transaction_is_open(store: Store) -> None:
    await write(store, new_messages=[new_message(1)])
    async with store._engine.transaction() as transaction:
        await transaction.execute("DELETE FROM message")
        async with asyncio.timeout(20):
            assert await store.messages.message(1) is not None
    assert await store.messages.message(1) is None
