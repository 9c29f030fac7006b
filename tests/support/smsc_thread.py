"""A simulated SMSC in a thread with an event loop of its own, for tests that block.

Unlike the one of `postern simulate`, it shows who is connected to it.
"""

import asyncio
import threading
from types import TracebackType
from typing import Any, Self

from gateway.runtime.clock import LoopClock
from postern.simulator.inbox import Inbox, InboxEntry
from postern.simulator.smsc import SimulatedSmsc
from protocols.smpp.session import BOUND_STATES

STOP_S = 10.0


class SmscThread:
    """Listens on `port` as long as the block lasts; `options` are those of SimulatedSmsc."""

    def __init__(self, port: int, **options: Any) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smsc")
        self._inbox = Inbox(100_000)
        self._smsc = SimulatedSmsc(
            "smsc", inbox=self._inbox, clock=LoopClock(self._loop), **options
        )

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._smsc.start("127.0.0.1", self._port))
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run(self._smsc.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)
        self._loop.close()

    def bound(self) -> set[str]:
        """Addresses of the ESMEs that are bound: the same address is the same connection."""
        return self._run(self._bound())

    def texts(self) -> list[str]:
        """Of all messages that were taken, in their order."""
        return [entry["text"] for entry in self.entries()]

    def entries(self) -> list[InboxEntry]:
        """All messages that were taken, in their order."""
        return self._run(self._entries())

    async def _bound(self) -> set[str]:
        return {link.peer for link in self._smsc.links if link.session.state in BOUND_STATES}

    async def _entries(self) -> list[InboxEntry]:
        return list(self._inbox.after(0))

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(STOP_S)
