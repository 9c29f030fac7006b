"""Whose turn it is on the one writer: a commit group's or a cold transaction's.

Groups and cold transactions alternate while both wait, so that neither a burst of cold writes
holds up the traffic nor saturated traffic starves the cold writes.
Everything here runs on the event loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class WriterTurn:
    """Grants the writer to one at a time; at most one group waits, as the journal promises."""

    __slots__ = ("_cold", "_group", "_taken")

    def __init__(self) -> None:
        self._taken = False
        self._group: Callable[[], None] | None = None
        self._cold: deque[asyncio.Future[None]] = deque()

    def take(self, start: Callable[[], None]) -> None:
        """Calls `start` when the group may write: now, or when the present holder releases."""
        if not self._taken:
            self._taken = True
            start()
        elif self._group is None:
            self._group = start
        else:
            raise RuntimeError("a second commit group was started before the first was done")

    async def acquire(self) -> None:
        """Waits until a cold transaction may write."""
        if not self._taken:
            self._taken = True
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._cold.append(granted)
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.cancelled():  # granted in the same turn of the loop as it was cancelled
                self.release(cold=True)
            raise

    def release(self, *, cold: bool) -> None:
        """Passes the turn on; `cold` says whether a cold transaction gives it back."""
        while self._cold and self._cold[0].cancelled():
            self._cold.popleft()
        if self._group is not None and (cold or not self._cold):
            start, self._group = self._group, None
            start()
        elif self._cold:
            self._cold.popleft().set_result(None)
        else:
            self._taken = False
