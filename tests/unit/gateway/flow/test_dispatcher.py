"""From committed message to provider, and from outcome to the next step."""

from itertools import pairwise
from typing import Any

import pytest

from gateway.domain.account import ChargeAt
from gateway.domain.commit_group import EventKind
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Channel, Message
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.domain.route import Route
from tests.support.heart import NEVER, PRICE, World, account_spec, provider_spec

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
    world.heart.dispatcher._draw = lambda: next(draws)
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


# --- deferred -----------------------------------------------------------------------------------


async def test_deferred_goes_to_the_next_provider_at_once() -> None:
    world = await two_providers()
    message = await world.accepted()
    world.wires["one"].answer(BUSY)
    await world.after(0.01)
    assert world.wires["two"].keys() == [message.key]
    world.wires["two"].take()
    await world.committed()
    row = world.row(message)
    assert (row.state, row.provider_id, row.attempts) == (S.SENT, 2, 1)
    assert row.error == ""  # what an earlier attempt met is no error of a success
    assert world.kinds(message) == [K.FALL_THROUGH]


async def test_deferred_waits_as_the_table_says_and_fails_when_it_is_used_up() -> None:
    world = await World.build(providers=[provider_spec(retry_s=(5, 30))])
    message = await world.accepted()
    left_at: list[float] = []
    start = world.clock.monotonic()
    while world.state(message) == S.QUEUED and world.clock.monotonic() < start + 60:
        if world.wire.outstanding:
            left_at.append(world.clock.monotonic() - start)
            world.wire.answer(BUSY)
        await world.after(0.5, steps=2)
    waits = [round(later - earlier, 1) for earlier, later in pairwise(left_at)]
    assert waits == [5.0, 30.0]
    row = world.row(message)
    assert (row.state, row.error, row.attempts) == (S.FAILED, "busy", 3)
    assert world.kinds(message) == [K.RETRY, K.RETRY]
    assert world.spent() == (0, 0)  # it never left
    assert world.heart.backlogs.live == {}


async def test_a_retry_is_on_disk_with_its_due_time() -> None:
    world = await World.build(providers=[provider_spec(retry_s=(600,))])
    message = await world.accepted()
    world.wire.answer(BUSY)
    await world.committed()
    row = world.row(message)
    assert (row.state, row.attempts, row.error) == (S.QUEUED, 1, "busy")
    assert row.due_at_ms == row.expires_at_ms - 2 * 86_400_000 + 600_000


async def test_after_a_round_of_deferrals_the_first_tier_is_tried_again() -> None:
    world = await two_providers(retry_s=(5, 5, 5, 5))
    message = await world.accepted()
    world.wires["one"].answer(BUSY)
    await world.after(0.01)
    world.wires["two"].answer(BUSY)
    await world.after(6.0)
    assert world.wires["one"].keys() == [message.key, message.key]


# --- throttled ----------------------------------------------------------------------------------


async def test_throttled_costs_no_attempt_and_keeps_the_order() -> None:
    world = await World.build(windows=5)
    messages = [await world.accepted() for _ in range(8)]
    for _ in range(5):
        world.wire.answer(SLOW_DOWN)
    await world.quiet()
    assert world.wire.outstanding == []  # a pause for all
    before = len(world.wire.submitted)
    world.wire.take_everything()
    await world.after(60, steps=200)
    assert world.wire.keys()[before:] == [m.key for m in messages]
    assert [m.attempts for m in messages] == [0] * 8
    assert [world.kinds(m) for m in messages] == [[]] * 8
    await world.accepted()
    assert not world.lane().pace.is_slowed  # it has recovered meanwhile


async def test_throttled_slows_down_rather_than_fails() -> None:
    world = await World.build(providers=[provider_spec(rate_per_s=100, retry_s=())])
    message = await world.accepted()
    for _ in range(20):
        while not world.wire.outstanding:
            await world.after(0.5)
        world.wire.answer(SLOW_DOWN)
    assert world.lane().pace.current < 100
    await world.after(10)
    world.wire.take()
    await world.committed()
    assert world.state(message) == S.SENT


# --- refused ------------------------------------------------------------------------------------


async def test_refused_falls_through_and_then_is_rejected() -> None:
    world = await two_providers()
    message = await world.accepted()
    world.wires["one"].answer(Refused("no such route"))
    await world.after(0.01)
    world.wires["two"].answer(Refused("neither here"))
    await world.committed()
    row = world.row(message)
    assert (row.state, row.error, row.attempts) == (S.REJECTED, "neither here", 2)
    assert world.kinds(message) == [K.FALL_THROUGH]
    assert world.spent() == (0, 0)
    assert world.notifier.told == [(message.key, S.REJECTED)]


async def test_refused_everywhere_asks_no_other() -> None:
    world = await two_providers()
    message = await world.accepted()
    world.wires["one"].answer(Refused("bad number", everywhere=True))
    await world.committed()
    assert world.state(message) == S.REJECTED
    assert submitted(world) == {"one": 1, "two": 0}


# --- unknown ------------------------------------------------------------------------------------


async def test_unknown_is_sent_again_at_once_and_then_by_the_table() -> None:
    world = await World.build(providers=[provider_spec(retry_s=(5, 30))])
    message = await world.accepted()
    world.wire.answer(NO_ANSWER)
    await world.after(0.01)
    assert len(world.wire.submitted) == 2
    world.wire.answer(NO_ANSWER)
    await world.after(1.0)
    assert len(world.wire.submitted) == 2
    await world.after(30.0)
    assert len(world.wire.submitted) == 3
    world.wire.answer(NO_ANSWER)
    await world.committed()
    assert (world.state(message), message.error) == (S.FAILED, "no answer")
    assert world.kinds(message)[0] == K.UNKNOWN_OUTCOME


async def test_hold_commits_the_attempt_before_the_first_byte() -> None:
    world = await World.build(providers=[provider_spec(unknown="hold")])
    world.store.by_hand = True
    message = world.submit().message
    world.clock.turn()
    world.store.complete()  # the accept
    world.clock.turn()
    assert world.state(message) == S.QUEUED
    assert world.wire.submitted == []
    world.store.complete()  # the attempt
    world.clock.turn()
    assert world.state(message) == S.ATTEMPTED
    assert world.wire.keys() == [message.key]


async def test_hold_counts_commits_under_way_against_the_window() -> None:
    world = await World.build(providers=[provider_spec(unknown="hold")], windows=3)
    for _ in range(10):
        world.submit()
    await world.quiet()
    assert len(world.wire.outstanding) == 3
    world.wire.take()
    await world.quiet()
    assert len(world.wire.outstanding) == 3
    assert world.lane().committing == 0


async def test_hold_never_sends_an_unknown_again() -> None:
    world = await World.build(providers=[provider_spec(unknown="hold")])
    message = await world.accepted()
    world.wire.answer(NO_ANSWER)
    await world.after(3600)
    assert len(world.wire.submitted) == 1
    assert (world.state(message), world.row(message).error) == (S.ATTEMPTED, "no answer")
    assert world.heart.backlogs.live == {}


async def test_hold_tries_again_what_did_not_leave() -> None:
    world = await World.build(providers=[provider_spec(unknown="hold")])
    message = await world.accepted()
    world.wire.answer(BUSY)
    await world.committed()
    assert world.state(message) == S.QUEUED
    await world.after(10)
    world.wire.take()
    await world.committed()
    assert world.state(message) == S.SENT


@pytest.mark.parametrize("policy", ["resend", "hold"])
async def test_a_late_answer_settles_the_unknown(policy: str) -> None:
    world = await World.build(providers=[provider_spec(unknown=policy, retry_s=(600, 600))])
    message = await world.accepted()
    for _ in range(1 if policy == "hold" else 2):
        world.wire.answer(NO_ANSWER)
        await world.after(0.01)
    world.wire.sink.late(message, 0, Sent("late-1"))
    await world.committed()
    assert world.row(message).provider_message_id == "late-1"
    assert world.state(message) == S.SENT
    assert K.LATE_ANSWER in world.kinds(message)
    await world.after(3600)
    assert world.wire.outstanding == []
    assert world.waiting()[1, 1] == (0, False)
    world.wire.receipt("late-1")
    await world.quiet()
    assert world.state(message) == S.DELIVERED


@pytest.mark.parametrize("outcome", [BUSY, Refused("x"), NO_ANSWER])
async def test_a_late_no_changes_nothing(outcome: Outcome) -> None:
    world = await World.build(providers=[provider_spec(unknown="hold")])
    message = await world.accepted()
    world.wire.answer(NO_ANSWER)
    world.wire.sink.late(message, 0, outcome)
    await world.committed()
    assert world.state(message) == S.ATTEMPTED


async def test_a_late_answer_to_what_is_out_again_changes_nothing() -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.answer(NO_ANSWER)
    await world.after(0.01)
    world.wire.sink.late(message, 0, Sent("late"))
    assert message.state == S.QUEUED
    world.wire.take()
    await world.committed()
    assert world.state(message) == S.SENT


# --- sent ---------------------------------------------------------------------------------------


async def test_without_interest_in_a_receipt_it_is_handed_over() -> None:
    world = await World.build()
    message = await world.accepted(notify_when=NEVER)
    world.wire.take()
    await world.committed()
    assert world.state(message) == S.HANDED_OVER
    assert world.heart.backlogs.live == {}


async def test_parts_are_counted() -> None:
    world = await World.build()
    await world.sent()
    await world.accepted(LONG)
    world.wire.accept_all()
    assert dict(world.heart.counters.parts_sent) == {"carrier": 4}


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (BUSY, "deferred"),
        (SLOW_DOWN, "throttled"),
        (Refused("x"), "refused"),
        (NO_ANSWER, "unknown"),
    ],
)
async def test_outcomes_are_counted(outcome: Outcome, name: str) -> None:
    world = await World.build()
    await world.accepted()
    world.wire.answer(outcome)
    assert dict(world.heart.counters.outcomes) == {("carrier", name): 1}


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


# --- long messages ------------------------------------------------------------------------------


async def test_a_long_message_is_sent_when_all_its_parts_are() -> None:
    world = await World.build()
    message = await world.accepted(LONG)
    assert [part for _, part in world.wire.submitted] == [0, 1, 2]
    ids = [world.wire.take() for _ in range(2)]
    await world.committed()
    assert world.state(message) == S.QUEUED
    ids.append(world.wire.take())
    await world.committed()
    assert world.state(message) == S.SENT
    assert [p.provider_message_id for p in world.row(message).parts] == ids


async def test_only_missing_parts_go_again_and_by_the_same_provider() -> None:
    world = await two_providers()
    message = await world.accepted(LONG)
    one = world.wires["one"]
    one.take()
    one.answer(BUSY)
    one.take()
    await world.after(6.0)
    assert submitted(world) == {"one": 4, "two": 0}
    assert one.submitted[-1] == (message, 1)
    one.take()
    await world.committed()
    assert world.state(message) == S.SENT


async def test_missing_parts_wait_for_the_provider_that_has_the_others() -> None:
    world = await two_providers()
    await world.accepted(LONG)
    one = world.wires["one"]
    one.take()
    one.go_down()
    await world.after(60)
    assert submitted(world) == {"one": 3, "two": 0}
    one.come_up()
    await world.after(60)
    assert [part for _, part in one.submitted[3:]] == [1, 2]


async def test_a_long_message_of_which_nothing_left_may_fall_through() -> None:
    world = await two_providers()
    await world.accepted(LONG)
    for _ in range(3):
        world.wires["one"].answer(BUSY)
    await world.after(0.01)
    assert submitted(world) == {"one": 3, "two": 3}


async def test_the_worst_answer_decides_and_what_has_left_is_paid() -> None:
    world = await World.build()
    message = await world.accepted(LONG)
    world.wire.answer(BUSY)
    world.wire.take()
    world.wire.answer(Refused("bad", everywhere=True))
    await world.committed()
    assert (world.state(message), world.row(message).error) == (S.FAILED, "bad")
    assert world.spent() == (3 * PRICE, 0)
    assert world.lane().verdicts == {}


async def test_a_wire_for_whole_texts_gets_one_request_and_one_count() -> None:
    world = await World.build(providers=[provider_spec(rate_per_s=1)], whole_text=True, windows=2)
    message = await world.accepted(LONG)
    assert world.wire.submitted == [(message, 0)]
    await world.accepted(LONG)
    await world.after(1.1)
    assert len(world.wire.submitted) == 2  # one part a second, as the provider counts
    world.wire.accept_all()
    await world.committed()
    assert world.state(message) == S.SENT
    assert world.row(message).parts == ()


@pytest.mark.parametrize("charge_at", [ChargeAt.SUBMIT, ChargeAt.DELIVERY])
async def test_a_long_message_is_charged_once(charge_at: ChargeAt) -> None:
    world = await World.build(charge_at=charge_at)
    message = await world.accepted(LONG)
    world.wire.take()
    await world.committed()
    assert world.spent() == ((3 * PRICE, 0) if charge_at == ChargeAt.SUBMIT else (0, 3 * PRICE))
    for id in ["carrier-1", *world.wire.accept_all()]:
        world.wire.receipt(id)
    await world.committed()
    assert world.spent() == (3 * PRICE, 0)
    assert world.state(message) == S.DELIVERED


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
