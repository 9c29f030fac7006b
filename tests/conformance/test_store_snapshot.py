"""A store read as of one moment, beside its daemon or without one."""

from pathlib import Path

import pytest

from gateway.domain.errors import ConfigurationError, StoreUnavailable
from gateway.store.audit import LedgerAudit, differences_of
from gateway.store.snapshot import snapshot
from gateway.store.store import Store
from tests.conformance.conftest import OpenStore
from tests.support.databases import PostgresServer
from tests.support.groups import PRICE, accepting, commit

BALANCE = "SELECT balance_micros FROM account"


async def test_it_sees_one_moment_while_the_daemon_writes(store: Store, store_url: str) -> None:
    acme = (await store.accounts.declare("acme", "EUR", 0, 10 * PRICE, 1)).id
    async with snapshot(store_url) as fetch:
        audit = LedgerAudit(fetch)
        assert await commit(store, accepting(acme, 1, 2)) is None
        await store.ledger.top_up(acme, PRICE, "", 1)
        [before] = await audit.run()
        assert await commit(store, accepting(acme, 3)) is None
        [again] = await LedgerAudit(fetch).run()
    assert before == again
    assert (before.balance_micros, before.message_count) == (10 * PRICE, 0)
    async with snapshot(store_url) as fetch:
        [after] = await LedgerAudit(fetch).run()
    assert (after.balance_micros, after.message_count) == (8 * PRICE, 3)
    assert differences_of([before, after]) == []


async def test_it_needs_no_daemon(store: Store, store_url: str) -> None:
    await store.accounts.declare("acme", "EUR", 0, 7, 1)
    await store.close()
    async with snapshot(store_url) as fetch:
        assert await fetch(BALANCE) == [(7,)]
        assert await fetch(f"{BALANCE} WHERE name = ? AND id > ?", "acme", 0) == [(7,)]


async def test_a_daemon_starts_and_migrates_nothing_away_beside_it(
    store: Store, store_url: str, open_store: OpenStore
) -> None:
    await store.accounts.declare("acme", "EUR", 0, 7, 1)
    await store.close()
    async with snapshot(store_url) as fetch:
        daemon = await open_store(store_url)
        await daemon.ledger.top_up(1, 3, "", 1)
        assert await fetch(BALANCE) == [(7,)]


async def test_it_cannot_write(store: Store, store_url: str) -> None:
    await store.accounts.declare("acme", "EUR", 0, 7, 1)
    with pytest.raises(StoreUnavailable, match="read"):
        async with snapshot(store_url) as fetch:
            await fetch("UPDATE account SET balance_micros = 0 RETURNING id")
    assert (await store.accounts.load())[0].balance_micros == 7


@pytest.mark.parametrize(
    ("tampering", "reason"),
    [
        ("DELETE FROM migration WHERE number = 1", "lacks migration 0001_.*run `postern migrate`"),
        ("INSERT INTO migration VALUES (9999, '9999_later', 1)", "start the newer program"),
    ],
)
async def test_another_schema_is_refused(
    store: Store, store_url: str, tampering: str, reason: str
) -> None:
    async with store._engine.transaction() as transaction:
        await transaction.execute(tampering)
    with pytest.raises(ConfigurationError, match=reason):
        async with snapshot(store_url):
            pass


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "absent.db"
    with pytest.raises(StoreUnavailable, match=str(path)):
        async with snapshot(f"sqlite:///{path}"):
            pass
    assert not path.exists()


async def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(StoreUnavailable, match=r"empty\.db.*migration"):
        async with snapshot(f"sqlite:///{path}"):
            pass


async def test_a_database_that_is_not_there(postgres: PostgresServer) -> None:
    with pytest.raises(StoreUnavailable, match="absent"):
        async with snapshot(postgres.url("absent")):
            pass


async def test_a_url_that_names_no_store() -> None:
    with pytest.raises(ConfigurationError, match="mysql"):
        async with snapshot("mysql://host/db"):
            pass
