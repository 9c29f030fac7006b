"""The real store on SQLite in memory, under the clock and the failures of a test.

Every statement is the product's own; only threads, files and flushes are left out.  A commit ends in
the clock's next turn, or by `complete` while `by_hand` is set.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Self

from gateway.domain.commit_group import CommitGroup, ParkedReceipt
from gateway.domain.errors import StoreRejected, StoreUnavailable
from gateway.store.engine import Done, Row
from gateway.store.migrate import apply_migrations
from gateway.store.sqlite_group import insertion, write_group
from gateway.store.store import Store
from gateway.store.turn import WriterTurn
from tests.support.clock import FakeClock, settle

Check = Callable[[CommitGroup], object]


class InlineEngine:
    """`Engine` on one connection; nothing of it blocks and nothing of it is left to chance."""

    dialect = "sqlite"

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.by_hand = False
        self.unavailable = False  # writes and reads fail
        self.failures: list[Exception] = []  # what the next commits end with
        self.poison: set[object] = set()  # keys and texts: a row with one of them is rejected
        self.slow_reads = False  # reads take their snapshot at once and return turns later
        self.writing: tuple[CommitGroup, Done] | None = None
        self.on_written: Check = lambda _group: None
        self._turn = WriterTurn()

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def crash(self) -> None:
        """What was not committed is gone, and so is whoever waited for it."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self.writing = None
        self._turn = WriterTurn()

    # -- groups ----------------------------------------------------------------------------------

    def commit(self, group: CommitGroup, done: Done) -> None:
        self._turn.take(partial(self._start, group, done))

    def _start(self, group: CommitGroup, done: Done) -> None:
        self.writing = group, done
        if not self.by_hand:
            self.clock.call_soon(self.complete)

    def complete(self) -> None:
        """Ends the group under way; harmless when there is none."""
        if self.writing is None:
            return
        (group, done), self.writing = self.writing, None
        error: Exception | None = None
        try:
            self._write(group)
        except Exception as caught:
            error = caught
        self._turn.release(cold=False)
        if isinstance(error, AssertionError):
            raise error
        done(group, error)

    def _write(self, group: CommitGroup) -> None:
        if self.unavailable:
            raise StoreUnavailable("switched off")
        if self.failures:
            raise self.failures.pop(0)
        for name in CommitGroup.__slots__:
            if self.poison and name not in ("id", "members"):
                for row in getattr(group, name):
                    if self.poison.intersection(row if isinstance(row, tuple) else (row,)):
                        raise StoreRejected(f"a poisoned row in {name}")
        try:
            write_group(group, self.connection)
        except sqlite3.Error as error:
            raise StoreRejected(repr(error)) from error
        self.on_written(group)

    # -- cold ------------------------------------------------------------------------------------

    async def fetch(self, sql: str, *params: object) -> list[Row]:
        if self.unavailable:
            raise StoreUnavailable("switched off")
        rows: list[Row] = self.connection.execute(sql, params).fetchall()
        while self.slow_reads:
            await settle(1)
        return rows

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["InlineTransaction"]:
        if self.unavailable:
            raise StoreUnavailable("switched off")
        turn = self._turn
        await turn.acquire()
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield InlineTransaction(self.connection)
                self.connection.execute("COMMIT")
            except BaseException:
                if turn is self._turn:  # else a crash has rolled it back
                    self.connection.execute("ROLLBACK")
                raise
        finally:
            turn.release(cold=True)


class InlineTransaction:
    """`Transaction`; others have their turn of the loop between two statements."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def execute(self, sql: str, *params: object) -> int:
        await asyncio.sleep(0)
        return max(0, self._connection.execute(sql, params).rowcount)

    async def fetch(self, sql: str, *params: object) -> list[Row]:
        await asyncio.sleep(0)
        return self._connection.execute(sql, params).fetchall()

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        await asyncio.sleep(0)
        insertion(table, tuple(columns)).run(self._connection, rows)


class PaidRows:
    """Keys of messages on disk whose price is held or charged: what a wire may be given."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __contains__(self, key: object) -> bool:
        row = self._connection.execute(
            "SELECT charge_micros = 0 OR money IN (1, 2) FROM message WHERE key = ?", (key,)
        ).fetchone()
        return row is not None and bool(row[0])


class InlineStore(Store):
    """`Store` over an `InlineEngine`, for a `tests.support.heart.World`."""

    engine: InlineEngine

    @classmethod
    async def make(cls, clock: FakeClock) -> Self:
        """An empty store with today's schema."""
        engine = InlineEngine(clock)
        store = cls(engine, clock=clock)
        store.engine = engine
        store.rows = PaidRows(engine.connection)
        await apply_migrations(engine, clock.now_ms())
        return store

    rows: PaidRows

    @property
    def clock(self) -> FakeClock:
        return self.engine.clock

    @clock.setter
    def clock(self, clock: FakeClock) -> None:
        self.engine.clock = clock

    @property
    def writing(self) -> object:
        return self.engine.writing

    @writing.setter
    def writing(self, nothing: None) -> None:
        """A crash, as `World.restarted` makes it."""
        self.engine.crash()

    async def parked_receipts(self, limit: int) -> list[ParkedReceipt]:
        return await self.messages.parked_receipts(limit)
