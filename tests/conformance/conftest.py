"""Both engines, empty, for every test of the store."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from gateway.runtime.clock import LoopClock
from gateway.runtime.supervisor import Supervisor
from gateway.store.store import Store
from tests.support.databases import PostgresServer, postgres_server

OpenStore = Callable[..., "asyncio.Future[Store]"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
async def postgres_database(postgres: PostgresServer) -> AsyncIterator[str]:
    name = await postgres.new_database()
    yield name
    await postgres.drop_database(name)


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    database = request.getfixturevalue("postgres_database")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(database)


@pytest.fixture
async def deaths() -> list[str]:
    """What the supervisor reported: names of tasks that died."""
    return []


@pytest.fixture
async def died() -> asyncio.Event:
    """Set when the first task died."""
    return asyncio.Event()


@pytest.fixture
async def supervisor(deaths: list[str], died: asyncio.Event) -> AsyncIterator[Supervisor]:
    def on_death(name: str, error: BaseException) -> None:
        deaths.append(f"{name}: {error}")
        died.set()

    supervisor = Supervisor(on_death)
    yield supervisor
    async with asyncio.timeout(20):
        await supervisor.stop()


@pytest.fixture
async def open_store(supervisor: Supervisor) -> AsyncIterator[OpenStore]:
    """Opens stores that are closed at the end of the test."""
    stores: list[Store] = []

    async def opened(url: str, **options: object) -> Store:
        options.setdefault("clock", LoopClock(asyncio.get_running_loop()))
        async with asyncio.timeout(20):
            store = await Store.open(url, supervisor=supervisor, **options)
        stores.append(store)
        return store

    yield opened
    for store in stores:
        async with asyncio.timeout(20):
            await store.close()


@pytest.fixture
async def store(open_store: OpenStore, store_url: str) -> Store:
    """An open store, migrated, without rows."""
    return await open_store(store_url)
