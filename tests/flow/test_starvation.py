"""One customer's pile does not stand in another's way."""

from tests.support.heart import NEVER, World, account_spec


async def test_an_urgent_message_passes_a_pile_that_memory_cannot_hold() -> None:
    world = await World.build(
        accounts=[account_spec("bulk"), account_spec("acme")], max_ready=50, windows=10
    )
    for _ in range(20):
        world.submit_batch(["41790000001"] * 50, account="bulk", priority=0, notify_when=NEVER)
    await world.quiet()
    urgent = await world.accepted(priority=3)
    behind = len(world.wire.submitted)
    world.wire.take()
    await world.quiet()
    assert world.wire.submitted[behind][0] is urgent
    assert len(world.heart.backlogs.live) <= 60


async def test_equals_share_while_one_has_a_pile() -> None:
    world = await World.build(
        accounts=[account_spec("bulk"), account_spec("acme")], max_ready=100, windows=10
    )
    world.submit_batch(["41790000001"] * 1000, account="bulk", notify_when=NEVER)
    await world.quiet()
    small = world.submit_batch(["41790000002"] * 40, notify_when=NEVER)
    await world.quiet()
    for _ in range(10):
        world.wire.accept_all()
        await world.after(0.001)
    left = {message.key for message, _ in world.wire.submitted}
    assert sum(m.key in left for m in small.batch.messages) >= 32  # of about 100 that left since
