"""A text of several parts: one message, one price, one fate, whatever happens to its parts."""

from gateway.domain.lifecycle import MessageState
from gateway.domain.outcome import Deferred, Unknown
from tests.support.heart import PRICE, World

TEXT = "a" * 400  # three parts


async def test_parts_may_take_different_ways_in_time() -> None:
    world = await World.build()
    message = await world.accepted(TEXT)
    ids = [world.wire.take()]
    world.wire.answer(Deferred("busy"))
    world.wire.answer(Unknown("no answer"))
    world.wire.receipt(ids[0])
    await world.after(0.05)
    assert world.spent() == (3 * PRICE, 0)
    while len(ids) < 3:
        await world.after(40)
        ids += world.wire.accept_all()
    for id in ids[1:]:
        world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == MessageState.DELIVERED
    assert world.notifier.told == [(message.key, MessageState.DELIVERED)]
    assert world.spent() == (3 * PRICE, 0)


async def test_a_crash_in_the_middle_sends_no_part_twice_that_was_answered_on_disk() -> None:
    world = await World.build()
    message = await world.accepted(TEXT)
    world.wire.take(1)
    await world.committed()
    world = await world.restarted()
    assert sorted(part for _, part in world.wire.submitted) == [0, 2]
    ids = ["carrier-1", *(f"again-{n}" for n in range(2))]
    for id in ids[1:]:
        world.wire.next_id = lambda id=id: id  # type: ignore[method-assign,misc]
        world.wire.take()
    for id in ids:
        world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == MessageState.DELIVERED


async def test_what_was_delivered_is_freed_at_once() -> None:
    """Also without the collector of cycles, which runs rarely."""
    world = await World.build()
    message = await world.accepted(TEXT)
    parts = list(message.split_parts())
    for id in world.wire.accept_all():
        world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == MessageState.DELIVERED
    assert [part.message for part in parts] == [message] * 3
    assert message.parts is None  # so neither keeps the other
    for part in parts:  # a repeat changes nothing
        world.wire.receipt(part.provider_message_id or "")
    await world.committed()
    assert world.state(message) == MessageState.DELIVERED
    assert world.notifier.told == [(message.key, MessageState.DELIVERED)]
