"""Top-ups, statements, and the proof that the sums agree."""

import pytest

from gateway.domain.commit_group import CreditChange, LedgerKind, LedgerLine
from gateway.domain.errors import CreditConflict, StoreRejected
from gateway.domain.lifecycle import MessageState as S
from gateway.domain.lifecycle import MoneyState
from gateway.store.store import Store
from tests.support.groups import PRICE, accepting, change, commit, new_message, write


async def account(store: Store, opening: int = 10 * PRICE, limit: int = 0) -> int:
    return (await store.accounts.declare("acme", "EUR", limit, opening, 1)).id


async def test_top_up_adds_and_is_noted(store: Store) -> None:
    acme = await account(store)
    assert await store.ledger.top_up(acme, 5, "invoice 7", 44) == 10 * PRICE + 5
    [line] = await store.ledger.statement(acme, None, 1)
    assert line[1:] == (LedgerKind.TOP_UP, 5, 0, 44, "invoice 7", 10 * PRICE + 5)
    assert (await store.accounts.load())[0].balance_micros == 10 * PRICE + 5


async def test_adjustment_takes_down_to_the_limit_and_no_further(store: Store) -> None:
    acme = await account(store, opening=100, limit=-50)
    assert await store.ledger.top_up(acme, -150, "", 1) == -50
    with pytest.raises(CreditConflict) as caught:
        await store.ledger.top_up(acme, -1, "", 2)
    assert caught.value.account_ids == {acme}
    entries = await store.ledger.statement(acme, None, 10)
    assert [e.kind for e in entries] == [LedgerKind.ADJUSTMENT, LedgerKind.OPENING]
    assert await store.ledger.verify() == []


async def test_top_up_helps_an_account_below_its_limit(store: Store) -> None:
    acme = await account(store, opening=0)
    await write(
        store,
        credit=[CreditChange(acme, -100, 0, False)],
        ledger=[LedgerLine(acme, LedgerKind.CHARGE, -100, 1, 1, "")],
    )
    assert await store.ledger.top_up(acme, 30, "", 1) == -70


async def test_top_up_of_nothing_or_nobody(store: Store) -> None:
    acme = await account(store)
    with pytest.raises(ValueError, match="0 moves nothing"):
        await store.ledger.top_up(acme, 0, "", 1)
    with pytest.raises(StoreRejected, match="no account 404"):
        await store.ledger.top_up(404, -5, "", 1)


async def test_statement_pages_backwards(store: Store) -> None:
    acme = await account(store, opening=0)
    for n in range(1, 6):
        await store.ledger.top_up(acme, n, "", n)
    first = await store.ledger.statement(acme, None, 2)
    second = await store.ledger.statement(acme, first[-1].id, 2)
    third = await store.ledger.statement(acme, second[-1].id, 2)
    assert [e.amount_micros for e in [*first, *second, *third]] == [5, 4, 3, 2, 1]
    assert [e.balance_micros for e in [*first, *second, *third]] == [15, 10, 6, 3, 1]


async def test_sums_agree_over_a_message_life(store: Store) -> None:
    acme = await account(store)
    assert await commit(store, accepting(acme, 1, 2, 3)) is None
    held = new_message(4, account_id=acme, charge_micros=PRICE, money=MoneyState.HELD)
    await write(store, new_messages=[held], credit=[CreditChange(acme, 0, PRICE, True)])
    assert await store.ledger.verify() == []
    await write(  # one is refunded, the hold becomes a charge
        store,
        message_changes=[
            change(1, S.QUEUED, S.FAILED, money=MoneyState.REFUNDED),
            change(4, S.QUEUED, S.SENT, money=MoneyState.CHARGED),
        ],
        credit=[CreditChange(acme, 0, -PRICE, False)],
        ledger=[
            LedgerLine(acme, LedgerKind.REFUND, PRICE, 1, 1, ""),
            LedgerLine(acme, LedgerKind.CHARGE, -PRICE, 1, 1, ""),
        ],
    )
    assert await store.ledger.verify() == []


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE account SET balance_micros = balance_micros + 1", "sum of its ledger lines"),
        ("UPDATE account SET held_micros = 1", "held"),
        ("DELETE FROM message WHERE key = 1", "charges minus refunds"),
        ("UPDATE message SET money = 3 WHERE key = 2", "charges minus refunds"),
        ("UPDATE ledger SET balance_micros = balance_micros - 1", "last ledger line"),
    ],
)
async def test_verify_finds_what_does_not_agree(store: Store, tampering: str, found: str) -> None:
    acme = await account(store)
    assert await commit(store, accepting(acme, 1, 2)) is None
    async with store._engine.transaction() as transaction:
        await transaction.execute(tampering)
    problems = await store.ledger.verify()
    assert any(found in text for text in problems), problems
    assert all("'acme'" in text for text in problems)
