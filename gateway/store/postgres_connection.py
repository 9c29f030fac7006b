"""What the store uses of asyncpg, with types (asyncpg has none), and what its errors mean."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast
from urllib.parse import parse_qs

import asyncpg
from asyncpg import exceptions

from gateway.domain.errors import (
    ConfigurationError,
    GatewayError,
    StoreRejected,
    StoreUnavailable,
)

CONNECT_TIMEOUT_S = 5.0

# PostgreSQL's and asyncpg's words for a value they do not take ...
_CONTENT_ERRORS = (
    exceptions.IntegrityConstraintViolationError,
    exceptions.DataError,
    exceptions.ProgramLimitExceededError,
    ValueError,  # asyncpg's own DataError is one
)
# ... and for all other trouble.
TROUBLE = (
    exceptions.PostgresError,
    exceptions.InterfaceError,
    exceptions.InternalClientError,
    OSError,  # TimeoutError is one
)


class Record(Protocol):
    """A row: a sequence of its columns."""

    def __getitem__(self, index: int) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """`asyncpg.Connection`."""

    async def execute(self, query: str, *args: object) -> str:
        """Runs a statement, or several without arguments; returns the last command tag."""

    async def fetch(self, query: str, *args: object) -> list[Record]:
        """The rows of a query."""

    async def fetchval(self, query: str, *args: object) -> Any:
        """The first column of the first row."""

    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[Any]], columns: Sequence[str]
    ) -> str:
        """COPY .. FROM STDIN in binary."""

    def add_termination_listener(self, callback: Callable[[Any], None]) -> None:
        """`callback(connection)` is called once it is closed, by whomever."""

    def terminate(self) -> None:
        """Closes the socket."""

    async def close(self, *, timeout: float) -> None:
        """Says goodbye to the server and closes."""


class Pool(Protocol):
    """`asyncpg.Pool`."""

    async def fetch(self, query: str, *args: object) -> list[Record]:
        """The rows of a query, on a free connection."""

    def terminate(self) -> None:
        """Closes every connection."""


async def connect(dsn: str, *, settings: Mapping[str, str], timeout_s: float) -> Connection:
    """A connection whose statements take at most `timeout_s`.

    Raises:
        ConfigurationError: `dsn` cannot be understood.
        StoreUnavailable: the server does not answer or does not let us in.
    """
    opening = asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=timeout_s,
        max_cached_statement_lifetime=0,
        server_settings=settings,
    )
    return cast("Connection", await _opened(opening, dsn))


async def create_pool(
    dsn: str, *, size: int, settings: Mapping[str, str], timeout_s: float
) -> Pool:
    """Up to `size` connections for single queries; raises as `connect` does."""
    opening = asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        reset=_keep_session,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=timeout_s,
        max_cached_statement_lifetime=0,
        server_settings=settings,
    )
    return cast("Pool", await _opened(opening, dsn))


def translated(error: Exception, place: str) -> GatewayError:
    """What `error` of the database at `place` means to the callers of a store."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, TROUBLE) and not isinstance(error, _CONTENT_ERRORS):
        return StoreUnavailable(f"{place} cannot be used now: {str(error) or repr(error)}")
    return StoreRejected(f"{place} refuses a row: {error!r}")


def place_of(dsn: str) -> str:
    """Host and database of `dsn`, without user and password, however they are written."""
    address, _, query = dsn.partition("://")[2].rpartition("@")[2].partition("?")
    host, _, database = address.partition("/")
    host = host or parse_qs(query).get("host", ["localhost"])[0]
    return f"postgresql://{host}/{database}"


async def _opened(opening: Awaitable[Any], dsn: str) -> Any:
    try:
        return await opening
    except ValueError:  # its text quotes the URL, which holds a password
        raise ConfigurationError(
            f"[store] url of {place_of(dsn)} cannot be understood: check host, port and database, "
            "and write special characters of user and password as %XX"
        ) from None
    except TROUBLE as error:
        raise StoreUnavailable(
            f"cannot connect to {place_of(dsn)}: {str(error) or repr(error)}; "
            "start the server or correct [store] url"
        ) from error


async def _keep_session(connection: Any) -> None:
    """Single queries leave nothing behind: asyncpg's RESET ALL after each would only cost."""
