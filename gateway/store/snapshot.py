"""A store read as of one moment, by a program that is not its daemon.

Takes no lock on the store and writes nothing to it, so a daemon may hold it and go on writing.  One
read transaction sees every row as it was at the first query.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

from gateway.domain.errors import ConfigurationError, StoreUnavailable
from gateway.store.engine import Fetch, Row
from gateway.store.migrate import APPLIED, missing_migrations, refuse_missing
from gateway.store.postgres import numbered
from gateway.store.postgres_connection import TROUBLE, connect, place_of, translated
from gateway.store.sqlite_thread import SqliteThread

_BUSY_TIMEOUT_MS = 5000  # while a daemon that has just started recovers the log
_QUERY_TIMEOUT_S = 600.0
_POSTGRES_SETTINGS = {"application_name": "postern snapshot", "jit": "off"}


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Fetch]:
    """Yields `fetch(sql, *params)` over the store at `url`; `?` stands for each parameter.

    Keep it short: SQLite's log cannot be emptied, and PostgreSQL removes no old row, meanwhile.

    Raises:
        ConfigurationError: the URL is no use, or the schema is not this program's.
        StoreUnavailable: the store cannot be read.
    """
    dialect, opening = _source(url)
    async with opening as fetch:
        refuse_missing(missing_migrations(dialect, await fetch(APPLIED)))
        yield fetch


def _source(url: str) -> tuple[str, AbstractAsyncContextManager[Fetch]]:
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return "sqlite", _sqlite(Path(rest[1:]).absolute())
    if scheme in ("postgresql", "postgres"):
        return "postgres", _postgres(url)
    raise ConfigurationError(f"[store] url names no store: its scheme is {scheme!r}")


@asynccontextmanager
async def _sqlite(path: Path) -> AsyncIterator[Fetch]:
    async def fetch(sql: str, *params: object) -> list[Row]:
        try:
            return await thread.call(lambda connection: connection.execute(sql, params).fetchall())
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{path} cannot be read: {error}") from error

    thread = SqliteThread("store-snapshot", partial(_connect, path))
    try:
        await thread.start()
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path} cannot be opened: {error}") from error
    try:
        yield fetch
    finally:
        await thread.stop()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("BEGIN")
    return connection


@asynccontextmanager
async def _postgres(dsn: str) -> AsyncIterator[Fetch]:
    connection = await connect(dsn, settings=_POSTGRES_SETTINGS, timeout_s=_QUERY_TIMEOUT_S)
    place = place_of(dsn)

    async def fetch(sql: str, *params: object) -> list[Row]:
        try:
            return [tuple(row) for row in await connection.fetch(numbered(sql), *params)]
        except TROUBLE as error:
            raise translated(error, place) from error

    try:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield fetch
    finally:
        connection.terminate()
