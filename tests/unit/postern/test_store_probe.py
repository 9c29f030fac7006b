import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.runtime.supervisor import Supervisor
from postern import store_probe
from postern.store_probe import StoreProbe
from tests.support.clock import FakeClock


class Disk:
    """A store whose answer the test holds back; `answers` are those given so far."""

    def __init__(self) -> None:
        self.is_writable = True
        self.asked = 0
        self.free = asyncio.Event()
        self.free.set()

    async def writable(self) -> bool:
        self.asked += 1
        await self.free.wait()
        return self.is_writable


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def disk() -> Disk:
    return Disk()


@pytest.fixture
async def probe(disk: Disk, clock: FakeClock) -> AsyncIterator[StoreProbe]:
    supervisor = Supervisor(lambda _name, error: pytest.fail(str(error)))
    yield StoreProbe(disk, clock, supervisor)
    await supervisor.stop()


async def test_one_probe_a_second(probe: StoreProbe, disk: Disk, clock: FakeClock) -> None:
    assert [await probe.is_writable() for _ in range(5)] == [True] * 5
    assert disk.asked == 1
    clock.advance(0.9)
    await probe.is_writable()
    assert disk.asked == 1
    disk.is_writable = False
    clock.advance(0.2)
    assert not await probe.is_writable()
    assert disk.asked == 2


async def test_requests_at_once_share_a_probe(probe: StoreProbe, disk: Disk) -> None:
    assert await asyncio.gather(*(probe.is_writable() for _ in range(10))) == [True] * 10
    assert disk.asked == 1


async def test_a_disk_that_hangs_is_not_writable_and_asked_once(
    probe: StoreProbe, disk: Disk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_probe, "TIMEOUT_S", 0.01)
    disk.free.clear()
    assert not await probe.is_writable()
    clock.advance(60)
    assert not await probe.is_writable()
    assert disk.asked == 1
    disk.free.set()
    assert await probe.is_writable()
