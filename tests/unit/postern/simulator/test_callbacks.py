import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.runtime.clock import LoopClock
from gateway.runtime.supervisor import Supervisor
from postern.simulator import callbacks
from postern.simulator.callbacks import RETRY_S, Callback, CallbackSender
from postern.simulator.tally import Tally
from tests.support.callback_receiver import LIMIT_S, receiving


class HastyClock(LoopClock):
    """Notes every delay and lets it pass at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.delays: list[float] = []

    def call_later(
        self, delay_s: float, callback: Callable[..., object], *args: object
    ) -> asyncio.TimerHandle:
        self.delays.append(delay_s)
        return super().call_later(0.0, callback, *args)


class Bench:
    """A sender whose waits take no time."""

    def __init__(self) -> None:
        self.clock = HastyClock(asyncio.get_running_loop())
        self.supervisor = Supervisor(self._died)
        self.deaths: list[str] = []
        self.tally = Tally()
        self.sender = CallbackSender(self.clock, self.supervisor, self.tally)
        self.sender.start()

    def _died(self, task: str, error: BaseException) -> None:
        self.deaths.append(task)

    async def settled(self) -> None:
        """Until nothing is pending."""
        async with asyncio.timeout(LIMIT_S):
            while self.sender.pending:  # noqa: ASYNC110 - it tells nobody when it gives up
                await asyncio.sleep(0)


@asynccontextmanager
async def working() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.sender.stop()
    await bench.supervisor.stop()
    assert bench.deaths == []


async def test_a_callback_is_posted_after_its_delay() -> None:
    async with receiving() as receiver, working() as bench:
        bench.sender.add(7.0, Callback(receiver.url, b'{"id": "1"}'))

        assert await receiver.call() == {"id": "1"}
        await bench.settled()
        assert bench.clock.delays == [7.0]
        assert (bench.tally.receipts_sent, bench.tally.receipts_taken) == (1, 1)


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_a_refused_callback_is_repeated(status: int) -> None:
    async with receiving(status, status) as receiver, working() as bench:
        bench.sender.add(0.0, Callback(receiver.url, b'"again"'))

        assert [await receiver.call() for _ in range(3)] == ["again"] * 3
        await bench.settled()
        assert bench.clock.delays == [0.0, *RETRY_S[:2]]
        assert (bench.tally.receipts_sent, bench.tally.receipts_taken) == (3, 1)


async def test_a_callback_nobody_takes_is_given_up() -> None:
    async with receiving() as receiver:
        url = receiver.url  # and nobody listens there any more
    async with working() as bench:
        bench.sender.add(0.0, Callback(url, b"{}"))
        await bench.settled()

        assert bench.clock.delays == [0.0, *RETRY_S]
        assert bench.tally.receipts_taken == 0


async def test_a_callback_may_be_made_at_once() -> None:
    async with receiving() as receiver, working() as bench:
        await bench.sender.call(Callback(receiver.url, b"1"))

        assert not receiver.is_empty
        assert bench.sender.pending == 0


async def test_pending_callbacks_are_counted_against_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callbacks, "MOST_PENDING", 1)
    async with receiving() as receiver, working() as bench:
        assert not bench.sender.is_full
        bench.sender.add(0.0, Callback(receiver.url, b"1"))
        assert bench.sender.is_full
        await bench.settled()
        assert not bench.sender.is_full


async def test_start_and_stop_may_be_repeated() -> None:
    async with receiving() as receiver, working() as bench:
        bench.sender.start()
        bench.sender.add(0.0, Callback(receiver.url, b"1"))
        await receiver.call()
        await bench.sender.stop()
        await bench.sender.stop()
