"""Which engine a URL chooses."""

import asyncio
from pathlib import Path

import pytest

from gateway.runtime.supervisor import Supervisor
from gateway.store.postgres import PostgresEngine
from gateway.store.sqlite import SqliteEngine
from gateway.store.store import _engine
from tests.support.clock import FakeClock


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///store.db", "store.db"),
        ("sqlite:///./data/store.db", "data/store.db"),
        ("sqlite:////var/lib/store.db", "/var/lib/store.db"),
    ],
)
def test_sqlite_path(url: str, path: str) -> None:
    engine = _engine(url, FakeClock(), Supervisor(lambda name, error: None))
    assert isinstance(engine, SqliteEngine)
    assert engine._path == Path(path)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
async def test_postgres(scheme: str) -> None:
    assert asyncio.get_running_loop()
    engine = _engine(f"{scheme}://u:s@h/db", FakeClock(), Supervisor(lambda name, error: None))
    assert isinstance(engine, PostgresEngine)
