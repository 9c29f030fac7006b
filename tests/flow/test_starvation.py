"""One customer's pile does not stand in another's way."""

from collections import Counter

import pytest

from tests.support.heart import NEVER, World, account_spec, provider_spec


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


async def paced(rate_per_s: int, **world: object) -> World:
    """A provider with a contracted rate that answers at once; two accounts."""
    built = await World.build(
        accounts=[account_spec("bulk", credit_micros=10**12), account_spec("acme")],
        providers=[provider_spec(rate_per_s=rate_per_s)],
        **world,  # type: ignore[arg-type]
    )
    built.wire.take_everything()
    return built


async def test_an_urgent_message_is_the_next_to_leave_a_paced_provider() -> None:
    world = await paced(1000, max_ready=500)
    for _ in range(30):
        world.submit_batch(["41790000001"] * 200, account="bulk", priority=0, notify_when=NEVER)
    await world.after(0.5, steps=50)
    for _ in range(20):
        asked = world.submit(priority=3, notify_when=NEVER)
        while not asked.answers:
            before = len(world.wire.submitted)
            await world.after(0.0005, steps=1)
        await world.after(0.05, steps=50)
        ahead = world.wire.keys().index(asked.message.key) - before
        # One that left while it was committed, and the one turn in sixteen of a lower class.
        assert ahead <= 2


async def test_two_equal_accounts_share_a_paced_provider_within_a_tenth() -> None:
    world = await paced(1000, max_ready=200)
    for _ in range(15):
        world.submit_batch(["41790000001"] * 200, account="bulk", notify_when=NEVER)
        world.submit_batch(["41790000002"] * 200, notify_when=NEVER)
    await world.after(2.0, steps=400)
    left = Counter(message.account.name for message, _ in world.wire.submitted)
    assert left.total() == pytest.approx(2000, rel=0.1)
    assert left["bulk"] == pytest.approx(left["acme"], rel=0.1)
