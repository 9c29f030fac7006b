"""A clock that moves by hand: nothing in a test waits for real time."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

START_MS = 1_790_000_000_000


class FakeTimer:
    """A pending call."""

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...]) -> None:
        self.callback = callback
        self.args = args
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeClock:
    """`ports.Clock`: time passes only in `advance`; `turn` runs what was called soon."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._start_ms = now_ms
        self._elapsed = 0.0
        self._soon: list[FakeTimer] = []
        self._later: list[tuple[float, int, FakeTimer]] = []
        self._order = count()
        self.step_back_ms = 0

    def now_ms(self) -> int:
        return self._start_ms + round(self._elapsed * 1000) - self.step_back_ms

    def monotonic(self) -> float:
        return 1000.0 + self._elapsed

    def call_soon(self, callback: Callable[..., object], *args: object) -> FakeTimer:
        timer = FakeTimer(callback, args)
        self._soon.append(timer)
        return timer

    def call_later(
        self, delay_s: float, callback: Callable[..., object], *args: object
    ) -> FakeTimer:
        timer = FakeTimer(callback, args)
        heappush(self._later, (self._elapsed + max(0.0, delay_s), next(self._order), timer))
        return timer

    async def sleep(self, delay_s: float) -> None:
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        self.call_later(delay_s, lambda: woken.done() or woken.set_result(None))
        await woken

    # -- for tests -------------------------------------------------------------------------------

    def turn(self, most: int = 10_000) -> None:
        """Runs what was called soon, and what that calls soon, until nothing is left."""
        for _ in range(most):
            if not self._soon:
                return
            soon, self._soon = self._soon, []
            for timer in soon:
                if not timer.is_cancelled:
                    timer.callback(*timer.args)
        raise AssertionError("call_soon never ends")

    def advance(self, seconds: float) -> None:
        """Lets time pass, timer by timer."""
        until = self._elapsed + seconds
        self.turn()
        while self._later and self._later[0][0] <= until:
            at, _, timer = heappop(self._later)
            self._elapsed = max(self._elapsed, at)
            if not timer.is_cancelled:
                timer.callback(*timer.args)
            self.turn()
        self._elapsed = until

    async def advance_async(self, seconds: float, step: float = 0.05) -> None:
        """`advance` in steps, giving tasks their turns between them."""
        left = seconds
        while left > 0:
            self.advance(min(step, left))
            left -= step
            await settle()
        await settle()


async def settle(turns: int = 20) -> None:
    """Lets every ready task run."""
    for _ in range(turns):
        await asyncio.sleep(0)
