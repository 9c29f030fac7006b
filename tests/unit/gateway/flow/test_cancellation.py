"""What waits can be cancelled wherever it waits; what is sent, or was, says why it cannot."""

import asyncio

import pytest

from gateway.domain.account import RefundPolicy
from gateway.domain.commit_group import EventKind
from gateway.domain.errors import StoreUnavailable
from gateway.domain.lifecycle import MessageState, MoneyState, NotifyWhen
from gateway.domain.message import Message
from gateway.domain.outcome import Deferred, Sent, Unknown
from gateway.flow.cancellation import Cancellation, Cancelled, CancelVerdict
from tests.support.heart import PRICE, World, account_spec, provider_spec

S, V = MessageState, CancelVerdict
LONG = "x" * 200


def cancellation(world: World) -> Cancellation:
    heart = world.heart
    return Cancellation(
        world.store,
        heart.journal,
        heart.dispatcher,
        heart.backlogs,
        accounts=heart.directory.accounts,
        credentials=heart.directory.credentials,
    )


async def ask(world: World, key: int) -> "asyncio.Task[Cancelled | None]":
    task = asyncio.create_task(cancellation(world).cancel(key))
    await world.quiet()
    return task


async def cancel(world: World, message: Message) -> CancelVerdict:
    task = await ask(world, message.key)
    await world.committed()
    cancelled = task.result()
    assert cancelled is not None
    assert cancelled.message.key == message.key
    return cancelled.verdict


async def assert_cancelled(world: World, message: Message) -> None:
    """It ends, its money comes back, its customer is told, and no provider ever gets it."""
    times = [wire.keys().count(message.key) for wire in world.wires.values()]
    assert await cancel(world, message) == V.CANCELLED
    row = world.row(message)
    assert (row.state, row.money) == (S.CANCELLED, MoneyState.REFUNDED)
    assert world.spent() == (0, 0)
    assert world.kinds(message)[-1] == EventKind.CANCELLED
    assert world.notifier.told == [(message.key, S.CANCELLED)]
    for wire in world.wires.values():
        wire.come_up()
        wire.take_everything()
    await world.after(8 * 86_400.0, steps=20)
    assert [wire.keys().count(message.key) for wire in world.wires.values()] == times
    assert message.key not in world.heart.backlogs.live
    assert all(count == 0 for count, _ in world.waiting().values())


# --- what waits ---------------------------------------------------------------------------------


async def test_one_that_no_provider_can_take() -> None:
    world = await World.build(are_up=False)
    await assert_cancelled(world, await world.accepted())


async def test_one_that_waits_for_room() -> None:
    world = await World.build(windows=1)
    first, second = await world.accepted(notify_when=NotifyWhen.NEVER), await world.accepted()
    assert world.wire.keys() == [first.key]
    assert await cancel(world, second) == V.CANCELLED
    world.wire.take_everything()
    world.wire.take()
    await world.after(60.0)
    assert world.wire.keys() == [first.key]
    assert world.spent() == (PRICE, 0)


@pytest.mark.parametrize("ahead_s", [30, 3600])
async def test_one_that_is_scheduled(ahead_s: int) -> None:
    """In memory when it is due soon, else on disk."""
    world = await World.build()
    message = await world.accepted(due_at_ms=world.clock.now_ms() + ahead_s * 1000)
    assert (message.key in world.heart.backlogs.live) == (ahead_s == 30)
    await assert_cancelled(world, message)


@pytest.mark.parametrize("wait_s", [5, 600])
async def test_one_that_waits_for_its_next_attempt(wait_s: int) -> None:
    world = await World.build(providers=[provider_spec(retry_s=(wait_s,))])
    message = await world.accepted()
    world.wire.answer(Deferred("busy"))
    await assert_cancelled(world, message)


async def test_one_whose_last_change_is_on_its_way_to_disk() -> None:
    """Its next attempt is far away, so memory has let go of it before the disk knows."""
    world = await World.build(providers=[provider_spec(retry_s=(600,))])
    message = await world.accepted()
    world.wire.answer(Deferred("busy"))
    assert message.key not in world.heart.backlogs.live
    assert world.row(message).attempts == 0
    await assert_cancelled(world, message)
    assert world.row(message).attempts == 1


async def test_one_that_overflowed_to_disk() -> None:
    world = await World.build(max_ready=2, are_up=False)
    messages = [await world.accepted(notify_when=NotifyWhen.NEVER) for _ in range(9)]
    last = messages[-1]
    assert last.key not in world.heart.backlogs.live
    assert await cancel(world, last) == V.CANCELLED
    world.wire.take_everything()
    world.wire.come_up()
    await world.after(60.0, steps=40)
    assert sorted(world.wire.keys()) == [message.key for message in messages[:-1]]
    assert world.spent() == (8 * PRICE, 0)


async def test_one_that_a_refill_reads_at_the_same_time() -> None:
    """The page was read before the end and arrives after it."""
    world = await World.build(max_ready=2, are_up=False)
    messages = [await world.accepted(notify_when=NotifyWhen.NEVER) for _ in range(9)]
    world.store.slow_reads = True
    world.wire.come_up()
    world.wire.take_everything()
    await world.after(1.0)
    task = await ask(world, messages[-1].key)
    world.store.slow_reads = False
    await world.after(60.0, steps=40)
    cancelled = task.result()
    assert cancelled is not None
    was_sent = world.wire.keys().count(messages[-1].key) == 1
    assert was_sent == (cancelled.verdict != V.CANCELLED)
    assert world.spent() == ((9 if was_sent else 8) * PRICE, 0)


async def test_one_that_was_accepted_before_a_restart() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted()
    await assert_cancelled(await world.restarted(), message)


async def test_a_long_one_of_which_nothing_left() -> None:
    world = await World.build(are_up=False)
    await assert_cancelled(world, await world.accepted(LONG))


async def test_what_the_policy_keeps_is_kept() -> None:
    world = await World.build(accounts=[account_spec(refund=RefundPolicy.NEVER)], are_up=False)
    message = await world.accepted()
    assert await cancel(world, message) == V.CANCELLED
    assert world.spent() == (PRICE, 0)
    assert world.row(message).money == MoneyState.CHARGED


async def test_a_late_answer_changes_nothing_any_more() -> None:
    world = await World.build(providers=[provider_spec(retry_s=(5, 5))])
    message = await world.accepted()
    for _ in range(2):
        world.wire.answer(Unknown("no answer"))
        await world.after(0.1)
    assert await cancel(world, message) == V.CANCELLED
    world.wire.sink.late(message, 0, Sent("id"))
    await world.committed()
    assert world.state(message) == S.CANCELLED
    assert world.spent() == (0, 0)


async def test_nobody_is_told_who_asked_for_nothing() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted(notify_when=NotifyWhen.SUCCESS)
    assert await cancel(world, message) == V.CANCELLED
    assert world.notifier.told == []


# --- what does not ------------------------------------------------------------------------------


@pytest.mark.parametrize("unknown", ["resend", "hold"])
async def test_one_that_a_provider_has(unknown: str) -> None:
    world = await World.build(providers=[provider_spec(unknown=unknown)])
    message = await world.accepted()
    assert await cancel(world, message) == V.BEING_SENT
    world.wire.take()
    await world.committed()
    assert world.state(message) == S.SENT


async def test_one_whose_attempt_is_being_committed() -> None:
    world = await World.build(providers=[provider_spec(unknown="hold")])
    asked = world.submit()
    world.clock.turn()
    world.store.by_hand = True
    assert asked.message.state == S.ATTEMPTED
    assert await cancel(world, asked.message) == V.BEING_SENT


async def test_one_that_left_and_was_never_answered() -> None:
    world = await World.build(providers=[provider_spec(unknown="hold")])
    message = await world.accepted()
    world.wire.answer(Unknown("no answer"))
    await world.committed()
    assert await cancel(world, message) == V.BEING_SENT


async def test_one_that_left() -> None:
    world = await World.build()
    message, _ = await world.sent()
    assert await cancel(world, message) == V.HAS_LEFT
    assert world.spent() == (PRICE, 0)


async def test_one_that_left_a_moment_ago() -> None:
    """Its row still says that it waits."""
    world = await World.build()
    message = await world.accepted()
    world.wire.take()
    assert world.state(message) == S.QUEUED
    assert await cancel(world, message) == V.HAS_LEFT


@pytest.mark.parametrize("restart", [False, True])
async def test_one_of_which_a_part_left(restart: bool) -> None:
    world = await World.build(providers=[provider_spec(retry_s=(60,))])
    message = await world.accepted(LONG)
    world.wire.take()
    world.wire.answer(Deferred("busy"))
    await world.committed()
    if restart:
        world = await world.restarted()
    assert await cancel(world, message) == V.PART_HAS_LEFT
    world.wire.take_everything()
    await world.after(120.0)
    assert world.state(message) == S.SENT


@pytest.mark.parametrize("state", [S.DELIVERED, S.FAILED, S.UNKNOWN])
async def test_one_that_ended(state: MessageState) -> None:
    world = await World.build()
    message, id = await world.sent()
    world.wire.receipt(id, state)
    await world.committed()
    assert await cancel(world, message) == V.HAS_ENDED
    assert world.state(message) == state


async def test_one_that_was_cancelled_already() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted()
    both = [await ask(world, message.key), await ask(world, message.key)]
    await world.committed()
    verdicts = [cancelled.verdict for task in both if (cancelled := task.result()) is not None]
    assert verdicts == [V.CANCELLED, V.HAS_ENDED]
    assert world.spent() == (0, 0)


async def test_one_that_is_not_there() -> None:
    world = await World.build()
    assert (await ask(world, 404)).result() is None


async def test_while_the_store_is_away() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted()
    world.store.unavailable = True
    world.submit()
    await world.committed()
    with pytest.raises(StoreUnavailable, match="nothing was cancelled"):
        (await ask(world, message.key)).result()
    assert message.state == S.QUEUED


async def test_the_answer_waits_for_the_disk() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted()
    world.store.by_hand = True
    task = await ask(world, message.key)
    assert not task.done()
    world.store.complete()
    await world.quiet()
    assert task.result() == Cancelled(V.CANCELLED, message)
