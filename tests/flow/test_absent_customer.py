"""A customer who is away hears of everything when he comes back, also after our restart."""

from gateway.domain.lifecycle import MessageState, Notified
from tests.support.heart import World


async def test_he_is_told_everything_once_and_in_order() -> None:
    world = await World.build()
    world.notifier.bound = False
    messages = []
    for state in (MessageState.DELIVERED, MessageState.FAILED, MessageState.DELIVERED):
        message, id = await world.sent()
        world.wire.receipt(id, state)
        messages.append((message.key, state))
    await world.committed()
    world = await world.restarted()
    world.heart.notifications.room_changed(world.credential())
    await world.committed()
    assert world.notifier.told == messages
    assert {row.notified for row in world.store.rows.values()} == {Notified.DONE}
    world = await world.restarted()
    world.heart.notifications.room_changed(world.credential())
    await world.quiet()
    assert world.notifier.told == []
