"""PostgreSQL goes away: at rest, in the middle of a group, and in the middle of a COMMIT."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.errors import ConfigurationError, StoreRejected, StoreUnavailable
from gateway.domain.lifecycle import MessageState as S
from gateway.store import postgres
from gateway.store.store import Store
from tests.support.databases import PostgresServer
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
from tests.support.severing_proxy import Cut, SeveringProxy
from tests.support.waiting import until

OpenStore = Callable[..., Any]

LOCK_ID = 0x506F_7374_6572_6E00
WRITER = "application_name = 'postern' AND datname = current_database()"


@pytest.fixture
async def proxy(postgres: PostgresServer) -> AsyncIterator[SeveringProxy]:
    folder = Path(tempfile.mkdtemp(prefix="postern-proxy-"))  # short: it is a socket's name
    proxy = SeveringProxy(postgres.folder, folder)
    await proxy.start()
    yield proxy
    await proxy.stop()
    shutil.rmtree(folder)


@pytest.fixture
async def store(
    open_store: OpenStore, postgres: PostgresServer, postgres_database: str, proxy: SeveringProxy
) -> Store:
    """A store behind the proxy."""
    return await open_store(postgres.url(postgres_database, proxy.folder))


@pytest.fixture
async def behind(postgres: PostgresServer, postgres_database: str) -> AsyncIterator[Any]:
    """A connection to the store's database that the store knows nothing of."""
    connection = await postgres.connect(postgres_database)
    yield connection
    await connection.close()


async def recovered(store: Store) -> None:
    """Until the store takes writes again."""
    await until(lambda: writable(store))


async def exists(store: Store, key: int) -> bool:
    """Asks as soon as the store can be read again."""
    found: list[object] = []

    async def asked() -> bool:
        try:
            found.append(await store.messages.message(key))
        except StoreUnavailable:
            return False
        return True

    await until(asked)
    return found[0] is not None


async def writer_waits(behind: Any, event: str) -> None:
    """Until the store's writing session waits for `event`."""
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE {WRITER} AND {event}"  # noqa: S608
    await until(lambda: behind.fetchval(sql))


async def kill_writer(behind: Any) -> None:
    sql = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {WRITER}"  # noqa: S608
    await behind.execute(sql)


async def test_commit_on_disk_whose_answer_was_lost_is_a_success(
    store: Store, proxy: SeveringProxy, deaths: list[str]
) -> None:
    acme = (await store.accounts.declare("acme", "EUR", 0, 10 * PRICE, 1)).id
    proxy.cut_next_commit = "after"
    assert await commit(store, accepting(acme, 1)) is None
    assert await exists(store, 1)
    assert await store.ledger.verify() == []
    assert await commit(store, accepting(acme, 2)) is None
    assert deaths == []


async def test_commit_that_never_arrived_is_unavailable_and_wrote_nothing(
    store: Store, proxy: SeveringProxy
) -> None:
    acme = (await store.accounts.declare("acme", "EUR", 0, 10 * PRICE, 1)).id
    proxy.cut_next_commit = "before"
    error = await commit(store, accepting(acme, 1))
    assert isinstance(error, StoreUnavailable)
    assert "rolled back" in str(error)
    assert not await exists(store, 1)
    # The same group fits now: nothing of it was there.
    assert await commit(store, accepting(acme, 1)) is None


@pytest.mark.parametrize("cut", ["after", "before"])
async def test_marker_is_right_many_times_over(
    store: Store, proxy: SeveringProxy, cut: Cut
) -> None:
    for key in range(1, 5):
        await write(store, new_messages=[new_message(10 * key)])
        proxy.cut_next_commit = cut
        error = await commit(store, group_of(new_messages=[new_message(10 * key + 1)]))
        assert (error is None) == (cut == "after")
        assert await exists(store, 10 * key + 1) == (cut == "after")


async def test_doubt_is_not_settled_while_the_old_session_lives(
    store: Store, proxy: SeveringProxy
) -> None:
    proxy.cut_next_commit = "half"
    before = proxy.connections
    pending = asyncio.ensure_future(commit(store, group_of(new_messages=[new_message(1)])))
    await proxy.wait_for_connections(before + 2)  # it has asked, and asked again
    assert not pending.done()
    # Others are told at once meanwhile.
    with pytest.raises(StoreUnavailable):
        await store.providers.declare("one")
    proxy.end_sessions()
    assert await pending is None


async def test_backend_killed_during_commit(store: Store, behind: Any) -> None:
    await behind.execute("""
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON message DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION slow();
    """)
    pending = asyncio.ensure_future(commit(store, group_of(new_messages=[new_message(1)])))
    await writer_waits(behind, "wait_event = 'PgSleep'")  # inside COMMIT
    await kill_writer(behind)
    assert isinstance(await pending, StoreUnavailable)
    await recovered(store)
    assert not await exists(store, 1)
    await behind.execute("DROP TRIGGER slow ON message")
    await write(store, new_messages=[new_message(1)])


async def test_commit_refused_by_the_server_is_settled_at_once(store: Store, behind: Any) -> None:
    await behind.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE check_violation; END $$;
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON message DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (NEW.key = 2) EXECUTE FUNCTION refuse();
    """)
    bad = group_of(new_messages=[new_message(1), new_message(2)])
    assert isinstance(await commit(store, bad), StoreRejected)
    assert not await exists(store, 1)
    await write(store, new_messages=[new_message(1)])


async def test_group_in_progress_when_the_backend_dies_wrote_nothing(
    store: Store, behind: Any
) -> None:
    await write(store, new_messages=[new_message(1)])
    async with behind.transaction():
        await behind.execute("SELECT key FROM message WHERE key = 1 FOR UPDATE")
        group = group_of(
            new_messages=[new_message(2)], message_changes=[change(1, S.QUEUED, S.SENT)]
        )
        pending = asyncio.ensure_future(commit(store, group))
        await writer_waits(behind, "wait_event_type = 'Lock'")
        await kill_writer(behind)
        assert isinstance(await pending, StoreUnavailable)
    await recovered(store)
    assert not await exists(store, 2)


async def test_group_that_the_server_does_not_get_done_is_given_up_and_undone(
    store: Store, behind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "GROUP_TIMEOUT_S", 0.3)
    await write(store, new_messages=[new_message(1)])
    async with behind.transaction():
        await behind.execute("SELECT key FROM message WHERE key = 1 FOR UPDATE")
        group = group_of(
            new_messages=[new_message(2)], message_changes=[change(1, S.QUEUED, S.SENT)]
        )
        error = await commit(store, group)
        assert isinstance(error, StoreUnavailable)
        assert "before COMMIT" in str(error)
    await recovered(store)
    assert not await exists(store, 2)
    assert await commit(store, group) is None


async def test_an_error_of_any_kind_on_a_lost_connection_is_nobodys_content(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver surprised by the loss must not have rows refused for ever."""

    async def surprised(connection: Any, _group: object) -> None:
        connection.terminate()
        raise AttributeError("'NoneType' object has no attribute 'write'")

    monkeypatch.setattr(postgres, "write_group", surprised)
    error = await commit(store, group_of(new_messages=[new_message(1)]))
    assert isinstance(error, StoreUnavailable)
    monkeypatch.undo()
    await recovered(store)
    await write(store, new_messages=[new_message(1)])


async def test_away_means_unavailable_at_once_and_back_means_back(
    store: Store, proxy: SeveringProxy, deaths: list[str]
) -> None:
    await write(store, new_messages=[new_message(1)])
    await proxy.stop()
    assert isinstance(
        await commit(store, group_of(new_messages=[new_message(2)])), StoreUnavailable
    )
    with pytest.raises(StoreUnavailable):
        await store.messages.last_key()
    with pytest.raises(StoreUnavailable):
        await store.ledger.top_up(1, 1, "", 1)
    assert not await writable(store)
    await proxy.start()
    await recovered(store)
    await write(store, new_messages=[new_message(2)])
    assert await exists(store, 1)
    assert deaths == []


async def test_closing_while_the_server_is_away_ends_the_doubt_and_the_store(
    store: Store, proxy: SeveringProxy
) -> None:
    proxy.cut_next_commit = "half"
    before = proxy.connections
    pending = asyncio.ensure_future(commit(store, group_of(new_messages=[new_message(1)])))
    await proxy.wait_for_connections(before + 1)
    async with asyncio.timeout(20):
        await store.close()
        error = await pending
    assert isinstance(error, StoreUnavailable)
    assert "cannot ask" in str(error)


async def test_daemon_whose_store_was_taken_over_dies(
    store: Store, proxy: SeveringProxy, behind: Any, deaths: list[str], died: asyncio.Event
) -> None:
    await proxy.stop()
    # Its session is over, and another daemon opens the store.
    await until(lambda: behind.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_ID))
    await behind.execute("UPDATE commit_marker SET run = run - 1")
    await proxy.start()
    async with asyncio.timeout(20):
        await died.wait()
    assert "another daemon has taken over" in deaths[0]


async def test_disk_full_is_unavailable(store: Store, behind: Any) -> None:
    await behind.execute("""
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE disk_full USING MESSAGE = 'no space left on device'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON message EXECUTE FUNCTION full_disk();
    """)
    error = await commit(store, group_of(new_messages=[new_message(1)]))
    assert isinstance(error, StoreUnavailable)
    assert "no space left" in str(error)
    await behind.execute("DROP TRIGGER full_disk ON message")
    await write(store, new_messages=[new_message(1)])


async def test_zero_octet_in_text_is_refused(store: Store) -> None:
    bad = group_of(new_messages=[new_message(1), new_message(2, text="zero \x00 octet")])
    assert isinstance(await commit(store, bad), StoreRejected)
    assert not await exists(store, 1)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgresql://postgres:hunter2@/nowhere?host={folder}", StoreUnavailable),
        ("postgresql://postgres:hunter2@/postgres?host={folder}/nobody", StoreUnavailable),
        ("postgresql://postgres:hunter2@127.0.0.1:notaport/postgres", ConfigurationError),
    ],
)
async def test_server_that_cannot_be_reached_is_named_without_the_password(
    open_store: OpenStore, postgres: PostgresServer, url: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        await open_store(url.format(folder=postgres.folder))
    assert "hunter2" not in str(caught.value)
