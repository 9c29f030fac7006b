"""The best provider goes and comes: nothing is lost, nothing is late, the order of the tiers holds."""

from gateway.domain.lifecycle import MessageState
from tests.support.heart import World, provider_spec


async def test_the_second_tier_carries_on_and_gives_back() -> None:
    world = await World.build(providers=[provider_spec("best"), provider_spec("spare")], windows=4)
    best, spare = world.wires["best"], world.wires["spare"]
    asked = [world.submit() for _ in range(10)]
    await world.quiet()
    assert len(best.outstanding) == 4
    best.go_down()  # what it had comes back unsent
    for _ in range(10):
        spare.accept_all()
        await world.after(1.0)
    assert {m.key for m, _ in spare.submitted} == {a.message.key for a in asked}
    best.come_up()
    message = await world.accepted()
    assert best.submitted[-1][0] is message
    await world.committed()
    assert {world.state(a.message) for a in asked} == {MessageState.SENT}


async def test_when_all_come_back_everything_leaves_at_once() -> None:
    world = await World.build(are_up=False)
    messages = [await world.accepted() for _ in range(20)]
    world = await world.restarted(are_up=False)
    before_ms = world.clock.now_ms()
    world.wire.come_up()
    await world.after(0.001)
    assert world.wire.keys() == [m.key for m in messages]
    assert world.clock.now_ms() - before_ms <= 1000
