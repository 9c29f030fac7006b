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


async def test_nothing_leaves_whose_outcome_could_not_be_kept() -> None:
    """Or memory, and what a crash sends twice, would grow for as long as providers answer."""
    world = await World.build(windows=2)
    messages = [await world.accepted() for _ in range(10)]
    world.store.unavailable = True
    world.submit()
    await world.quiet()
    for _ in range(5):
        if world.wire.outstanding:
            world.wire.accept_all()
        await world.after(1)
    assert [m for m, _ in world.wire.submitted] == messages[:2]
    assert len(world.heart.journal.uncommitted_keys()) == 2
    world.store.unavailable = False
    for _ in range(5):
        await world.after(1)
        world.wire.accept_all()
    await world.committed()
    assert [world.state(m) for m in messages] == [MessageState.SENT] * 10
    assert len(world.wire.submitted) == 10
