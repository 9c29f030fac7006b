"""A provider that says "not now": the next one at once, then the table of waits, and one charge in all."""

from gateway.domain.lifecycle import MessageState
from gateway.domain.outcome import Deferred, Sent
from tests.support.heart import PRICE, World, provider_spec


async def test_the_message_finds_its_way_and_its_receipt_comes_home() -> None:
    world = await World.build(providers=[provider_spec("one"), provider_spec("two")])
    one, two = world.wires["one"], world.wires["two"]
    message = await world.accepted()
    one.answer(Deferred("busy"))
    await world.after(0.01)
    two.answer(Deferred("busy too"))
    await world.after(31.0)
    one.answer(Sent("77"))
    one.receipt("77")
    await world.committed()
    row = world.row(message)
    assert (row.state, row.provider_id, row.error) == (MessageState.DELIVERED, 1, "")
    assert world.spent() == (PRICE, 0)
    assert world.notifier.told == [(message.key, MessageState.DELIVERED)]
