"""`postern ledger verify` finds every way in which money and rows can disagree, and nothing else."""

from typing import Any

import pytest

from gateway.domain.commit_group import (
    CreditChange,
    EventKind,
    LedgerKind,
    LedgerLine,
    MessageEvent,
)
from gateway.domain.errors import StoreRejected
from gateway.domain.lifecycle import MessageState as S
from gateway.domain.lifecycle import MoneyState
from gateway.store import audit
from gateway.store.audit import AccountAudit, LedgerAudit, differences_of
from gateway.store.store import Store
from tests.support.groups import PRICE, accepting, change, commit, new_message, write

BROKEN_KEYS = range(100, 125)


async def accounts(store: Store, *names: str, opening: int = 10 * PRICE) -> list[int]:
    return [(await store.accounts.declare(n, "EUR", 0, opening, 1)).id for n in names]


async def tamper(store: Store, sql: str, *params: object) -> None:
    async with store._engine.transaction() as transaction:
        assert await transaction.execute(sql, *params)


async def audited(store: Store, account: str | None = None, **options: Any) -> list[AccountAudit]:
    return await LedgerAudit(store._engine.fetch, **options).run(account)


async def lived_in(store: Store) -> tuple[int, int]:
    """Two accounts whose messages went every legal way, some of them purged."""
    acme, other = await accounts(store, "acme", "other")
    assert await commit(store, accepting(acme, 1, 2, 3, 4)) is None
    assert await commit(store, accepting(other, 5, 6)) is None
    await write(
        store,
        new_messages=[
            new_message(7, account_id=acme, charge_micros=PRICE, money=MoneyState.HELD),
            new_message(8, account_id=acme),
        ],
        credit=[CreditChange(acme, 0, PRICE, True)],
    )
    await write(
        store,
        message_changes=[
            change(1, S.QUEUED, S.DELIVERED, money=MoneyState.CHARGED),
            change(2, S.QUEUED, S.FAILED, money=MoneyState.REFUNDED),
            change(3, S.QUEUED, S.UNKNOWN, money=MoneyState.CHARGED),
            change(4, S.QUEUED, S.SENT, money=MoneyState.CHARGED),
        ],
        credit=[CreditChange(acme, PRICE, 0, False)],
        ledger=[LedgerLine(acme, LedgerKind.REFUND, PRICE, 1, 1, "")],
    )
    await store.ledger.top_up(acme, 3 * PRICE, "", 5)
    await store.ledger.top_up(acme, -PRICE, "", 6)
    assert await store.retention.purge_finished(3, 10) == 2
    return acme, other


async def test_a_sound_store(store: Store) -> None:
    await lived_in(store)
    acme, other = await audited(store)
    assert differences_of([acme, other]) == []
    assert acme.remarks() == other.remarks() == []
    assert (acme.name, acme.balance_micros, acme.held_micros) == ("acme", 9 * PRICE, PRICE)
    assert (acme.line_count, acme.message_count, acme.purged_count) == (5, 4, 2)
    assert (acme.charged_micros, acme.purged_micros) == (2 * PRICE, PRICE)
    assert (other.line_count, other.message_count, other.charged_micros) == (2, 2, 2 * PRICE)


@pytest.mark.parametrize("page", [1, 2, 50_000])
async def test_pages_change_nothing(
    store: Store, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lived_in(store)
    whole = await audited(store)
    monkeypatch.setattr(audit, "PAGE", page)
    seen: list[int] = []
    assert await audited(store, progress=seen.append) == whole
    assert seen == sorted(seen)
    assert seen[-1] == 7 + 6  # lines and messages


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE account SET balance_micros = balance_micros + 1 WHERE name = 'acme'",
         ["its balance is 0.315001, the sum of its ledger lines is 0.315",
          "its balance is 0.315001, the balance on its last ledger line is 0.315"]),
        ("UPDATE account SET held_micros = held_micros - 1 WHERE name = 'acme'",
         ["its held amount is 0.034999, the prices of its held messages is 0.035"]),
        ("UPDATE message SET money = 2 WHERE key = 7",
         ["its held amount is 0.035, the prices of its held messages is 0",
          "charges minus refunds is 0.105, the prices of its charged messages is 0.14"]),
        ("DELETE FROM message WHERE key = 4",
         ["charges minus refunds is 0.105, the prices of its charged messages is 0.07"]),
        ("UPDATE message SET charge_micros = charge_micros + 5 WHERE key = 4",
         ["charges minus refunds is 0.105, the prices of its charged messages is 0.105005"]),
        ("UPDATE ledger SET message_count = message_count + 3 WHERE kind = 3",
         ["charges minus refunds are of 6 messages, those charged are 2 and 2 purged"]),
        ("UPDATE ledger SET message_count = 1 WHERE kind = 3",
         ["charges minus refunds are of 0 messages, those charged are 2 and 2 purged"]),
        ("UPDATE ledger SET balance_micros = balance_micros - 1 WHERE kind = 2",
         ["ledger line {} leaves 0.349999, the line before it and its amount make 0.35",
          "ledger line {} leaves 0.315, the line before it and its amount make 0.314999"]),
        ("UPDATE ledger SET balance_micros = balance_micros - 1 WHERE kind = 5",
         ["its balance is 0.315, the balance on its last ledger line is 0.314999",
          "ledger line {} leaves 0.314999, the line before it and its amount make 0.315"]),
        ("DELETE FROM ledger WHERE kind = 4",
         ["its balance is 0.315, the sum of its ledger lines is 0.28",
          "charges minus refunds is 0.14, the prices of its charged messages is 0.105",
          "ledger line {} leaves 0.35, the line before it and its amount make 0.315"]),
    ],
)  # fmt: skip
async def test_each_difference_is_told(store: Store, tampering: str, found: list[str]) -> None:
    await lived_in(store)
    await tamper(store, tampering.replace("WHERE kind = 3", "WHERE kind = 3 AND account_id = 1"))
    acme, other = await audited(store)
    numberless = ["ledger line {} leaves" + t.partition("leaves")[2] if t.startswith("ledger line")
                  else t for t in acme.differences()]  # fmt: skip
    assert numberless == found
    assert other.differences() == []


@pytest.mark.parametrize(
    ("state", "money", "reason"),
    [
        (S.QUEUED, MoneyState.NONE, "has a price and was never paid"),
        (S.SENT, MoneyState.NONE, "has a price and was never paid"),
        (S.DELIVERED, MoneyState.NONE, "has a price and was never paid"),
        (S.FAILED, MoneyState.HELD, "has ended and its price is still held"),
        (S.UNKNOWN, MoneyState.HELD, "has ended and its price is still held"),
        (S.QUEUED, MoneyState.REFUNDED, "is on its way though its price was given back"),
        (S.SENT, MoneyState.REFUNDED, "is on its way though its price was given back"),
        (S.HANDED_OVER, MoneyState.REFUNDED, "was handed over though its price was given back"),
        (S.DELIVERED, MoneyState.REFUNDED, "was delivered though its price was given back"),
    ],
)
async def test_messages_that_contradict_themselves_are_named(
    store: Store, state: S, money: MoneyState, reason: str
) -> None:
    acme, _ = await accounts(store, "acme", "other", opening=100 * PRICE)
    assert await commit(store, accepting(acme, *BROKEN_KEYS)) is None
    await tamper(store, "UPDATE message SET state = ?, money = ?", int(state), int(money))
    found, other = await audited(store)
    assert [(m.key, m.reason) for m in found.faulty] == [(k, reason) for k in BROKEN_KEYS[:20]]
    assert "messages that contradict themselves: 25" in found.differences()
    texts = differences_of([found, other])
    assert f"account 'acme': message {100:016x} {reason}" in texts
    assert not any("'other'" in text for text in texts)


async def test_the_first_faults_are_gathered_over_pages(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    [acme] = await accounts(store, "acme")
    assert await commit(store, accepting(acme, *BROKEN_KEYS, price=1)) is None
    await tamper(store, "UPDATE message SET money = 3 WHERE key <> 102")
    monkeypatch.setattr(audit, "PAGE", 9)
    [found] = await audited(store)
    keys = [key for key in BROKEN_KEYS if key != 102]
    assert [message.key for message in found.faulty] == keys[:20]
    assert found.faulty_count == 24


@pytest.mark.parametrize(
    ("state", "money"),
    [
        (S.QUEUED, MoneyState.HELD),
        (S.SENT, MoneyState.HELD),
        (S.FAILED, MoneyState.CHARGED),
        (S.CANCELLED, MoneyState.REFUNDED),
        (S.EXPIRED, MoneyState.REFUNDED),
        (S.UNKNOWN, MoneyState.REFUNDED),
    ],
)
async def test_what_some_policy_allows_is_no_fault(
    store: Store, state: S, money: MoneyState
) -> None:
    [acme] = await accounts(store, "acme")
    assert await commit(store, accepting(acme, 1)) is None
    await tamper(store, "UPDATE message SET state = ?, money = ?", int(state), int(money))
    assert (await audited(store))[0].faulty == []


async def test_delivered_after_unknown_keeps_the_money_of_unknown(store: Store) -> None:
    [acme] = await accounts(store, "acme")
    assert await commit(store, accepting(acme, 1)) is None
    await write(
        store,
        message_changes=[change(1, S.QUEUED, S.DELIVERED, money=MoneyState.REFUNDED)],
        credit=[CreditChange(acme, PRICE, 0, False)],
        ledger=[LedgerLine(acme, LedgerKind.REFUND, PRICE, 1, 1, "")],
        events=[MessageEvent(1, 1, EventKind.LATE_RECEIPT, 1, "")],
    )
    assert differences_of(await audited(store)) == []


async def test_free_messages_owe_nothing(store: Store) -> None:
    [acme] = await accounts(store, "acme")
    await write(store, new_messages=[new_message(1, account_id=acme)])
    await write(store, message_changes=[change(1, S.QUEUED, S.DELIVERED)])
    assert differences_of(await audited(store)) == []


async def test_rows_of_nobody_are_told(store: Store) -> None:
    await accounts(store, "acme")
    free = new_message(1, account_id=404, charge_micros=7, money=MoneyState.CHARGED)
    await write(store, new_messages=[free])
    acme, nobody = await audited(store)
    assert acme.differences() == []
    assert nobody.name == "#404"
    assert "the prices of its charged messages is 0.000007" in nobody.differences()[0]


# --- the limit ----------------------------------------------------------------------------------


async def test_spending_below_the_limit_is_remarked(store: Store) -> None:
    [acme] = await accounts(store, "acme", opening=2 * PRICE)
    assert await commit(store, accepting(acme, 1, 2)) is None
    assert (await audited(store))[0].remarks() == []
    await store.ledger.top_up(acme, 9 * PRICE, "", 9)
    await tamper(store, "UPDATE account SET limit_micros = 1")
    [found] = await audited(store)
    assert found.differences() == []
    assert found.remarks() == [
        "it was spent down to 0, its limit is 0.000001: right only if the limit was raised since"
    ]


async def test_holds_count_against_the_limit(store: Store) -> None:
    [acme] = await accounts(store, "acme", opening=2 * PRICE)
    held = new_message(1, account_id=acme, charge_micros=PRICE, money=MoneyState.HELD)
    await write(store, new_messages=[held], credit=[CreditChange(acme, 0, PRICE, True)])
    await tamper(store, "UPDATE account SET limit_micros = ?", PRICE + 1)
    [found] = await audited(store)
    assert found.remarks()[0].startswith("it was spent down to 0.035, its limit is 0.035001")


async def test_a_charge_that_a_refund_of_the_same_commit_pays_for_is_sound(store: Store) -> None:
    [acme] = await accounts(store, "acme", opening=PRICE)
    assert await commit(store, accepting(acme, 1)) is None
    await write(
        store,
        new_messages=[
            new_message(2, account_id=acme, charge_micros=PRICE, money=MoneyState.CHARGED)
        ],
        message_changes=[change(1, S.QUEUED, S.FAILED, money=MoneyState.REFUNDED)],
        credit=[CreditChange(acme, 0, 0, True)],
        ledger=[
            LedgerLine(acme, LedgerKind.CHARGE, -PRICE, 1, 2_000, ""),
            LedgerLine(acme, LedgerKind.REFUND, PRICE, 1, 2_000, ""),
        ],
    )
    [found] = await audited(store)
    assert found.differences() == found.remarks() == []


# --- one account --------------------------------------------------------------------------------


async def test_one_account_alone(store: Store) -> None:
    await lived_in(store)
    await tamper(store, "UPDATE account SET balance_micros = 1 WHERE name = 'other'")
    whole = await audited(store)
    assert await audited(store, "acme") == whole[:1]
    assert await audited(store, "other") == whole[1:]
    assert whole[1].differences()


async def test_an_account_that_is_not_there(store: Store) -> None:
    await accounts(store, "acme", "other")
    with pytest.raises(StoreRejected, match="no account 'x'; accounts: acme, other"):
        await audited(store, "x")
