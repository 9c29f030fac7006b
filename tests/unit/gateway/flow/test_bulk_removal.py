"""Intakes that became no bulk leave nothing behind, whoever ended them."""

from gateway.flow.bulk_intake import ROWS_AT_ONCE
from tests.support.bulks import BulkWorld, numbers


def left(world: BulkWorld) -> tuple[int, int]:
    """Rows of bulks and of recipients."""
    [bulks] = world.sql("SELECT count(*) FROM bulk")
    [recipients] = world.sql("SELECT count(*) FROM bulk_recipient")
    return bulks, recipients


async def test_what_a_crash_left_goes_in_small_steps() -> None:
    world = await BulkWorld.build(are_up=False)
    await world.begin().add(numbers(3 * ROWS_AT_ONCE))
    await world.restart(runs=False)
    assert left(world) == (1, 3 * ROWS_AT_ONCE)
    world.run()
    await world.world.quiet()
    assert left(world) == (1, 2 * ROWS_AT_ONCE)
    await world.world.after(1.0)
    assert left(world) == (0, 0)


async def test_an_intake_of_this_run_is_no_leftover() -> None:
    world = await BulkWorld.build(are_up=False, runs=False)
    intake = world.begin()
    await intake.add(numbers(ROWS_AT_ONCE))
    world.run()
    await world.world.after(1.0)
    assert left(world) == (1, ROWS_AT_ONCE)
    view = await world.commit(intake)
    assert await world.listed() == [view.key]


async def test_a_bulk_that_became_real_is_never_removed() -> None:
    world = await BulkWorld.build(are_up=False)
    view = await world.send(numbers(ROWS_AT_ONCE))
    world.world.heart.bulk_removal.add(view.key)
    await world.world.after(1.0)
    assert left(world) == (1, ROWS_AT_ONCE)


async def test_a_refused_one_goes() -> None:
    world = await BulkWorld.build(are_up=False)
    await world.refused(numbers(ROWS_AT_ONCE + 1), sender="NOBODY")
    await world.world.after(1.0)
    assert left(world) == (0, 0)


async def test_it_waits_for_the_store() -> None:
    world = await BulkWorld.build(are_up=False)
    await world.begin().add(numbers(ROWS_AT_ONCE))
    await world.restart(runs=False)
    world.store.engine.unavailable = True
    world.run()
    await world.world.after(5.0)
    world.store.engine.unavailable = False
    assert left(world) == (1, ROWS_AT_ONCE)
    await world.world.after(2.0)
    assert left(world) == (0, 0)
