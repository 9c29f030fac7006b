"""PostgreSQL: the store for those who outgrow one machine (asyncpg, `synchronous_commit=on`).

One writer connection runs commit groups and cold transactions in turn; a small pool answers
queries.  While the server is away, writes and reads fail at once with `StoreUnavailable` and the
writer keeps reconnecting; `gateway.store.postgres_writer` tells what becomes of a group caught in
the middle.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from itertools import count

from gateway.domain.commit_group import CommitGroup
from gateway.domain.errors import GatewayError, StoreUnavailable
from gateway.ports import Clock
from gateway.runtime.supervisor import Supervisor
from gateway.store.engine import Done, Row
from gateway.store.postgres_connection import Connection, Pool, create_pool
from gateway.store.postgres_group import changed_rows, write_group
from gateway.store.postgres_writer import GROUP_TIMEOUT_S, PostgresWriter
from gateway.store.turn import WriterTurn

READERS = 4
_READ_TIMEOUT_S = 60.0
_READER_SETTINGS = {
    "application_name": "postern reader",
    "default_transaction_read_only": "on",
    "jit": "off",
}


class PostgresEngine:
    """`Engine` on one database, given as `postgresql://user:secret@host/db`."""

    dialect = "postgres"

    def __init__(self, dsn: str, *, clock: Clock, supervisor: Supervisor) -> None:
        self._dsn = dsn
        self._clock = clock
        self._supervisor = supervisor
        self._turn = WriterTurn()
        self._writer = PostgresWriter(dsn, clock=clock, supervisor=supervisor)
        self._readers: Pool | None = None

    async def open(self) -> None:
        """Connects the writer and the readers.

        Raises:
            StoreUnavailable: the server cannot be reached, or another daemon holds the database.
            ConfigurationError: the URL cannot be understood.
        """
        try:
            await self._writer.open()
            self._readers = await create_pool(
                self._dsn, size=READERS, settings=_READER_SETTINGS, timeout_s=_READ_TIMEOUT_S
            )
        except BaseException:
            await self._writer.close()
            raise

    async def close(self) -> None:
        """Ends the running group, then every connection.  Idempotent."""
        readers, self._readers = self._readers, None
        if readers is None:
            return
        readers.terminate()
        if self._writer.connection is not None:
            await self._turn.acquire()  # for good: whoever waited before has had the writer
        await self._writer.close()

    def commit(self, group: CommitGroup, done: Done) -> None:
        """`ports.CommitEngine.commit`."""
        try:
            self._require_open()
            self._writer.require()
        except StoreUnavailable as error:
            self._clock.call_soon(done, group, error)
            return
        self._turn.take(partial(self._start_group, group, done))

    async def fetch(self, sql: str, *params: object) -> list[Row]:
        """Runs a query on a reader connection."""
        readers = self._require_open()
        try:
            return [tuple(row) for row in await readers.fetch(numbered(sql), *params)]
        except Exception as error:
            raise self._writer.translated(error) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresTransaction"]:
        """A cold transaction on the writer's connection."""
        self._require_open()
        self._writer.require()
        await self._turn.acquire()
        try:
            connection = self._writer.require()
            transaction = PostgresTransaction(connection, self._writer)
            try:
                await transaction.execute("BEGIN")
                yield transaction
                await transaction.execute("COMMIT")
            except BaseException:
                await self._writer.roll_back(connection)
                raise
        finally:
            self._turn.release(cold=True)

    def _start_group(self, group: CommitGroup, done: Done) -> None:
        self._supervisor.spawn(self._write_group(group, done), "store.commit")

    async def _write_group(self, group: CommitGroup, done: Done) -> None:
        error: Exception | None = None
        try:
            await self._write(group)
        except GatewayError as caught:
            error = caught
        finally:
            self._turn.release(cold=False)
        done(group, error)

    async def _write(self, group: CommitGroup) -> None:
        writer = self._writer
        connection = writer.require()
        try:
            async with asyncio.timeout(GROUP_TIMEOUT_S):
                await writer.begin(connection)
                await write_group(connection, group)
        except TimeoutError as error:
            writer.give_up(connection)
            raise writer.undone(connection, error) from error
        except BaseException as error:
            await writer.roll_back(connection)
            if isinstance(error, Exception):
                raise writer.undone(connection, error) from error
            raise
        await writer.commit(connection)

    def _require_open(self) -> Pool:
        if self._readers is None:
            raise StoreUnavailable("the store is closed")
        return self._readers


class PostgresTransaction:
    """`Transaction` on the writer's connection."""

    __slots__ = ("_connection", "_writer")

    def __init__(self, connection: Connection, writer: PostgresWriter) -> None:
        self._connection = connection
        self._writer = writer

    async def execute(self, sql: str, *params: object) -> int:
        """Runs one statement; returns how many rows it changed."""
        try:
            return changed_rows(await self._connection.execute(numbered(sql), *params))
        except Exception as error:
            raise self._writer.translated(error) from error

    async def fetch(self, sql: str, *params: object) -> list[Row]:
        """Runs one query and returns its rows."""
        try:
            rows = await self._connection.fetch(numbered(sql), *params)
        except Exception as error:
            raise self._writer.translated(error) from error
        return [tuple(row) for row in rows]

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Inserts many rows by COPY."""
        try:
            await self._connection.copy_records_to_table(table, records=rows, columns=columns)
        except Exception as error:
            raise self._writer.translated(error) from error


@lru_cache(maxsize=512)
def numbered(sql: str) -> str:
    """`sql` with its `?` placeholders as $1, $2 ...; no statement has a `?` in a literal."""
    numbers = count(1)
    return re.sub(r"\?", lambda match: f"${next(numbers)}", sql)
