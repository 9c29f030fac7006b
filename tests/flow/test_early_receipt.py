"""The receipt comes before the answer that tells us its id, even across a restart in between."""

from gateway.domain.lifecycle import MessageState
from gateway.domain.outcome import Sent
from tests.support.heart import World


async def test_it_is_acknowledged_kept_and_matched() -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.receipt("77", MessageState.FAILED, "12")
    await world.quiet()
    assert world.wire.receipts == {"77": True}
    world = await world.restarted()  # the answer never came; the message goes again
    (again,) = world.wire.keys()
    assert again == message.key
    world.wire.answer(Sent("77"))
    await world.committed()
    assert world.state(message) == MessageState.FAILED
    assert world.notifier.told == [(message.key, MessageState.FAILED)]
    assert world.store.parked == []
