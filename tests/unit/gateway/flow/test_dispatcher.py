"""From committed message to provider."""

from typing import Any

from gateway.domain.commit_group import EventKind
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Channel, Message
from gateway.domain.outcome import Deferred, Unknown
from gateway.domain.route import Route
from tests.support.heart import World, account_spec, provider_spec

S = MessageState
K = EventKind
LONG = "a" * 307  # three parts
BUSY = Deferred("busy")
SLOW_DOWN = Deferred("throttled", throttled=True)
NO_ANSWER = Unknown("no answer")


async def two_providers(tiers: Any = None, **specs: Any) -> World:
    """Providers 1 and 2, one tier each unless told otherwise."""
    routes = None if tiers is None else [Route("r", Channel.SMS, "", tiers)]
    return await World.build(
        providers=[provider_spec("one", **specs), provider_spec("two", **specs)], routes=routes
    )


def submitted(world: World) -> dict[str, int]:
    return {name: len(wire.submitted) for name, wire in world.wires.items()}


# --- choice of the provider ---------------------------------------------------------------------


async def test_the_first_tier_that_is_up_is_used() -> None:
    world = await two_providers()
    await world.accepted()
    assert submitted(world) == {"one": 1, "two": 0}
    world.wires["one"].go_down()
    await world.accepted()
    await world.after(0.01)
    assert submitted(world) == {"one": 1, "two": 2}


async def test_weights_share_a_tier() -> None:
    world = await two_providers(tiers=(((1, 3), (2, 1)),))
    draws = iter([0.0, 0.74, 0.76, 0.99])
    world.heart.dispatcher.draw = lambda: next(draws)
    for _ in range(4):
        await world.accepted()
    assert submitted(world) == {"one": 2, "two": 2}


async def test_a_spent_window_is_no_attempt() -> None:
    world = await World.build(windows=2)
    messages = [await world.accepted() for _ in range(5)]
    assert world.wire.keys() == [m.key for m in messages[:2]]
    world.wire.take()
    await world.quiet()
    assert world.wire.keys() == [m.key for m in messages[:3]]
    assert [m.attempts for m in messages] == [0] * 5
    assert [m.due_at_ms for m in messages] == [world.row(m).due_at_ms for m in messages]


async def test_with_all_providers_down_messages_are_accepted_and_wait() -> None:
    world = await two_providers()
    for wire in world.wires.values():
        wire.go_down()
    messages = [await world.accepted() for _ in range(3)]
    assert submitted(world) == {"one": 0, "two": 0}
    assert world.heart.dispatcher.waiting_for_any() == 3
    world.wires["two"].come_up()  # they leave in the same turn
    assert world.wires["two"].keys() == [m.key for m in messages]
    assert world.heart.dispatcher.waiting_for_any() == 0
    assert [m.attempts for m in messages] == [0, 0, 0]


async def test_more_than_a_turns_worth_of_waiting_messages_all_leave_in_order() -> None:
    world = await World.build(are_up=False, windows=5000)
    asked = world.submit_batch(["41790000001"] * 1200)
    await world.quiet()
    world.wire.come_up()
    assert 0 < len(world.wire.submitted) < 1200  # a slice per turn of the loop
    late = await world.accepted()
    await world.quiet()
    assert world.wire.keys() == [m.key for m in asked.batch.messages] + [late.key]


async def test_a_provider_that_goes_down_gives_its_queue_to_the_next() -> None:
    world = await World.build(providers=[provider_spec("one"), provider_spec("two")], windows=1)
    messages = [await world.accepted() for _ in range(3)]
    world.wires["one"].up = False
    world.wires["one"].sink.room_changed()
    await world.after(0.01)
    assert world.wires["two"].keys() == [messages[1].key]
    world.wires["two"].take()
    await world.quiet()
    assert world.wires["two"].keys() == [m.key for m in messages[1:]]


async def test_a_paused_provider_gets_nothing_and_keeps_its_queue_for_later() -> None:
    world = await World.build()
    lane = world.lane()
    lane.paused = True
    world.heart.dispatcher.room_changed(lane)
    await world.accepted()
    assert world.wire.submitted == []
    lane.paused = False
    world.heart.dispatcher.room_changed(lane)
    await world.quiet()
    assert len(world.wire.submitted) == 1


async def test_no_provider_gets_more_than_its_rate() -> None:
    world = await World.build(providers=[provider_spec(rate_per_s=10)])
    for _ in range(25):
        world.submit()
    await world.quiet()
    before = len(world.wire.submitted)
    assert before <= 2
    await world.after(1.0, steps=100)
    assert 9 <= len(world.wire.submitted) - before <= 11


async def test_nothing_leaves_once_dispatch_stops() -> None:
    world = await World.build()
    world.heart.dispatcher.stopping = True
    await world.accepted()
    assert world.wire.submitted == []


# --- order and fairness -------------------------------------------------------------------------


async def test_one_accounts_messages_leave_in_order_of_acceptance() -> None:
    world = await World.build(windows=3)
    world.wire.take_everything()
    asked = [world.submit() for _ in range(200)]
    await world.quiet()
    assert world.wire.keys() == [a.message.key for a in asked]


async def test_an_urgent_message_overtakes_another_accounts_bulk() -> None:
    world = await World.build(accounts=[account_spec("bulk"), account_spec("acme")], windows=2)
    world.submit_batch(["41790000001"] * 500, account="bulk", priority=0)
    await world.quiet()
    urgent = await world.accepted(priority=3)
    world.wire.take()
    await world.quiet()
    assert world.wire.keys()[-1] == urgent.key


async def test_accounts_share_a_provider_by_parts() -> None:
    world = await World.build(
        accounts=[account_spec("short"), account_spec("long")], windows=6, are_up=False
    )
    for _ in range(60):
        world.submit(account="short")
        world.submit(LONG, account="long")
    await world.quiet()
    world.wire.take_everything()
    world.wire.window = 60
    world.wire.up = True
    world.wire.reply = None
    world.wire.sink.room_changed()
    await world.quiet()
    parts = {"short": 0, "long": 0}
    for message, _ in world.wire.submitted:
        parts[message.account.name] += 1
    assert abs(parts["short"] - parts["long"]) <= 16


# --- time ---------------------------------------------------------------------------------------


async def test_a_scheduled_message_leaves_when_it_is_due() -> None:
    world = await World.build()
    due = world.clock.now_ms() + 5_000
    later = await world.accepted(due_at_ms=due)
    now = await world.accepted()
    assert world.wire.keys() == [now.key]
    await world.after(4.9)
    assert world.wire.keys() == [now.key]
    await world.after(0.2)
    assert world.wire.keys() == [now.key, later.key]


async def test_an_earlier_due_time_moves_the_alarm_forward() -> None:
    world = await World.build()
    now_ms = world.clock.now_ms()
    second = await world.accepted(due_at_ms=now_ms + 20_000)
    first = await world.accepted(due_at_ms=now_ms + 10_000)
    await world.after(10.1)
    assert world.wire.keys() == [first.key]
    await world.after(10.0)
    assert world.wire.keys() == [first.key, second.key]


async def test_what_is_out_of_date_does_not_leave() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted(expires_at_ms=world.clock.now_ms() + 1000)
    await world.after(2.0)
    world.wire.come_up()
    await world.committed()
    assert world.wire.submitted == []
    assert world.state(message) == S.EXPIRED
    assert world.kinds(message) == [K.EXPIRED]
    assert world.spent() == (0, 0)


# --- reload -------------------------------------------------------------------------------------


async def test_waiting_messages_take_the_routes_of_a_reload() -> None:
    world = await two_providers(tiers=(((1, 1),),))
    world.wires["one"].go_down()
    message = await world.accepted()
    world.heart.switchboard.set_routes([Route("r", Channel.SMS, "", (((2, 1),),))])
    world.heart.dispatcher.wake_all()
    await world.quiet()
    assert world.wires["two"].keys() == [message.key]


async def test_a_retry_takes_the_routes_of_a_reload() -> None:
    world = await two_providers(tiers=(((1, 1),),))
    message = await world.accepted()
    world.wires["one"].answer(BUSY)
    await world.quiet()
    world.heart.switchboard.set_routes([Route("r", Channel.SMS, "", (((2, 1),),))])
    world.lane("one").enabled = False
    world.heart.dispatcher.room_changed(world.lane("one"))
    world.heart.dispatcher.wake_all()
    await world.after(6.0)
    assert world.wires["two"].keys() == [message.key]


async def test_a_retry_leaves_a_provider_that_its_route_no_longer_names() -> None:
    world = await two_providers(tiers=(((1, 1),),))
    message = await world.accepted()
    world.wires["one"].answer(BUSY)
    await world.quiet()
    world.heart.switchboard.set_routes([Route("r", Channel.SMS, "", (((2, 1),),))])
    await world.after(6.0)
    assert submitted(world) == {"one": 1, "two": 1}
    assert world.wires["two"].keys() == [message.key]


async def test_a_message_committed_after_a_reload_is_not_lost_to_an_old_route() -> None:
    world = await two_providers(tiers=(((1, 1),),))
    world.store.by_hand = True
    asked = world.submit()
    world.clock.turn()
    world.lane("one").enabled = False
    world.heart.dispatcher.room_changed(world.lane("one"))
    world.heart.switchboard.set_routes([Route("r", Channel.SMS, "", (((2, 1),),))])
    world.heart.dispatcher.wake_all()
    world.store.complete()
    await world.quiet()
    assert world.wires["two"].keys() == [asked.message.key]


async def test_without_any_route_a_message_waits_for_one() -> None:
    world = await two_providers(tiers=(((1, 1),),))
    world.wires["one"].go_down()
    message: Message = await world.accepted()
    world.heart.switchboard.set_routes([])
    world.heart.dispatcher.wake_all()
    world.wires["one"].come_up()
    await world.quiet()
    assert submitted(world) == {"one": 0, "two": 0}
    world.heart.switchboard.set_routes([Route("r", Channel.SMS, "", (((2, 1),),))])
    world.heart.dispatcher.wake_all()
    await world.quiet()
    assert world.wires["two"].keys() == [message.key]
