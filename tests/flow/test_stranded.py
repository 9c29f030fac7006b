"""A provider that is down holds up neither memory nor the account's other traffic."""

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Channel
from gateway.domain.outcome import Deferred
from gateway.domain.route import Route
from tests.support.heart import NEVER, World, provider_spec

S = MessageState
NEAR, FAR = "41790000001", "37120000001"
BOUND = 20


async def two_routes() -> World:
    """41 goes by "near", everything else by "far"; "near" is down."""
    world = await World.build(
        providers=[provider_spec("near"), provider_spec("far")],
        routes=[
            Route("near", Channel.SMS, "41", (((1, 1),),)),
            Route("far", Channel.SMS, "", (((2, 1),),)),
        ],
        max_ready=BOUND,
    )
    world.wires["near"].go_down()
    world.wires["far"].take_everything()
    return world


def states(world: World, to: str) -> set[MessageState]:
    return {row.state for row in world.store.rows.values() if row.recipient == to}


async def test_traffic_to_another_provider_flows_past_a_pile() -> None:
    world = await two_routes()
    for _ in range(200):
        world.submit(recipient=NEAR, notify_when=NEVER)
    await world.after(1.0, steps=20)
    for _ in range(10):
        world.submit(recipient=FAR, notify_when=NEVER)
        await world.quiet()
    assert states(world, FAR) == {S.HANDED_OVER}
    assert states(world, NEAR) == {S.QUEUED}
    assert len(world.heart.backlogs.live) <= BOUND


async def test_what_was_left_behind_leaves_in_order_and_once() -> None:
    world = await two_routes()
    for n in range(200):
        world.submit(recipient=NEAR if n % 3 else FAR, notify_when=NEVER)
        await world.quiet()
    world.wires["near"].take_everything()
    world.wires["near"].come_up()
    await world.after(5.0, steps=100)
    left = world.wires["near"].keys()
    assert left == sorted(k for k, row in world.store.rows.items() if row.recipient == NEAR)
    assert states(world, NEAR) == states(world, FAR) == {S.HANDED_OVER}
    assert world.waiting() == {(1, 1): (0, False)}


async def test_a_restart_with_a_pile_reads_past_it() -> None:
    world = await two_routes()
    for n in range(200):
        world.submit(recipient=NEAR if n < 180 else FAR, notify_when=NEVER)
    world.wires["far"].go_down(Deferred("link lost"))
    await world.quiet()
    world = await world.restarted(are_up=False)
    world.wires["far"].take_everything()
    world.wires["far"].come_up()
    await world.after(2.0, steps=40)
    assert states(world, FAR) == {S.HANDED_OVER}
    assert len(world.heart.backlogs.live) <= BOUND
    world.wires["near"].take_everything()
    world.wires["near"].come_up()
    await world.after(5.0, steps=100)
    assert states(world, NEAR) == {S.HANDED_OVER}


async def test_with_everything_down_nothing_is_read_until_something_opens() -> None:
    world = await World.build(max_ready=BOUND, are_up=False)
    for _ in range(200):
        world.submit(notify_when=NEVER)
    await world.quiet()
    world = await world.restarted()
    reads = world.store.reads
    await world.after(30.0, steps=30)
    assert world.store.reads == reads
    assert len(world.heart.backlogs.live) <= BOUND
    world.wire.take_everything()
    world.wire.come_up()
    await world.after(5.0, steps=100)
    assert world.wire.keys() == sorted(world.store.rows)


async def test_a_reload_looks_at_everything_again() -> None:
    world = await two_routes()
    for _ in range(100):
        world.submit(recipient=NEAR, notify_when=NEVER)
    await world.quiet()
    world.heart.switchboard.set_routes([Route("far", Channel.SMS, "", (((2, 1),),))])
    world.heart.dispatcher.wake_all()
    await world.after(5.0, steps=100)
    assert world.wires["far"].keys() == sorted(world.store.rows)


async def test_messages_that_expire_behind_a_dead_provider_leave_memory(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("gateway.flow.dispatcher.MOST_ENDED", 5)
    world = await World.build(max_ready=BOUND, are_up=False)
    for _ in range(6):
        for _ in range(5):
            expires = world.clock.now_ms() + 1000
            world.submit(notify_when=NEVER, expires_at_ms=expires)
        await world.after(2.0)
        await world.heart.maintenance.expire_once()
        await world.committed()
    assert states(world, NEAR) == {S.EXPIRED}
    assert world.heart.dispatcher.waiting_for_any() <= 5


async def test_a_retry_far_ahead_waits_on_disk() -> None:
    world = await World.build(providers=[provider_spec("one", retry_s=(600,))])
    message = await world.accepted(notify_when=NEVER)
    world.wire.answer(Deferred("busy"))
    await world.committed()
    assert message.key not in world.heart.backlogs.live
    assert world.waiting()[1, 1][0] == 0
    world.wire.take_everything()
    await world.after(590.0, steps=50)
    assert world.state(message) == S.QUEUED
    await world.after(80.0, steps=50)
    assert world.state(message) == S.HANDED_OVER
    assert world.wire.keys() == [message.key, message.key]
