"""The real clock: the only place that asks the operating system for the time."""

import asyncio
import time
from collections.abc import Callable


class LoopClock:
    """`ports.Clock` over the running event loop."""

    __slots__ = ("_loop", "call_soon", "monotonic")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # Bound once: the hot path calls them for every message.
        self.monotonic = time.monotonic
        self.call_soon = loop.call_soon

    def now_ms(self) -> int:
        """UTC milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def call_later(
        self, delay_s: float, callback: Callable[..., object], *args: object
    ) -> asyncio.TimerHandle:
        """Calls back after `delay_s`."""
        return self._loop.call_later(delay_s, callback, *args)

    async def sleep(self, delay_s: float) -> None:
        """Waits; cancellable."""
        await asyncio.sleep(delay_s)
