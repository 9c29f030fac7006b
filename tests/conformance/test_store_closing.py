"""Old charges and refunds become a line a day; no balance and no sum changes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.domain.commit_group import LedgerKind, LedgerLine
from gateway.domain.errors import StoreUnavailable
from gateway.store.closing import MOST_MESSAGES
from gateway.store.engine import Transaction
from gateway.store.ledger import LedgerEntry
from gateway.store.store import Store
from tests.support.groups import CreditChange, write

DAY_MS = 86_400_000
CHARGE, REFUND, CLOSING = LedgerKind.CHARGE, LedgerKind.REFUND, LedgerKind.CLOSING


async def moved(store: Store, account: int, *moves: tuple[LedgerKind, int, int, int]) -> None:
    """One group for each (kind, amount, messages, time)."""
    for kind, amount, messages, at_ms in moves:
        await write(
            store,
            credit=[CreditChange(account, amount, 0, False)],
            ledger=[LedgerLine(account, kind, amount, messages, at_ms, "")],
        )


async def closed(store: Store, before_ms: int, limit: int = 1000) -> None:
    while await store.retention.close_ledger(before_ms, limit) == limit:
        pass


async def lines(store: Store, account: int) -> list[LedgerEntry]:
    return (await store.ledger.statement(account, None, 100))[::-1]


async def fetched(store: Store, column: str) -> list[int]:
    sql = f"SELECT {column} FROM ledger"  # noqa: S608 - names of the test
    return [row[0] for row in await store._engine.fetch(sql)]


async def test_old_charges_and_refunds_become_a_line_a_day(store: Store) -> None:
    acme = (await store.accounts.declare("acme", "EUR", -1000, 100, 1)).id
    other = (await store.accounts.declare("other", "EUR", -1000, 0, 1)).id
    await moved(store, acme, (CHARGE, -10, 3, 10), (CHARGE, -5, 1, 20))
    await moved(store, other, (CHARGE, -7, 1, 25))
    await moved(store, acme, (REFUND, 5, 1, 30), (CHARGE, -20, 2, DAY_MS), (CHARGE, -1, 1, DAY_MS))
    await store.ledger.top_up(acme, 50, "invoice", DAY_MS + 1)
    await moved(store, acme, (CHARGE, -2, 1, DAY_MS + 2), (CHARGE, -3, 1, DAY_MS + 3))
    await moved(store, acme, (CHARGE, -4, 1, DAY_MS + 4))
    ids = [line.id for line in await lines(store, acme)]
    await closed(store, DAY_MS + 4)
    assert [line[1:] for line in await lines(store, acme)] == [
        (LedgerKind.OPENING, 100, 0, 1, "", 100),
        (CLOSING, -10, 3, 30, "", 90),
        (CLOSING, -21, 3, DAY_MS, "", 69),
        (LedgerKind.TOP_UP, 50, 0, DAY_MS + 1, "invoice", 119),
        (CLOSING, -5, 2, DAY_MS + 3, "", 114),
        (CHARGE, -4, 1, DAY_MS + 4, "", 110),  # too young
    ]
    assert [line.id for line in await lines(store, acme)] == [ids[n] for n in (0, 3, 5, 6, 8, 9)]
    assert [line[1:] for line in await lines(store, other)] == [(CHARGE, -7, 1, 25, "", -7)]


async def test_a_day_is_closed_in_steps_and_after_a_restart(store: Store) -> None:
    acme = (await store.accounts.declare("acme", "EUR", -1000, 0, 1)).id
    await moved(store, acme, *((CHARGE, -1, 1, n) for n in range(1, 8)))
    assert await store.retention.close_ledger(5, 3) == 3
    assert [line.amount_micros for line in await lines(store, acme)] == [-3, -1, -1, -1, -1]
    assert await store.retention.close_ledger(5, 3) == 1
    assert await store.retention.close_ledger(5, 3) == 0
    again = type(store.retention)(store._engine)
    assert await again.close_ledger(100, 3) == 3
    assert await again.close_ledger(100, 3) == 1
    assert [line[1:] for line in await lines(store, acme)] == [(CLOSING, -7, 7, 7, "", -7)]


async def test_more_lines_than_one_statement_takes(store: Store) -> None:
    acme = (await store.accounts.declare("acme", "EUR", 0, 0, 1)).id
    for n in range(1, 1101):
        await store.ledger.top_up(acme, 1, "", n * DAY_MS)  # parts the lines beside it
        await moved(store, acme, (CHARGE, -1, 1, n * DAY_MS), (REFUND, 1, 1, n * DAY_MS))
    await closed(store, 2000 * DAY_MS, 5000)
    assert len(await fetched(store, "id")) == 2200
    assert await fetched(store, "message_count") == [0] * 2200


async def test_a_line_counts_no_more_messages_than_its_column_takes(store: Store) -> None:
    acme = (await store.accounts.declare("acme", "EUR", -1000, 0, 1)).id
    await moved(store, acme, (CHARGE, -1, MOST_MESSAGES, 1), (CHARGE, -1, 1, 2))
    await closed(store, 100)
    counts = [line.message_count for line in await lines(store, acme)]
    assert counts == [MOST_MESSAGES, 1]


async def test_a_closing_of_unknown_fate_is_taken_up_from_the_start(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = (await store.accounts.declare("acme", "EUR", -1000, 0, 1)).id
    await moved(store, acme, *((CHARGE, -1, 1, n) for n in range(1, 6)))
    assert await store.retention.close_ledger(3, 10) == 2
    transaction = store._engine.transaction

    @asynccontextmanager
    async def whose_answer_is_lost() -> AsyncIterator[Transaction]:
        async with transaction() as it:
            yield it
        raise StoreUnavailable("of the test")

    monkeypatch.setattr(store._engine, "transaction", whose_answer_is_lost)
    with pytest.raises(StoreUnavailable, match="of the test"):
        await store.retention.close_ledger(5, 10)
    monkeypatch.undo()
    await closed(store, 100)
    assert [line[1:] for line in await lines(store, acme)] == [(CLOSING, -5, 5, 5, "", -5)]
