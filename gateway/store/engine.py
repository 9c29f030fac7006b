"""What the two engines have in common: the contract the rest of the store is written against.

Cold SQL is written once, in the classes above the engines, with `?` for every parameter and only
what SQLite and PostgreSQL both understand.  An engine writes the hot statements of a commit group
in its own way and owns the connections; it knows no meaning of a table.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from gateway.domain.commit_group import CommitGroup

Row = tuple[Any, ...]
Fetch = Callable[..., Awaitable[list[Row]]]  # (sql, *params): the rows of one query
Done = Callable[[CommitGroup, Exception | None], None]


class Transaction(Protocol):
    """An open cold transaction.  Its methods raise `StoreUnavailable` or `StoreRejected`."""

    async def execute(self, sql: str, *params: object) -> int:
        """Runs one statement; returns how many rows it changed (0 for definitions)."""

    async def fetch(self, sql: str, *params: object) -> list[Row]:
        """Runs one query, or one statement with RETURNING, and returns its rows."""

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Inserts many rows at the price of few statements."""


class Engine(Protocol):
    """Connections to one database: one writer, a few readers."""

    dialect: str  # the folder of its migrations

    async def open(self) -> None:
        """Connects and shuts other daemons out.

        Raises:
            StoreUnavailable: it cannot be reached, or another daemon holds it.
        """

    async def close(self) -> None:
        """Ends the running group, then every connection.  Idempotent."""

    def commit(self, group: CommitGroup, done: Done) -> None:
        """`ports.CommitEngine.commit`."""

    async def fetch(self, sql: str, *params: object) -> list[Row]:
        """Runs a query on a reader connection; never waits for the writer.

        Raises:
            StoreUnavailable: it cannot be reached, or it is closed.
        """

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A cold transaction on the writer: commits at the end, rolls back on any exception.

        Groups and cold transactions take turns; keep the body short and wait for nothing but the
        transaction itself.
        """


def placeholders(count: int) -> str:
    """The inside of an IN list of `count` parameters."""
    return ", ".join("?" * count)
