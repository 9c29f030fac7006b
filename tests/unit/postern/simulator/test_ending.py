import asyncio

from postern.simulator.ending import Ending


async def test_the_first_reason_counts() -> None:
    ending = Ending(asyncio.get_running_loop())
    ending.end()
    ending.died("task", ValueError("late"))
    ending.end()

    assert await ending.wait() == 0


async def test_a_death_is_a_failure() -> None:
    ending = Ending(asyncio.get_running_loop())
    ending.died("task", ValueError("broken"))

    assert await ending.wait() == 1
