"""Opening a store: URLs, migrations, a second daemon, what a restart finds."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.domain.errors import ConfigurationError, StoreUnavailable
from gateway.domain.lifecycle import MessageState
from gateway.runtime.clock import LoopClock
from gateway.store.migrate import known_migrations
from gateway.store.store import Store
from tests.support.groups import change, new_message, writable, write

OpenStore = Callable[..., Any]


class HastyClock(LoopClock):
    """Waits of a second are over at once."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.slept_s = 0.0
        self.monotonic = lambda: self.slept_s

    async def sleep(self, delay_s: float) -> None:
        self.slept_s += delay_s
        await asyncio.sleep(0)


async def test_empty_store_is_migrated_once(open_store: OpenStore, store_url: str) -> None:
    store = await open_store(store_url)
    names = [m.name for m in known_migrations(store._engine.dialect)]
    assert store.applied_migrations == names
    await write(store, new_messages=[new_message(1)])
    await store.close()

    again = await open_store(store_url)
    assert again.applied_migrations == []
    assert await again.messages.last_key() == 1
    rows = await again._engine.fetch("SELECT name FROM migration ORDER BY number")
    assert [name for (name,) in rows] == names


async def test_store_that_lacks_migrations_is_refused_when_told_so(
    open_store: OpenStore, store_url: str
) -> None:
    with pytest.raises(ConfigurationError, match="lacks migration 0001_initial"):
        await open_store(store_url, migrate=False)
    await (await open_store(store_url)).close()
    await open_store(store_url, migrate=False)


async def test_store_of_a_newer_program_is_refused(open_store: OpenStore, store_url: str) -> None:
    store = await open_store(store_url)
    async with store._engine.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO migration (number, name, applied_at_ms) VALUES (9999, '9999_later', 1)"
        )
    await store.close()
    for migrate in (True, False):
        with pytest.raises(ConfigurationError, match="migration 9999_later"):
            await open_store(store_url, migrate=migrate)


async def test_failed_migration_leaves_nothing(
    open_store: OpenStore, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(store_url)
    await store.close()

    from gateway.store import migrate

    broken = migrate.Migration(
        9000, "9000_broken", "CREATE TABLE extra (id bigint);\nCREATE NONSENSE;"
    )
    monkeypatch.setattr(
        migrate, "known_migrations", lambda dialect: [*known_migrations(dialect), broken]
    )
    with pytest.raises(StoreUnavailable):
        await open_store(store_url)
    monkeypatch.undo()

    again = await open_store(store_url)
    async with again._engine.transaction() as transaction:
        await transaction.execute("CREATE TABLE extra (id bigint)")  # it is not there


async def test_an_older_store_gets_its_new_indexes(
    open_store: OpenStore, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.store import migrate

    monkeypatch.setattr(migrate, "known_migrations", lambda dialect: known_migrations(dialect)[:1])
    store = await open_store(store_url)
    await write(store, new_messages=[new_message(1)])
    sent = change(1, MessageState.QUEUED, MessageState.SENT, provider_message_id="00AB12")
    await write(store, message_changes=[sent])
    await store.close()
    monkeypatch.undo()

    again = await open_store(store_url)
    [row] = await again.messages.by_provider_message_id(1, ["ab12"])
    assert row.provider_message_id == "00AB12"


async def test_senders_of_an_older_store_may_send_as_before(
    open_store: OpenStore, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.store import migrate

    older = [m for m in known_migrations("sqlite") if m.number < 6]
    monkeypatch.setattr(
        migrate, "known_migrations", lambda dialect: known_migrations(dialect)[: len(older)]
    )
    store = await open_store(store_url)
    async with store._engine.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO account (name, currency, origin, created_at_ms) VALUES ('a', 'EUR', 1, 1)"
        )
        for name, state in (("ASKED", 0), ("USED", 1), ("GONE", 2)):
            await transaction.execute(
                "INSERT INTO sender (account_id, name, state, origin, changed_at_ms)"
                " VALUES (1, ?, ?, 2, 7)",
                name,
                state,
            )
    await store.close()
    monkeypatch.undo()

    again = await open_store(store_url)
    rows = {row.name: row for row in await again.senders.load_senders()}
    assert {n: (r.state, r.verification, r.created_at_ms) for n, r in rows.items()} == {
        "ASKED": (0, 0, 7), "USED": (1, 1, 7), "GONE": (2, 1, 7),
    }  # fmt: skip
    assert rows["USED"].may_send
    assert (rows["USED"].approved_at_ms, rows["USED"].verified_at_ms) == (7, 7)
    assert len({row.id for row in rows.values()}) == 3
    assert await again.senders.request_sender(1, "NEW", 8) is not None


async def test_second_daemon_is_shut_out(open_store: OpenStore, store_url: str) -> None:
    store = await open_store(store_url)
    with pytest.raises(StoreUnavailable, match="another daemon"):
        await open_store(store_url, clock=HastyClock())
    assert await writable(store)
    await store.close()
    await open_store(store_url)


async def test_open_store_is_writable(store: Store) -> None:
    assert await writable(store)


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite://host/x.db", "mysql://u:hunter2@h/db", "store.db", ""],
)
async def test_url_that_is_no_store(open_store: OpenStore, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\[store\] url must be") as caught:
        await open_store(url)
    assert "hunter2" not in str(caught.value)
