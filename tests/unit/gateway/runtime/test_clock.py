"""The real clock agrees with the system's.  No test waits for it."""

import asyncio
import time

from gateway.runtime.clock import LoopClock


async def test_now_is_the_systems_time_in_milliseconds() -> None:
    clock = LoopClock(asyncio.get_running_loop())
    before = time.time_ns() // 1_000_000
    now_ms = clock.now_ms()
    assert isinstance(now_ms, int)
    assert before <= now_ms <= time.time_ns() // 1_000_000


async def test_monotonic_is_the_loops_own_scale() -> None:
    before = time.monotonic()
    assert before <= LoopClock(asyncio.get_running_loop()).monotonic() <= time.monotonic()


async def test_calls_are_made_with_their_arguments() -> None:
    clock = LoopClock(asyncio.get_running_loop())
    called: list[object] = []
    clock.call_soon(called.append, "soon")
    clock.call_later(0.0, called.append, "later")
    clock.call_later(0.0, called.append, "cancelled").cancel()
    assert called == []
    await clock.sleep(0.0)
    while len(called) < 2:
        await clock.sleep(0.0)
    assert called == ["soon", "later"]
