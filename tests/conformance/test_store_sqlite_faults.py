"""SQLite in trouble: disk full, read-only, locked, a log that grows; and the rights of its files."""

import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.errors import StoreUnavailable
from gateway.domain.lifecycle import MessageState as S
from gateway.store import sqlite as engine_module
from gateway.store.sqlite import SqliteEngine
from gateway.store.store import Store
from tests.support.clock import FakeClock
from tests.support.groups import change, commit, group_of, new_message, write
from tests.support.waiting import until

OpenStore = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(open_store: OpenStore, path: Path) -> Store:
    return await open_store(f"sqlite:///{path}")


async def pragma(store: Store, text: str) -> None:
    """Sets it on the writer's connection."""
    engine = store._engine
    assert isinstance(engine, SqliteEngine)
    await engine._writer.call(lambda connection: connection.execute(f"PRAGMA {text}").fetchall())


def octets(path: Path) -> int:
    return path.stat().st_size


def log_octets(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def no_database(path: Path) -> Iterator[None]:
    path.write_bytes(b"Dear diary, " * 1000)
    yield
    path.unlink(missing_ok=True)


async def pages(store: Store) -> int:
    return int((await store._engine.fetch("PRAGMA page_count"))[0][0])


async def test_disk_full_is_unavailable_and_passes(store: Store) -> None:
    await write(store, new_messages=[new_message(1)])
    await pragma(store, f"max_page_count = {await pages(store)}")
    many = group_of(
        new_messages=[new_message(key, text="x" * 1000) for key in range(2, 200)],
        message_changes=[change(1, S.QUEUED, S.SENT)],
    )
    error = await commit(store, many)
    assert isinstance(error, StoreUnavailable)
    assert "full" in str(error)
    row = await store.messages.message(1)
    assert row is not None
    assert row.state == S.QUEUED
    assert await store.messages.last_key() == 1

    await pragma(store, "max_page_count = 1000000")
    assert await commit(store, many) is None


async def test_read_only_store_is_unavailable_and_still_read(store: Store) -> None:
    await write(store, new_messages=[new_message(1)])
    await pragma(store, "query_only = 1")
    assert isinstance(
        await commit(store, group_of(new_messages=[new_message(2)])), StoreUnavailable
    )
    assert not await store.writable()
    assert await store.messages.last_key() == 1


async def test_file_held_by_another_program_is_unavailable(store: Store, path: Path) -> None:
    await pragma(store, "busy_timeout = 1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert isinstance(
        await commit(store, group_of(new_messages=[new_message(1)])), StoreUnavailable
    )
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.providers.declare("one")
    other.execute("ROLLBACK")
    other.close()
    await write(store, new_messages=[new_message(1)])


async def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="readonly"):
        await store._engine.fetch("DELETE FROM message")


@pytest.mark.usefixtures("no_database")
async def test_file_that_is_no_database(open_store: OpenStore, path: Path) -> None:
    # Twice: the failed attempt does not keep the lock.
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="not a database"):
            await open_store(f"sqlite:///{path}")


async def test_missing_folder_is_named(open_store: OpenStore, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        await open_store(f"sqlite:///{tmp_path}/nowhere/store.db")


async def test_only_the_owner_can_read_the_files(store: Store, path: Path) -> None:
    await write(store, new_messages=[new_message(1)])
    for suffix in ("", "-wal", "-shm", ".lock"):
        assert mode(Path(f"{path}{suffix}")) == 0o600, suffix


async def test_relative_path(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await open_store("sqlite:///./here.db")
    assert (tmp_path / "here.db").exists()


# --- the write-ahead log ------------------------------------------------------------------------


async def test_traffic_is_checkpointed_every_quarter_second(
    open_store: OpenStore, path: Path
) -> None:
    clock = FakeClock()
    store = await open_store(f"sqlite:///{path}", clock=clock)
    await write(store, new_messages=[new_message(key, text="x" * 1000) for key in range(1, 300)])
    assert octets(path) < 300_000  # the log has what the file lacks

    async def is_in_the_file() -> bool:
        await store.messages.last_key()  # gives the checkpointer's thread some real time
        return octets(path) > 300_000

    await clock.advance_async(engine_module.CHECKPOINT_INTERVAL_S)
    await until(is_in_the_file)


async def test_log_over_its_cap_is_emptied(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = store._engine
    assert isinstance(engine, SqliteEngine)
    await write(store, new_messages=[new_message(key, text="x" * 1000) for key in range(1, 300)])
    await engine.checkpoint()
    assert log_octets(path) > 300_000  # below the cap the file is left as it is
    monkeypatch.setattr(engine_module, "WAL_LIMIT_BYTES", 300_000)
    await engine.checkpoint()
    assert log_octets(path) == 0
    await write(store, new_messages=[new_message(300)])


async def test_log_is_kept_while_a_reader_needs_it(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = store._engine
    assert isinstance(engine, SqliteEngine)
    monkeypatch.setattr(engine_module, "WAL_LIMIT_BYTES", 10_000)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM message").fetchall()
    await write(store, new_messages=[new_message(key, text="x" * 1000) for key in range(1, 300)])
    await engine.checkpoint()
    assert log_octets(path) > 300_000
    # The store goes on, and the reader still sees its moment.
    await write(store, new_messages=[new_message(300)])
    assert reader.execute("SELECT count(*) FROM message").fetchone() == (0,)
    reader.close()


async def test_failed_checkpoint_is_reported_and_tried_again(
    open_store: OpenStore,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    store = await open_store(f"sqlite:///{path}", clock=clock)
    failures = 0

    async def fail() -> None:
        nonlocal failures
        failures += 1
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(store._engine, "checkpoint", fail)
    for key in (1, 2):
        await write(store, new_messages=[new_message(key)])
        await clock.advance_async(2 * engine_module.CHECKPOINT_INTERVAL_S)
    assert failures == 2
    assert [r.getMessage() for r in caplog.records] == ["store.checkpoint_failed"] * 2
