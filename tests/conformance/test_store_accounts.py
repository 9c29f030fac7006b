"""Accounts and credentials, as a reload of the configuration changes them."""

import pytest

from gateway.domain.commit_group import LedgerKind
from gateway.domain.errors import ConfigurationError, StoreRejected
from gateway.domain.identity import CredentialKind, Origin
from gateway.store.store import Store

TOKEN, SMPP = CredentialKind.TOKEN, CredentialKind.SMPP


async def account(store: Store, name: str = "acme") -> int:
    return (await store.accounts.declare(name, "EUR", 0, 0, 1)).id


async def enabled(store: Store) -> dict[int, bool]:
    return {c.id: c.enabled for c in await store.accounts.load_credentials()}


async def test_declared_account_comes_back(store: Store) -> None:
    row = await store.accounts.declare("acme", "USD", -5_000_000, 100_000_000, 77)
    assert row[1:] == ("acme", "USD", 100_000_000, 0, -5_000_000, 100_000_000, Origin.FILE, True)
    assert await store.accounts.load() == [row]
    [line] = await store.ledger.statement(row.id, None, 10)
    assert line[1:] == (LedgerKind.OPENING, 100_000_000, 0, 77, "", 100_000_000)


async def test_opening_credit_is_applied_once(store: Store) -> None:
    first = await store.accounts.declare("acme", "EUR", 0, 100, 1)
    again = await store.accounts.declare("acme", "EUR", 0, 100, 2)
    more = await store.accounts.declare("acme", "EUR", -7, 500, 3)
    assert again == first
    # The caller sees that the file asks for something else than was applied.
    assert (more.balance_micros, more.opening_micros, more.limit_micros) == (100, 100, -7)
    assert len(await store.ledger.statement(first.id, None, 10)) == 1
    assert await store.ledger.verify() == []


async def test_account_opened_without_credit_is_never_topped_up(store: Store) -> None:
    first = await store.accounts.declare("acme", "EUR", 0, 0, 1)
    again = await store.accounts.declare("acme", "EUR", 0, 500, 2)
    assert (again.balance_micros, again.opening_micros) == (0, 0)
    assert await store.ledger.statement(first.id, None, 10) == []


async def test_currency_of_an_account_cannot_change(store: Store) -> None:
    await account(store)
    with pytest.raises(ConfigurationError, match="'acme' holds EUR, the file says USD"):
        await store.accounts.declare("acme", "USD", 0, 0, 2)


async def test_undeclared_accounts_are_disabled_and_come_back(store: Store) -> None:
    for name in ("a", "b", "c"):
        await account(store, name)
    assert sorted(await store.accounts.disable_undeclared(["b"])) == ["a", "c"]
    assert await store.accounts.disable_undeclared(["b"]) == []
    assert {a.name: a.enabled for a in await store.accounts.load()} == {
        "a": False, "b": True, "c": False,
    }  # fmt: skip
    assert (await store.accounts.declare("a", "EUR", 0, 0, 2)).enabled


async def test_declared_credential_keeps_its_id(store: Store) -> None:
    acme = await account(store)
    id = await store.accounts.declare_credential(acme, SMPP, "acme")
    assert await store.accounts.declare_credential(acme, SMPP, "acme") == id
    assert await store.accounts.disable_undeclared_credentials([]) == [id]
    assert await enabled(store) == {id: False}
    assert await store.accounts.declare_credential(acme, SMPP, "acme") == id
    assert await enabled(store) == {id: True}
    [row] = await store.accounts.load_credentials()
    assert row == (id, acme, SMPP, "acme", None, None, "{}", Origin.FILE, True)


async def test_a_token_and_a_system_id_may_share_a_name(store: Store) -> None:
    acme = await account(store)
    one = await store.accounts.declare_credential(acme, SMPP, "acme")
    two = await store.accounts.declare_credential(acme, TOKEN, "acme")
    assert one != two


async def test_moved_system_id_is_another_credential_and_the_old_one_is_disabled(
    store: Store,
) -> None:
    acme, bolt = await account(store), await account(store, "bolt")
    old = await store.accounts.declare_credential(acme, SMPP, "gw")
    new = await store.accounts.declare_credential(bolt, SMPP, "gw")
    assert new != old
    assert await store.accounts.disable_undeclared_credentials([new]) == [old]
    assert await enabled(store) == {old: False, new: True}


async def test_token_made_by_command(store: Store) -> None:
    acme = await account(store)
    id = await store.accounts.create_token(acme, "ops", b"d" * 32)
    [row] = await store.accounts.load_credentials()
    assert row == (id, acme, TOKEN, "ops", b"d" * 32, None, "{}", Origin.STORE, True)
    with pytest.raises(StoreRejected, match="already has a token named 'ops'"):
        await store.accounts.create_token(acme, "ops", b"e" * 32)
    # What the file does not name, a reload does not touch.
    assert await store.accounts.disable_undeclared_credentials([]) == []
    assert await store.accounts.revoke_credential(id)
    assert not await store.accounts.revoke_credential(id)
    assert await enabled(store) == {id: False}
    assert await store.accounts.create_token(acme, "ops", b"e" * 32) != id


async def test_file_cannot_take_the_name_of_a_token_made_by_command(store: Store) -> None:
    acme, bolt = await account(store), await account(store, "bolt")
    await store.accounts.create_token(acme, "ops", b"d" * 32)
    with pytest.raises(ConfigurationError, match="token credential 'ops'"):
        await store.accounts.declare_credential(acme, TOKEN, "ops")
    await store.accounts.declare_credential(bolt, TOKEN, "ops")


async def test_token_of_no_account_is_refused(store: Store) -> None:
    with pytest.raises(StoreRejected):
        await store.accounts.create_token(404, "ops", b"d" * 32)
