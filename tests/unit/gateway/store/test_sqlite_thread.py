"""The thread that owns a connection."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator

import pytest

from gateway.store.sqlite_thread import SqliteThread


def connect() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


@pytest.fixture
async def thread() -> AsyncIterator[SqliteThread]:
    thread = SqliteThread("test-store", connect)
    await thread.start()
    yield thread
    async with asyncio.timeout(20):
        await thread.stop()


async def test_jobs_run_in_order_on_one_other_thread(thread: SqliteThread) -> None:
    idents: list[int] = []
    answers: list[int] = []
    for n in range(10):
        thread.post(
            lambda _, n=n: idents.append(threading.get_ident()) or n,
            lambda result, error: answers.append(result),
        )
    await thread.call(lambda connection: None)
    assert answers == list(range(10))
    assert set(idents) != {threading.get_ident()}
    assert len(set(idents)) == 1


async def test_error_of_a_job_is_answered_and_the_next_runs(thread: SqliteThread) -> None:
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        await thread.call(lambda connection: connection.execute("NONSENSE"))
    row = await thread.call(lambda connection: connection.execute("SELECT 1").fetchone())
    assert row == (1,)


async def test_cancelled_wait_leaves_the_job_in_its_place(thread: SqliteThread) -> None:
    gate, ran = threading.Event(), threading.Event()
    blocked = asyncio.ensure_future(thread.call(lambda _: gate.wait(20)))
    waiting = asyncio.ensure_future(thread.call(lambda _: ran.set()))
    await asyncio.sleep(0)
    waiting.cancel()
    gate.set()
    assert await blocked
    await thread.call(lambda connection: None)
    assert ran.is_set()


async def test_failed_connect_is_raised_and_ends_the_thread() -> None:
    def fail() -> sqlite3.Connection:
        raise OSError("no such place")

    thread = SqliteThread("test-store-fails", fail)
    async with asyncio.timeout(20):
        with pytest.raises(OSError, match="no such place"):
            await thread.start()
    assert "test-store-fails" not in {t.name for t in threading.enumerate()}


async def test_stop_runs_what_is_queued_and_may_be_repeated() -> None:
    thread = SqliteThread("test-store-stops", connect)
    await thread.stop()  # never started
    await thread.start()
    answers: list[object] = []
    thread.post(lambda _: "done", lambda result, error: answers.append(result))
    async with asyncio.timeout(20):
        await thread.stop()
        await thread.stop()
    assert answers == ["done"]
    with pytest.raises(RuntimeError, match="test-store-stops has stopped"):
        await thread.call(lambda connection: None)
    assert "test-store-stops" not in {t.name for t in threading.enumerate()}
