"""A message for later: paid now, kept across a restart, sent when it is due, refunded if it cannot be."""

from gateway.domain.lifecycle import MessageState
from tests.support.heart import PRICE, World

HOUR_MS = 3_600_000


async def test_it_leaves_when_it_is_due() -> None:
    world = await World.build()
    due = world.clock.now_ms() + 5 * HOUR_MS
    message = await world.accepted(due_at_ms=due)
    assert world.spent() == (PRICE, 0)
    world = await world.restarted()
    await world.after(5 * 3600 - 60, steps=50)
    assert world.wire.keys() == []
    await world.after(61)
    assert world.wire.keys() == [message.key]
    assert world.clock.now_ms() - due < 2000
    world.wire.receipt(world.wire.take())
    await world.committed()
    assert world.state(message) == MessageState.DELIVERED


async def test_a_validity_counts_from_the_due_time() -> None:
    world = await World.build(are_up=False)
    due = world.clock.now_ms() + 5 * HOUR_MS
    message = await world.accepted(due_at_ms=due)
    assert world.row(message).expires_at_ms == due + 48 * HOUR_MS
    world.supervisor.spawn(world.heart.maintenance.expire(), "expire")
    await world.after(53 * 3600 + 10, steps=200)
    assert world.state(message) == MessageState.EXPIRED
    assert world.spent() == (0, 0)
    await world.supervisor.stop()
