"""The disk is full for a while: new work is refused, what is under way is finished when it is back."""

from gateway.domain.errors import RefusalCode
from gateway.domain.lifecycle import MessageState
from tests.support.heart import PRICE, World


async def test_nothing_that_was_promised_is_lost() -> None:
    world = await World.build(windows=2)
    messages = [await world.accepted() for _ in range(3)]
    world.store.unavailable = True
    ids = [world.wire.take()]
    world.wire.receipt(ids[0])
    refused = world.submit()
    await world.after(10)
    assert refused.refusal.code == RefusalCode.STORE_UNAVAILABLE
    assert ids[0] not in world.wire.receipts
    later = world.wire.take()
    world.wire.receipt(later)
    assert world.wire.receipts == {later: False}  # the provider is to bring it again
    world.store.unavailable = False
    await world.after(10)
    assert world.wire.receipts[ids[0]] is True
    world.wire.receipt(later)
    world.wire.receipt(world.wire.take())
    await world.committed()
    assert [world.state(m) for m in messages] == [MessageState.DELIVERED] * 3
    assert world.spent() == (3 * PRICE, 0)
    assert sorted(world.notifier.keys()) == [m.key for m in messages]
