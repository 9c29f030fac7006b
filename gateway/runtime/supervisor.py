"""The only maker of tasks: every task is named, and a dead one stops the daemon loudly."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger("postern.supervisor")


class Supervisor:
    """Keeps long-lived and one-shot tasks; reports the first that dies of an error."""

    def __init__(self, on_death: Callable[[str, BaseException], None]) -> None:
        self._on_death = on_death
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Starts a task whose unexpected error stops the daemon."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("task.died", exc_info=error, extra={"fields": {"task": task.get_name()}})
            self._on_death(task.get_name(), error)

    async def stop(self) -> None:
        """Cancels what still runs and waits for it.  Idempotent."""
        tasks = [t for t in self._tasks if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
