"""The time, for commands that run no event loop."""

import asyncio

from gateway.runtime.clock import LoopClock


def clock() -> LoopClock:
    """The real clock, to be read only: its loop is closed and takes no calls."""
    loop = asyncio.new_event_loop()
    loop.close()
    return LoopClock(loop)
