"""A thread that owns one SQLite connection and runs jobs on it, in order."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
_Answer = Callable[[Any, Exception | None], object]


class SqliteThread:
    """Start it on the event loop that is to hear the answers.

    `connect` runs on the thread.  Jobs are answered by one `call_soon_threadsafe` each.
    """

    def __init__(self, name: str, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._jobs: SimpleQueue[tuple[Job[Any], _Answer] | None] = SimpleQueue()
        # A daemon thread: a loop that died without `stop` must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._is_stopping = False
        self._loop: asyncio.AbstractEventLoop
        self._ended: asyncio.Future[None]

    async def start(self) -> None:
        """Starts the thread and opens its connection; raises what `connect` raises."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._thread.start()
        try:
            await self.call(lambda connection: None)
        except BaseException:
            await self.stop()
            raise

    def post(self, job: Job[T], answer: Callable[[T | None, Exception | None], object]) -> None:
        """Queues `job`; `answer(result, error)` follows on the loop.

        Raises:
            RuntimeError: after `stop`, when nobody would ever answer.
        """
        if self._is_stopping:
            raise RuntimeError(f"thread {self._thread.name} has stopped")
        self._jobs.put((job, answer))

    async def call(self, job: Job[T]) -> T:
        """Queues `job` and waits.  A cancelled wait leaves the job in its place."""
        future: asyncio.Future[T] = self._loop.create_future()
        self.post(job, partial(_settle, future))
        return await future

    async def stop(self) -> None:
        """Runs what is queued, closes the connection, ends the thread.  Idempotent."""
        if self._thread.ident is None:
            return
        self._is_stopping = True
        self._jobs.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while (item := self._jobs.get()) is not None:
            job, answer = item
            result, error = None, None
            try:
                if connection is None:
                    connection = self._connect()
                result = job(connection)
            except Exception as caught:
                error = caught
            self._loop.call_soon_threadsafe(answer, result, error)
            # Waiting for the next job must keep neither the rows nor the traceback alive.
            del item, job, answer, result, error
        if connection is not None:
            connection.close()
        self._loop.call_soon_threadsafe(_settle, self._ended, None, None)


def _settle(future: asyncio.Future[T], result: T, error: Exception | None) -> None:
    if future.done():  # cancelled while the job ran
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
