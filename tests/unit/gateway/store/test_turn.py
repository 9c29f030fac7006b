"""Whose turn it is on the writer."""

import asyncio

import pytest

from gateway.store.turn import WriterTurn


class Log:
    """A turn and what was granted, in order."""

    def __init__(self) -> None:
        self.turn = WriterTurn()
        self.granted: list[str] = []

    def group(self, name: str) -> None:
        self.turn.take(lambda: self.granted.append(name))

    def cold(self, name: str) -> "asyncio.Task[None]":
        return asyncio.ensure_future(self._cold(name))

    async def _cold(self, name: str) -> None:
        await self.turn.acquire()
        self.granted.append(name)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_free_turn_is_granted_at_once() -> None:
    log = Log()
    log.group("g1")
    assert log.granted == ["g1"]
    log.turn.release(cold=False)
    log.cold("c1")
    await settle()
    assert log.granted == ["g1", "c1"]


async def test_groups_and_cold_transactions_alternate() -> None:
    log = Log()
    log.group("g1")
    for name in ("c1", "c2"):
        log.cold(name)
    await settle()
    for n in (2, 3):
        log.group(f"g{n}")
        log.turn.release(cold=False)  # the group ends, a cold one comes
        await settle()
        log.turn.release(cold=True)  # the cold one ends, a group comes
    assert log.granted == ["g1", "c1", "g2", "c2", "g3"]


async def test_group_goes_on_when_no_cold_one_waits() -> None:
    log = Log()
    log.group("g1")
    log.group("g2")
    log.turn.release(cold=False)
    assert log.granted == ["g1", "g2"]


async def test_cold_ones_come_in_order() -> None:
    log = Log()
    log.group("g1")
    for n in range(3):
        log.cold(f"c{n}")
    await settle()
    log.turn.release(cold=False)
    for _ in range(3):
        await settle()
        log.turn.release(cold=True)
    assert log.granted == ["g1", "c0", "c1", "c2"]
    log.group("g2")  # the turn is free again
    assert log.granted[-1] == "g2"


@pytest.mark.parametrize("turns", [0, 5])
async def test_cancelled_waiter_is_passed_over(turns: int) -> None:
    log = Log()
    log.group("g1")
    gone, stays = log.cold("gone"), log.cold("stays")
    await settle()
    gone.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    log.turn.release(cold=False)
    async with asyncio.timeout(20):
        await stays
    await asyncio.wait([gone])
    assert gone.cancelled()
    assert log.granted == ["g1", "stays"]


async def test_group_is_not_lost_behind_a_cancelled_waiter() -> None:
    log = Log()
    log.group("g1")
    gone = log.cold("gone")
    log.group("g2")
    await settle()
    gone.cancel()
    log.turn.release(cold=False)
    assert log.granted == ["g1", "g2"]
    log.turn.release(cold=False)
    log.group("g3")
    assert log.granted == ["g1", "g2", "g3"]


async def test_waiter_cancelled_as_it_is_granted_passes_the_turn_on() -> None:
    log = Log()
    log.group("g1")
    gone, stays = log.cold("gone"), log.cold("stays")
    await settle()
    log.turn.release(cold=False)
    gone.cancel()
    async with asyncio.timeout(20):
        await stays
    assert log.granted == ["g1", "stays"]


async def test_second_waiting_group_is_a_defect() -> None:
    log = Log()
    log.group("g1")
    log.group("g2")
    with pytest.raises(RuntimeError, match="before the first was done"):
        log.group("g3")
