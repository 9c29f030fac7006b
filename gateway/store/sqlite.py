"""SQLite: the store that needs nothing (WAL, `synchronous=FULL`, one writer thread).

Three kinds of connection.  The *writer*'s thread runs commit groups and cold transactions.
*Readers* (aiosqlite, read-only) answer queries and never wait for the writer.  The *checkpointer*
moves the write-ahead log into the database every 250 ms of traffic, so that no commit pays for it;
when the log outgrows its cap, it holds the writer's turn once and begins it again.

A commit is on disk when its frames are synced: one fdatasync per group.

When the files are removed or replaced under the daemon, it stops writing, saves what it has (an
open file outlives its name) and waits for the operator.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import aiosqlite

from gateway.domain.commit_group import CommitGroup
from gateway.domain.errors import StoreUnavailable
from gateway.ports import Clock
from gateway.runtime.supervisor import Supervisor
from gateway.store.engine import Done, Row
from gateway.store.sqlite_errors import translated
from gateway.store.sqlite_files import StoreFiles, lock_out_others
from gateway.store.sqlite_group import CACHED_STATEMENTS, commit, insertion, write_group
from gateway.store.sqlite_thread import Job, SqliteThread
from gateway.store.turn import WriterTurn

log = logging.getLogger("postern.store")

T = TypeVar("T")

OLDEST_SQLITE = (3, 37, 0)  # STRICT tables; UPDATE .. FROM and RETURNING came with 3.33 and 3.35
READERS = 2
CHECKPOINT_INTERVAL_S = 0.25
CHECKPOINT_PAUSES = 4  # a slow disk rests this many times as long as its last checkpoint took
WAL_LIMIT_BYTES = 64 * 1024 * 1024
# From here on the file is also cut, which holds everybody up for a tenth of a second.
WAL_LARGE_BYTES = 2 * WAL_LIMIT_BYTES
# A reader in a long query keeps the log from being emptied; ask again only after this long.
FORCED_CHECKPOINT_INTERVAL_S = 5.0
_FORCED_CHECKPOINT_WAIT_MS = 200
# For other programs that hold the file: patient at the start, while nobody waits for an answer.
_OPEN_BUSY_MS = 5000
_BUSY_MS = 1000
_WRITER_CACHE_KIB = 4_096
# SQLite opens its files with the first statement; later they might be others.
_OPEN_FILES = "SELECT count(*) FROM sqlite_schema"


class SqliteEngine:
    """`Engine` on one database file, which is created when missing (mode 0600)."""

    dialect = "sqlite"

    def __init__(self, path: Path, *, clock: Clock, supervisor: Supervisor) -> None:
        self._path = path
        self._clock = clock
        self._supervisor = supervisor
        self._turn = WriterTurn()
        self._writer = SqliteThread("store-writer", self._connect_writer)
        self._checkpointer = SqliteThread("store-checkpointer", self._connect_checkpointer)
        self._readers: list[aiosqlite.Connection] = []
        self._idle_readers: asyncio.Queue[aiosqlite.Connection] = asyncio.LifoQueue()
        self._checkpoints: asyncio.Task[None] | None = None
        self._lock_fd = -1
        self._is_open = False
        self._writes = 0
        self._page_bytes = 0
        self._forced_after = 0.0
        self._checkpoint_fails = False
        self._log_is_kept = False
        self._files: StoreFiles
        self._gone = ""  # what became of the files; empty while they are ours

    async def open(self) -> None:
        """Locks the file against other daemons and opens its connections.

        Raises:
            StoreUnavailable: another daemon holds it, it cannot be opened, or SQLite is too old.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            oldest = ".".join(map(str, OLDEST_SQLITE))
            raise StoreUnavailable(
                f"SQLite {sqlite3.sqlite_version} is too old: {oldest} or newer is needed"
            )
        self._lock_fd = lock_out_others(self._path)
        try:
            await self._writer.start()
            await self._checkpointer.start()
            for _ in range(READERS):
                await self._open_reader()
            self._files = await self._checkpointer.call(lambda _: StoreFiles(self._path))
        except BaseException as error:
            await self._close_connections()
            if isinstance(error, (sqlite3.Error, OSError)):
                raise translated(error, self._path) from error
            raise
        self._is_open = True
        self._checkpoints = self._supervisor.spawn(self._keep_checkpointing(), "store.checkpoint")

    async def close(self) -> None:
        """Ends the running group, then every connection.  Idempotent."""
        if not self._is_open:
            return
        self._is_open = False
        if self._checkpoints is not None:
            self._checkpoints.cancel()
            await asyncio.wait([self._checkpoints])
        await self._turn.acquire()  # for good: whoever waited before has had the writer
        for reader in self._readers:
            await reader.interrupt()
        await self._close_connections()

    def commit(self, group: CommitGroup, done: Done) -> None:
        """`ports.CommitEngine.commit`."""
        if not self._is_open:
            self._clock.call_soon(done, group, StoreUnavailable("the store is closed"))
            return
        self._turn.take(partial(self._start_group, group, done))

    async def fetch(self, sql: str, *params: object) -> list[Row]:
        """Runs a query on a reader connection."""
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        reader = await self._idle_readers.get()
        try:
            rows = await reader.execute_fetchall(sql, params)
        except Exception as error:
            raise translated(error, self._path) from error
        finally:
            self._idle_readers.put_nowait(reader)
        return cast("list[Row]", rows)  # made by the default row factory: tuples

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["SqliteTransaction"]:
        """A cold transaction on the writer's thread."""
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        transaction = SqliteTransaction(self)
        await self._turn.acquire()
        try:
            self._require_files()
            await transaction.execute("BEGIN IMMEDIATE")
            yield transaction
            await self._call(commit)
            self._writes += 1
        except BaseException:
            await self._writer.call(_roll_back)
            raise
        finally:
            self._turn.release(cold=True)

    async def run(self, sql: str, params: tuple[object, ...]) -> tuple[int, list[Row]]:
        """One statement on the writer: rows changed and rows returned.  For `SqliteTransaction`."""

        def job(connection: sqlite3.Connection) -> tuple[int, list[Row]]:
            cursor = connection.execute(sql, params)
            rows = cursor.fetchall()
            return max(cursor.rowcount, 0), rows

        return await self._call(job)

    async def insert(self, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Many rows on the writer, in one job.  For `SqliteTransaction`."""
        await self._call(lambda connection: insertion(table, columns).run(connection, rows))

    async def _call(self, job: Job[T]) -> T:
        try:
            return await self._writer.call(job)
        except Exception as error:
            raise translated(error, self._path) from error

    # --- groups ---------------------------------------------------------------------------------

    def _start_group(self, group: CommitGroup, done: Done) -> None:
        try:
            self._require_files()
        except StoreUnavailable as error:
            self._turn.release(cold=False)
            self._clock.call_soon(done, group, error)
            return
        self._writer.post(partial(write_group, group), partial(self._end_group, group, done))

    def _end_group(
        self, group: CommitGroup, done: Done, _result: None, error: Exception | None
    ) -> None:
        self._writes += 1
        self._turn.release(cold=False)
        done(group, None if error is None else translated(error, self._path))

    # --- checkpoints ----------------------------------------------------------------------------

    async def _keep_checkpointing(self) -> None:
        seen = self._writes
        pause_s = CHECKPOINT_INTERVAL_S
        while True:
            await self._clock.sleep(pause_s)
            await self._look_for_files()
            if self._writes == seen:
                continue
            seen = self._writes
            began = self._clock.monotonic()
            try:
                await self.checkpoint()
            except sqlite3.Error as error:
                # The log keeps what the database lacks; the next round tries again.
                if not self._checkpoint_fails:
                    fields = {"reason": str(translated(error, self._path))}
                    log.warning("store.checkpoint_failed", extra={"fields": fields})
                self._checkpoint_fails = True
            else:
                self._checkpoint_fails = False
            took_s = self._clock.monotonic() - began
            pause_s = max(CHECKPOINT_INTERVAL_S, CHECKPOINT_PAUSES * took_s)

    async def checkpoint(self) -> None:
        """Moves the log's pages into the database; begins the log again when it is over its cap."""
        octets = self._page_bytes * await self._checkpointer.call(_checkpoint_passively)
        if octets <= WAL_LIMIT_BYTES:
            self._log_is_kept = False
            return
        if self._clock.monotonic() < self._forced_after:
            return
        self._forced_after = self._clock.monotonic() + FORCED_CHECKPOINT_INTERVAL_S
        await self._turn.acquire()
        try:
            mode = "TRUNCATE" if octets > WAL_LARGE_BYTES else "RESTART"
            is_free = await self._checkpointer.call(partial(_begin_log_again, mode))
        finally:
            self._turn.release(cold=True)
        if not is_free and not self._log_is_kept:
            fields = {
                "path": f"{self._path}-wal",
                "octets": octets,
                "reason": "a program reads an old state of the store: it grows until that ends",
            }
            log.warning("store.log_kept", extra={"fields": fields})
        self._log_is_kept = not is_free

    # --- files that are taken away --------------------------------------------------------------

    def _require_files(self) -> None:
        if self._gone:
            raise StoreUnavailable(self._gone)

    async def _look_for_files(self) -> None:
        missing = await self._checkpointer.call(lambda _: self._files.missing())
        if missing is None:
            self._gone = ""
        elif not self._gone:
            await self._turn.acquire()
            try:
                await self._save(missing)
            finally:
                self._turn.release(cold=True)

    async def _save(self, missing: Path) -> None:
        """Nothing is written from here on; what was written is put into a file with a name."""
        copy = Path(f"{self._path}.saved-{self._clock.now_ms()}")
        self._gone = f"{missing} was removed or replaced"
        fields = {"path": str(missing), "copy": str(copy)}
        try:
            await self._checkpointer.call(lambda connection: _copy_into(connection, copy))
        except (sqlite3.Error, OSError) as error:
            fields["copy"] = f"failed: {error}"
            self._gone += f" and cannot be saved as {copy}: put back what was there"
        else:
            self._gone += (
                f"; stop the daemon and move {copy}, which has everything, to {self._path}"
            )
        log.error("store.file_gone", extra={"fields": fields})

    # --- connections ----------------------------------------------------------------------------

    def _connect_writer(self) -> sqlite3.Connection:
        # Made here so that no one else can read it; the log files inherit its mode.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(
            self._path, isolation_level=None, cached_statements=CACHED_STATEMENTS
        )
        try:
            self._prepare_writer(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare_writer(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA busy_timeout = {_OPEN_BUSY_MS}")
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StoreUnavailable(
                f"{self._path} cannot keep a write-ahead log (journal mode {mode}); "
                "put it on a local file system"
            )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
        self._page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        _wait_until_free(connection)
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")

    def _connect_checkpointer(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout = {_FORCED_CHECKPOINT_WAIT_MS}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(_OPEN_FILES).fetchall()
        return connection

    async def _open_reader(self) -> None:
        reader = await aiosqlite.connect(
            f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
        )
        self._readers.append(reader)
        self._idle_readers.put_nowait(reader)
        await reader.execute_fetchall(_OPEN_FILES)

    async def _close_connections(self) -> None:
        while self._readers:
            reader = await self._idle_readers.get()
            self._readers.remove(reader)
            await reader.close()
        await self._checkpointer.stop()
        await self._writer.stop()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


class SqliteTransaction:
    """`Transaction` on the writer's thread."""

    __slots__ = ("_engine",)

    def __init__(self, engine: SqliteEngine) -> None:
        self._engine = engine

    async def execute(self, sql: str, *params: object) -> int:
        """Runs one statement; returns how many rows it changed."""
        return (await self._engine.run(sql, params))[0]

    async def fetch(self, sql: str, *params: object) -> list[Row]:
        """Runs one query and returns its rows."""
        return (await self._engine.run(sql, params))[1]

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Inserts many rows."""
        await self._engine.insert(table, tuple(columns), rows)


def _wait_until_free(connection: sqlite3.Connection) -> None:
    """Until no other program writes; raises when one goes on for longer than the busy timeout."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def _roll_back(connection: sqlite3.Connection) -> None:
    """The error that led here is the one to be told; `write_group` tries again if this fails."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _copy_into(connection: sqlite3.Connection, copy: Path) -> None:
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection.execute("VACUUM INTO ?", (str(copy),))


def _checkpoint_passively(connection: sqlite3.Connection) -> int:
    """Never waits, never makes anyone wait.  Returns the pages in the log."""
    pages: int = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    return pages


def _begin_log_again(mode: str, connection: sqlite3.Connection) -> bool:
    """Whether the next write goes to the beginning of the log; TRUNCATE also cuts the file."""
    is_busy = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
    return not is_busy
