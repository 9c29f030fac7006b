"""From a provider's answer to the next step of the message."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from gateway.domain.account import ChargeAt
from gateway.domain.commit_group import EventKind
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Channel
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.domain.route import Route
from gateway.flow.outcomes import THROTTLED_NUMBER_MS
from tests.support.heart import NEVER, PRICE, World, provider_spec

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
    # The timeline says it once, of those that were told.
    assert [world.kinds(m) for m in messages] == [[EventKind.THROTTLED]] * 5 + [[]] * 3
    await world.accepted()
    assert not world.lane().pace.is_slowed  # it has recovered meanwhile


async def test_one_throttled_number_waits_alone() -> None:
    world = await World.build(windows=100)
    for _ in range(100):
        await world.accepted(notify_when=NEVER)
        world.wire.take()
    message = await world.accepted()
    world.wire.answer(SLOW_DOWN)
    other = await world.accepted()
    assert world.wire.keys()[-1] == other.key
    world.wire.take()
    assert not world.lane().pace.is_slowed
    await world.after(THROTTLED_NUMBER_MS / 1000)
    assert world.wire.keys()[-1] == message.key
    world.wire.take()
    await world.committed()
    assert (world.state(message), message.attempts) == (S.SENT, 0)
    assert world.kinds(message) == [EventKind.THROTTLED]


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


async def test_what_left_before_a_reload_to_hold_is_held() -> None:
    world = await World.build(providers=[provider_spec(unknown="resend")])
    message = await world.accepted()
    world.lane().spec = replace(world.lane().spec, unknown="hold")
    world.wire.answer(NO_ANSWER)
    await world.after(3600)
    assert world.state(message) == S.ATTEMPTED
    world = await world.restarted()
    await world.after(10)
    assert world.wire.keys() == []


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


@pytest.mark.parametrize("receipted", ["late", "again"])
async def test_a_late_answer_settles_what_is_out_again(receipted: str) -> None:
    world = await World.build(charge_at=ChargeAt.DELIVERY)
    message = await world.accepted()
    world.wire.answer(NO_ANSWER)
    await world.after(0.01)
    world.wire.sink.late(message, 0, Sent("late"))
    await world.committed()
    assert world.state(message) == S.SENT
    assert world.kinds(message) == [K.UNKNOWN_OUTCOME, K.LATE_ANSWER]
    world.wire.answer(Sent("again"))  # both were taken: either receipt is the message's
    for id in (receipted, "late", "again"):
        world.wire.receipt(id)
        await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.spent() == (PRICE, 0)
    assert world.heart.counters.receipts["carrier", "parked"] == 0
    assert world.notifier.keys() == [message.key]


@pytest.mark.parametrize("outcome", [BUSY, SLOW_DOWN, Refused("x"), NO_ANSWER])
async def test_then_no_other_answer_to_it_counts(outcome: Outcome) -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.answer(NO_ANSWER)
    await world.after(0.01)
    world.wire.sink.late(message, 0, Sent("late"))
    world.wire.answer(outcome)
    await world.after(3600)
    assert world.state(message) == S.SENT
    assert world.wire.outstanding == []
    world.wire.receipt("late")
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.heart.backlogs.live == {}


async def test_a_late_answer_after_another_attempt_was_taken_makes_its_receipt_known() -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.answer(NO_ANSWER)
    await world.after(0.01)
    world.wire.answer(Sent("again"))
    world.wire.sink.late(message, 0, Sent("late"))
    await world.committed()
    assert world.row(message).provider_message_id == "again"
    world.wire.receipt("late")
    await world.committed()
    assert world.state(message) == S.DELIVERED


async def test_a_late_answer_after_the_end_is_told_and_its_receipt_is_a_repeat() -> None:
    world = await World.build(providers=[provider_spec(retry_s=())])
    message = await world.accepted()
    for _ in range(2):
        world.wire.answer(NO_ANSWER)
        await world.after(0.01)
    assert world.state(message) == S.FAILED
    world.wire.sink.late(message, 0, Sent("late"))
    world.wire.receipt("late")
    await world.committed()
    assert world.state(message) == S.FAILED
    assert world.kinds(message)[-1] == K.LATE_ANSWER
    assert world.heart.counters.receipts["carrier", "repeated"] == 1


async def test_a_late_answer_of_the_provider_before_settles_it_too() -> None:
    world = await World.build(providers=[provider_spec("one"), provider_spec("two")])
    message = await world.accepted()
    world.wires["one"].go_down(NO_ANSWER)
    await world.after(0.01)
    world.wires["one"].sink.late(message, 0, Sent("1"))
    await world.committed()
    assert world.row(message).provider_id == 1
    world.wires["two"].answer(Sent("2"))
    world.wires["two"].receipt("2")
    await world.committed()
    assert world.state(message) == S.DELIVERED


@pytest.mark.parametrize("policy", ["resend", "hold"])
async def test_late_answers_settle_the_parts_of_a_long_message(policy: str) -> None:
    world = await World.build(providers=[provider_spec(unknown=policy, retry_s=(600, 600))])
    message = await world.accepted("a" * 307)
    first = world.wire.take()
    for _ in range(1 if policy == "hold" else 2):
        while world.wire.outstanding:
            world.wire.answer(NO_ANSWER)
        await world.after(0.01)
    for n in (2, 1):
        world.wire.sink.late(message, n, Sent(f"late-{n}"))
    await world.committed()
    assert world.state(message) == S.SENT
    assert world.waiting()[1, 1] == (0, False)
    await world.after(3600)
    assert world.wire.outstanding == []
    for id in (first, "late-1", "late-2"):
        world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == S.DELIVERED


@pytest.mark.parametrize("outcome", [Sent("again"), BUSY, Refused("a repeat"), NO_ANSWER])
async def test_a_part_that_is_out_again_is_settled_by_its_late_answer(outcome: Outcome) -> None:
    world = await World.build()
    message = await world.accepted("a" * 200)
    first = world.wire.take()
    world.wire.answer(NO_ANSWER)
    await world.after(0.01)
    world.wire.sink.late(message, 1, Sent("late"))
    world.wire.answer(outcome)
    for id in (first, "late"):
        world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.spent() == (2 * PRICE, 0)
    assert world.wire.outstanding == []


async def test_what_had_not_begun_to_leave_goes_again_and_loses_no_attempt() -> None:
    world = await World.build(providers=[provider_spec(retry_s=())])
    message = await world.accepted()
    for _ in range(3):
        world.wire.answer(Deferred("no bind", unsent=True))
        await world.after(0.01)
    assert message.attempts == 0
    world.wire.take()
    await world.committed()
    assert world.state(message) == S.SENT
    assert world.kinds(message) == []
    assert world.lane().breaker.failures == 0


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
