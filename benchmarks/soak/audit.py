"""What the store says, read beside the daemon or after it: sizes while it runs, rows at the end."""

# ruff: noqa: S608 - statements are built from numbers of our own

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from gateway.domain.commit_group import EventKind
from gateway.domain.lifecycle import FIRST_FINAL, MessageState, Notified

Fetch = Callable[[str], Awaitable[Sequence[Sequence[int]]]]

_STATES = "SELECT state, count(*) FROM message GROUP BY state"
_PURGED = "SELECT coalesce(sum(message_count), 0) FROM purged_total"
_OWED = f"SELECT count(*) FROM message WHERE notified = {Notified.PENDING:d}"
_WEBHOOKS = "SELECT count(*) FROM webhook_delivery WHERE state = 0"
_EVENTS = "SELECT kind, count(*) FROM event GROUP BY kind"
_OPEN = f"SELECT count(*) FROM message WHERE state < {FIRST_FINAL:d}"
_LEDGER_LINES = "SELECT count(*) FROM ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSize:
    """Octets; `wal` is 0 on PostgreSQL, whose log belongs to the whole server."""

    database: int
    wal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Counts of rows; `stored` are all messages ever accepted, purged ones included."""

    stored: int
    purged: int
    states: dict[str, int]
    not_final: int
    notices_owed: int
    ledger_lines: int
    events: dict[str, int]


class StoreWatch:
    """Reads one store by its configured URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._path = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None

    async def size(self) -> StoreSize:
        """How much it takes on disk now."""
        if self._path is not None:
            return StoreSize(
                database=_octets(self._path), wal=_octets(self._path.with_name("postern.db-wal"))
            )
        async with self._fetching() as fetch:
            rows = await fetch("SELECT pg_database_size(current_database())")
        return StoreSize(database=int(rows[0][0]), wal=0)

    async def open_count(self) -> int:
        """Messages without a final state, and final ones whose customer is not told yet."""
        async with self._fetching() as fetch:
            return (
                await _count(fetch, _OPEN)
                + await _count(fetch, _OWED)
                + await _count(fetch, _WEBHOOKS)
            )

    async def rows(self) -> Rows:
        """All counts."""
        async with self._fetching() as fetch:
            states = {MessageState(state): int(n) for state, n in await fetch(_STATES)}
            purged = await _count(fetch, _PURGED)
            return Rows(
                stored=sum(states.values()) + purged,
                purged=purged,
                states={state.name: states[state] for state in sorted(states)},
                not_final=sum(n for state, n in states.items() if state < FIRST_FINAL),
                notices_owed=await _count(fetch, _OWED) + await _count(fetch, _WEBHOOKS),
                ledger_lines=await _count(fetch, _LEDGER_LINES),
                events={EventKind(kind).name: int(n) for kind, n in await fetch(_EVENTS)},
            )

    @asynccontextmanager
    async def _fetching(self) -> AsyncIterator[Fetch]:
        if self._path is None:
            connection = await asyncpg.connect(self._url)
            try:
                yield connection.fetch
            finally:
                await connection.close()
            return
        database = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)

        async def fetch(sql: str) -> Sequence[Sequence[int]]:
            return database.execute(sql).fetchall()

        try:
            yield fetch
        finally:
            database.close()


async def _count(fetch: Fetch, sql: str) -> int:
    return int((await fetch(sql))[0][0])


def _octets(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
