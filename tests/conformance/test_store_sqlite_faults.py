"""SQLite in trouble: disk full, read-only, locked, a log that grows; and the rights of its files."""

import asyncio
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
from tests.support.clock import FakeClock, settle
from tests.support.groups import change, commit, group_of, new_message, writable, write
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


def path_of(store: Store) -> Path:
    engine = store._engine
    assert isinstance(engine, SqliteEngine)
    return engine._path


def octets(path: Path) -> int:
    return path.stat().st_size


def log_octets(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size


def copies(path: Path) -> list[Path]:
    """Of a store whose file was taken away."""
    return [copy for copy in path.parent.glob("*.saved-*") if octets(copy)]


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
    assert not await writable(store)
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


async def test_empty_group_asks_whether_the_disk_takes_writes(store: Store) -> None:
    await pragma(store, "query_only = 1")
    assert isinstance(await commit(store, group_of()), StoreUnavailable)
    await pragma(store, "query_only = 0")
    log = log_octets(path_of(store))
    assert await commit(store, group_of()) is None
    assert await commit(store, group_of(notified_keys=[1])) is None  # changes no row either
    assert log_octets(path_of(store)) > log


async def test_a_transaction_left_open_is_ended_by_the_next_group(store: Store) -> None:
    await pragma(store, "user_version")
    engine = store._engine
    assert isinstance(engine, SqliteEngine)
    await engine._writer.call(lambda connection: connection.execute("BEGIN"))
    assert isinstance(await commit(store, group_of()), StoreUnavailable)
    await write(store, new_messages=[new_message(1)])


async def test_traffic_waits_a_second_at_most_for_another_program(store: Store) -> None:
    rows = await store._engine._writer.call(  # type: ignore[attr-defined]
        lambda connection: connection.execute("PRAGMA busy_timeout").fetchall()
    )
    assert rows == [(1000,)]


async def test_file_held_at_the_start_is_waited_for_and_then_named(
    open_store: OpenStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await open_store(f"sqlite:///{path}")).close()
    monkeypatch.setattr(engine_module, "_OPEN_BUSY_MS", 50)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="locked; another program holds it"):
        await open_store(f"sqlite:///{path}")
    other.close()
    await open_store(f"sqlite:///{path}")


# --- files that are taken away ------------------------------------------------------------------


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at its files all the time."""
    monkeypatch.setattr(engine_module, "CHECKPOINT_INTERVAL_S", 0.001)
    monkeypatch.setattr(engine_module, "CHECKPOINT_PAUSES", 0)


async def taken_away(store: Store) -> None:
    """Until the store has noticed."""

    async def noticed() -> bool:
        return not await writable(store)

    await until(noticed)


def move(file: Path, to: Path) -> None:
    file.rename(to)


@pytest.mark.usefixtures("watchful")
@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_a_removed_file_ends_writing_and_everything_is_saved(
    open_store: OpenStore, path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = await open_store(f"sqlite:///{path}")
    await write(store, new_messages=[new_message(key) for key in range(1, 100)])
    move(Path(f"{path}{suffix}"), Path(f"{path}.elsewhere"))
    await taken_away(store)
    error = await commit(store, group_of(new_messages=[new_message(101)]))
    assert isinstance(error, StoreUnavailable)
    assert f"{path}{suffix} was removed or replaced; stop the daemon and move" in str(error)
    with pytest.raises(StoreUnavailable, match="removed"):
        await store.providers.declare("one")
    assert await store.messages.last_key() == 99  # what is there can still be read
    (saved,) = copies(path)
    assert str(saved) in str(error)
    assert mode(saved) == 0o600
    [record] = caplog.records
    assert (record.getMessage(), record.__dict__["fields"]) == (
        "store.file_gone",
        {"path": f"{path}{suffix}", "copy": str(saved)},
    )
    await store.close()
    again = await open_store(f"sqlite:///{saved}")
    assert await again.messages.last_key() == 99


async def test_what_was_written_before_the_loss_was_noticed_is_in_the_copy(
    open_store: OpenStore, path: Path
) -> None:
    clock = FakeClock()
    store = await open_store(f"sqlite:///{path}", clock=clock)
    move(path, Path(f"{path}.elsewhere"))
    await write(store, new_messages=[new_message(1)])

    async def is_saved() -> bool:
        await clock.advance_async(engine_module.CHECKPOINT_INTERVAL_S)
        return bool(copies(path))

    await until(is_saved)
    await store.close()
    again = await open_store(f"sqlite:///{copies(path)[0]}")
    assert await again.messages.last_key() == 1


@pytest.mark.usefixtures("watchful")
async def test_a_file_that_comes_back_is_used_again(open_store: OpenStore, path: Path) -> None:
    store = await open_store(f"sqlite:///{path}")
    move(path, Path(f"{path}.elsewhere"))
    await taken_away(store)
    move(Path(f"{path}.elsewhere"), path)
    await until(lambda: writable(store))


@pytest.mark.usefixtures("watchful")
async def test_a_group_that_waits_while_the_copy_is_made_is_not_written(
    open_store: OpenStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be in the file without a name, and not in the copy."""
    store = await open_store(f"sqlite:///{path}")
    engine = store._engine
    assert isinstance(engine, SqliteEngine)
    waiting: list[asyncio.Future[Exception | None]] = []
    began, save = asyncio.Event(), engine._save

    async def save_late(missing: Path) -> None:
        group = group_of(new_messages=[new_message(1)])
        waiting.append(asyncio.ensure_future(commit(store, group)))
        await settle()
        began.set()
        await save(missing)

    monkeypatch.setattr(engine, "_save", save_late)
    move(path, Path(f"{path}.elsewhere"))
    async with asyncio.timeout(20):
        await began.wait()
    assert isinstance(await waiting[0], StoreUnavailable)


@pytest.mark.usefixtures("watchful")
async def test_a_copy_that_cannot_be_made_is_said_so(
    open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    store = await open_store(f"sqlite:///{folder}/store.db")
    move(folder, tmp_path / "elsewhere")
    await taken_away(store)
    error = await commit(store, group_of())
    assert "put back what was there" in str(error)
    assert "No such file" in caplog.records[0].__dict__["fields"]["copy"]


# --- as files -----------------------------------------------------------------------------------


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


async def test_log_over_its_cap_begins_again(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = store._engine
    assert isinstance(engine, SqliteEngine)
    monkeypatch.setattr(engine_module, "WAL_LIMIT_BYTES", 300_000)
    monkeypatch.setattr(engine_module, "FORCED_CHECKPOINT_INTERVAL_S", 0.0)
    largest = 0
    for first in range(1, 1_000, 200):
        rows = [new_message(key, text="x" * 1000) for key in range(first, first + 200)]
        await write(store, new_messages=rows)
        await engine.checkpoint()
        largest = max(largest, log_octets(path))
    assert 300_000 < largest < 900_000  # of 1,500,000 that were written


async def test_log_far_over_its_cap_is_cut(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = store._engine
    assert isinstance(engine, SqliteEngine)
    await write(store, new_messages=[new_message(key, text="x" * 1000) for key in range(1, 300)])
    await engine.checkpoint()
    assert log_octets(path) > 300_000  # below the cap the file is left as it is
    monkeypatch.setattr(engine_module, "WAL_LIMIT_BYTES", 200_000)
    monkeypatch.setattr(engine_module, "WAL_LARGE_BYTES", 300_000)
    await engine.checkpoint()
    assert log_octets(path) == 0
    await write(store, new_messages=[new_message(300)])


async def test_log_is_kept_while_a_reader_needs_it(
    store: Store,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = store._engine
    assert isinstance(engine, SqliteEngine)
    monkeypatch.setattr(engine_module, "WAL_LIMIT_BYTES", 10_000)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM message").fetchall()
    await write(store, new_messages=[new_message(key, text="x" * 1000) for key in range(1, 300)])
    monkeypatch.setattr(engine_module, "FORCED_CHECKPOINT_INTERVAL_S", 0.0)
    for _ in range(2):
        await engine.checkpoint()
    assert log_octets(path) > 300_000
    # Said once, with its size.
    [record] = caplog.records
    assert record.getMessage() == "store.log_kept"
    assert record.__dict__["fields"]["octets"] > 300_000
    # The store goes on, and the reader still sees its moment.
    await write(store, new_messages=[new_message(300)])
    assert reader.execute("SELECT count(*) FROM message").fetchone() == (0,)
    reader.close()


async def test_failed_checkpoint_is_reported_once_and_tried_again(
    open_store: OpenStore,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    store = await open_store(f"sqlite:///{path}", clock=clock)
    tries = 0
    is_failing = True

    async def fail() -> None:
        nonlocal tries
        tries += 1
        if is_failing:
            raise sqlite3.OperationalError("disk I/O error")

    async def tried(times: int) -> None:
        async def enough() -> bool:
            await clock.advance_async(engine_module.CHECKPOINT_INTERVAL_S)
            return tries >= times

        await write(store, new_messages=[new_message(times)])
        await until(enough)

    monkeypatch.setattr(store._engine, "checkpoint", fail)
    await tried(1)
    await tried(2)
    assert [r.getMessage() for r in caplog.records] == ["store.checkpoint_failed"]
    is_failing = False
    await tried(3)
    is_failing = True
    await tried(4)
    assert [r.getMessage() for r in caplog.records] == ["store.checkpoint_failed"] * 2
