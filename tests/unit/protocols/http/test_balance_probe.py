import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from gateway.runtime.supervisor import Supervisor
from protocols.http.balance_probe import BalanceProbe
from tests.support.clock import FakeClock, settle
from tests.support.vendor import Line, PlainDialect


class Bench:
    """A probe that looks every minute and warns below 10."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.supervisor = Supervisor(lambda name, error: None)
        self.line = Line()
        self.dialect = PlainDialect("http://vendor")
        self.probe = BalanceProbe(
            "carrier", self.dialect, self.line, self.clock, every_s=60.0, warn_micros=10_000_000
        )

    async def look(self, body: str, status: int = 200) -> int | None:
        """One look, answered so; what is known then."""
        self.line.answer = lambda _asked: web.Response(body=body.encode(), status=status)
        await self.clock.advance_async(60.0, step=60.0)
        return self.probe.balance_micros


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    made.line.is_up = False  # the first look comes too early
    made.supervisor.spawn(made.probe.run(), "balance")
    await settle()
    made.line.is_up = True
    yield made
    await made.supervisor.stop()


async def test_the_balance_is_what_was_said_last(bench: Bench):
    assert bench.probe.balance_micros is None
    assert await bench.look("12500000") == 12_500_000
    assert await bench.look("20000000") == 20_000_000
    assert [asked.path for asked in bench.line.asked] == ["http://vendor/balance"] * 2


async def test_no_answer_changes_nothing(bench: Bench):
    await bench.look("12500000")
    assert await bench.look("no", status=500) == 12_500_000
    bench.line.is_up = False
    bench.clock.advance(60.0)
    await settle()
    assert len(bench.line.asked) == 2
    assert bench.probe.balance_micros == 12_500_000


async def test_a_low_balance_is_warned_of_once(bench: Bench, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "postern.http.balance"):
        await bench.look("10000000")
        assert caplog.records == []
        await bench.look("9999999")
        await bench.look("5000000")
        [record] = caplog.records
        assert record.message == "provider.low_balance"
        assert record.__dict__["fields"] == {
            "provider": "carrier", "balance": "9.999999", "balance_warn": "10",
        }  # fmt: skip
        await bench.look("50000000")
        await bench.look("0")
        assert len(caplog.records) == 2


async def test_without_a_limit_nothing_is_warned_of(bench: Bench, caplog: pytest.LogCaptureFixture):
    bench.probe.warn_micros = None
    with caplog.at_level(logging.WARNING, "postern.http.balance"):
        assert await bench.look("-1") == -1
    assert caplog.records == []


async def test_a_dialect_without_a_balance_is_not_asked(bench: Bench):
    bench.dialect.has_balance = False
    bench.clock.advance(60.0)
    await settle()
    assert bench.line.asked == []
