"""A bulk begins in one commit, is cancelled once, and shows what became of it."""

import asyncio

import pytest

from gateway.domain.account import ChargeAt, Door
from gateway.domain.bulk import BulkState, RecipientState
from gateway.domain.declared import RateSpec
from gateway.domain.errors import Refusal, RefusalCode, StoreUnavailable
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import IdempotencyKey
from gateway.flow.bulk_intake import ROWS_AT_ONCE
from gateway.flow.bulks import FED_AT_ONCE
from gateway.ports import BulkChoice
from tests.support.bulks import BulkWorld, numbers, rich_account
from tests.support.heart import PRICE, account_spec

S, R = MessageState, RecipientState
HOUR_MS = 3_600_000


@pytest.fixture
async def world() -> BulkWorld:
    return await BulkWorld.build()


# --- begin --------------------------------------------------------------------------------------


async def test_a_small_one_leaves_with_its_own_commit(world: BulkWorld) -> None:
    groups = world.world.heart.counters.commits
    view = await world.send(numbers(3), text="hello")
    assert world.world.heart.counters.commits == groups + 1
    assert [message.recipient for message, _ in world.world.wire.submitted] == numbers(3)
    assert {message.text for message, _ in world.world.wire.submitted} == {"hello"}
    assert (view.state, view.text, view.parts) == (BulkState.RUNNING, "hello", 1)
    assert (view.recipients, view.total_micros) == (3, 3 * PRICE)
    assert world.money() == (3 * PRICE, 0)
    assert world.sql("SELECT amount_micros, message_count FROM ledger WHERE kind = 3") == [
        (-3 * PRICE, 3)
    ]
    await world.sound()


async def test_one_recipient_is_no_bulk_traffic(world: BulkWorld) -> None:
    await world.send(numbers(1))
    await world.send(numbers(2, first=5))
    assert [message.priority for message, _ in world.world.wire.submitted] == [1, 0, 0]


@pytest.mark.parametrize("charge_at", [ChargeAt.SUBMIT, ChargeAt.DELIVERY])
async def test_what_is_charged_later_is_held(charge_at: ChargeAt) -> None:
    world = await BulkWorld.build(charge_at=charge_at)
    await world.send(numbers(3))
    assert world.money() == (0, 3 * PRICE)
    ids = world.world.wire.accept_all()
    await world.world.committed()
    assert world.money() == ((3 * PRICE, 0) if charge_at == ChargeAt.SUBMIT else (0, 3 * PRICE))
    for id in ids:
        world.world.wire.receipt(id)
    await world.world.committed()
    assert world.money() == (3 * PRICE, 0)
    await world.sound()


async def test_refusals_cost_nothing(world: BulkWorld) -> None:
    cases = {
        RefusalCode.SENDER_NOT_ALLOWED: {"sender": "NOBODY"},
        RefusalCode.TEXT_EMPTY: {"text": ""},
        RefusalCode.SCHEDULE_INVALID: {"due_at_ms": world.world.clock.now_ms() + 9_000 * HOUR_MS},
    }
    for code, fields in cases.items():
        assert (await world.refused(numbers(2), **fields)).code == code
    assert (await world.refused(["none"])).code == RefusalCode.RECIPIENT_INVALID
    assert (await world.refused([])).code == RefusalCode.RECIPIENT_INVALID
    assert world.money() == (0, 0)
    assert sum(world.world.heart.counters.refused.values()) == 5
    assert world.sql("SELECT count(*) FROM bulk") == [0]


async def test_credit_is_all_or_nothing() -> None:
    spec = account_spec(credit_micros=10 * PRICE)
    world = await BulkWorld.build(accounts=[spec], are_up=False)
    assert (await world.refused(numbers(11))).code == RefusalCode.NO_CREDIT
    await world.send(numbers(10))
    assert world.money() == (10 * PRICE, 0)


async def test_a_stopping_gateway_takes_none(world: BulkWorld) -> None:
    world.world.heart.admission.stopping = True
    assert (await world.refused(numbers(1))).code == RefusalCode.STOPPING


async def test_a_small_one_obeys_the_rate() -> None:
    world = await BulkWorld.build(accounts=[rich_account(rate_per_s=5)])
    await world.send(numbers(5))
    assert (await world.refused(numbers(5))).code == RefusalCode.RATE_EXCEEDED
    await world.send(numbers(FED_AT_ONCE + 1, first=100))  # it is slowed down instead


async def test_a_store_that_goes_away_refuses_it(world: BulkWorld) -> None:
    intake = world.begin()
    await intake.add(numbers(ROWS_AT_ONCE + 1))
    world.store.engine.failures.append(StoreUnavailable("as asked"))
    result = await world.commit(intake)
    assert isinstance(result, Refusal)
    assert result.code == RefusalCode.STORE_UNAVAILABLE
    await world.world.after(3.0)
    assert world.money() == (0, 0)
    assert world.sql("SELECT count(*) FROM bulk_recipient") == [0]


async def test_a_balance_that_was_lower_on_disk_refuses_it(world: BulkWorld) -> None:
    world.sql("UPDATE account SET balance_micros = 5 RETURNING id")
    assert (await world.refused(numbers(2))).code == RefusalCode.NO_CREDIT
    assert world.world.account().balance_micros == 5


async def test_it_goes_with_messages_of_the_same_turn(world: BulkWorld) -> None:
    intake = world.begin()
    await intake.add(numbers(2))
    poisoned = world.world.submit(text="poison")
    world.store.engine.poison = {"poison"}
    await world.commit(intake)
    assert poisoned.refusal.code == RefusalCode.TEXT_INVALID
    assert world.money() == (2 * PRICE, 0)
    assert len(world.world.wire.submitted) == 2
    await world.sound()


async def test_who_asked_may_go_away(world: BulkWorld) -> None:
    world.store.engine.by_hand = True
    intake = world.begin()
    await intake.add(numbers(ROWS_AT_ONCE))
    sending = asyncio.ensure_future(world.commit(intake))
    await asyncio.sleep(0)
    world.world.clock.turn()
    sending.cancel()
    await asyncio.sleep(0)
    await intake.abandon()  # as a door does in any case
    world.store.engine.by_hand = False
    world.store.engine.complete()
    await world.world.after(1.0)
    [key] = await world.listed()
    assert (await world.view(key)).recipients == ROWS_AT_ONCE
    assert world.money() == (ROWS_AT_ONCE * PRICE, 0)
    await world.sound()


async def test_the_answer_is_kept_in_the_same_commit(world: BulkWorld) -> None:
    key = IdempotencyKey("mesms/sms/send", b"k", b"b")
    intake = world.begin()
    await intake.add(numbers(3))
    await world.commit(intake, idempotency=key)
    stored = await world.world.heart.queries.stored_answer(world.world.account(), key)
    assert stored is not None
    assert (stored.status, stored.body) == (200, b"3")


async def test_a_refused_one_keeps_no_answer(world: BulkWorld) -> None:
    key = IdempotencyKey("mesms/sms/send", b"k", b"b")
    intake = world.begin()
    await intake.add(numbers(3))
    world.store.engine.failures.append(StoreUnavailable("as asked"))
    await world.commit(intake, idempotency=key)
    await world.world.after(3.0)
    assert await world.world.heart.queries.stored_answer(world.world.account(), key) is None


# --- schedule and cancel ------------------------------------------------------------------------


async def test_a_scheduled_one_is_held_and_released(world: BulkWorld) -> None:
    due_ms = world.world.clock.now_ms() + HOUR_MS
    view = await world.send([*numbers(3), "none"], due_at_ms=due_ms)
    assert (view.state, view.due_at_ms) == (BulkState.SCHEDULED, due_ms)
    assert world.money() == (0, 3 * PRICE)
    assert await world.listed(BulkChoice.SCHEDULED) == [view.key]
    assert await world.outcome(world.world.heart.bulks.cancel(view)) == 3 * PRICE
    assert world.money() == (0, 0)
    assert await world.counts(view.key) == {"CANCELLED": 3, "INVALID": 1}
    assert await world.listed(BulkChoice.CANCELLED) == [view.key]
    await world.sound()
    await world.world.after(2 * HOUR_MS / 1000)
    assert world.world.wire.submitted == []


async def test_it_is_cancelled_once(world: BulkWorld) -> None:
    view = await world.send(numbers(2), due_at_ms=world.world.clock.now_ms() + HOUR_MS)
    cancel = world.world.heart.bulks.cancel
    both = asyncio.gather(cancel(view), cancel(view))
    assert sorted(await world.outcome(both), key=str) == [2 * PRICE, None]
    assert world.money() == (0, 0)
    await world.sound()


async def test_one_that_runs_is_not_cancelled(world: BulkWorld) -> None:
    view = await world.send(numbers(2))
    assert await world.outcome(world.world.heart.bulks.cancel(view)) is None


async def test_recipients_of_a_cancelled_one(world: BulkWorld) -> None:
    view = await world.send([*numbers(2), "none"], due_at_ms=world.world.clock.now_ms() + HOUR_MS)
    await world.outcome(world.world.heart.bulks.cancel(view))
    view = await world.view(view.key)
    assert await world.states(view) == [(1, "CANCELLED"), (2, "CANCELLED"), (3, "INVALID")]
    assert await world.states(view, [R.CANCELLED]) == [(1, "CANCELLED"), (2, "CANCELLED")]
    assert await world.states(view, [R.PENDING]) == []
    found, _ = await world.world.heart.bulks.recipients(view, 0, (), 1)
    assert found[0].changed_at_ms == view.cancelled_at_ms == world.world.clock.now_ms()


async def test_a_cancel_that_does_not_reach_the_disk_changes_nothing(world: BulkWorld) -> None:
    view = await world.send(numbers(2), due_at_ms=world.world.clock.now_ms() + HOUR_MS)
    world.store.engine.failures.append(StoreUnavailable("as asked"))
    with pytest.raises(StoreUnavailable):
        await world.outcome(world.world.heart.bulks.cancel(view))
    await world.world.after(3.0)
    assert world.money() == (0, 2 * PRICE)
    assert await world.outcome(world.world.heart.bulks.cancel(view)) == 2 * PRICE


async def test_whoever_cancels_may_go_away(world: BulkWorld) -> None:
    view = await world.send(numbers(2), due_at_ms=world.world.clock.now_ms() + HOUR_MS)
    world.store.engine.by_hand = True
    cancelling = asyncio.ensure_future(world.world.heart.bulks.cancel(view))
    for _ in range(5):
        await asyncio.sleep(0)
    world.world.clock.turn()
    cancelling.cancel()
    await asyncio.sleep(0)
    assert world.world.heart.bulk_feeder.starting.locked()
    world.store.engine.by_hand = False
    world.store.engine.complete()
    await world.world.quiet()
    assert not world.world.heart.bulk_feeder.starting.locked()
    assert (await world.view(view.key)).state == BulkState.CANCELLED
    assert world.money() == (0, 0)


# --- queries ------------------------------------------------------------------------------------


async def test_the_list_is_newest_first_and_of_one_account() -> None:
    world = await BulkWorld.build(accounts=[account_spec(), account_spec("other")], are_up=False)
    keys = [(await world.send(numbers(1, first=n))).key for n in range(5)]
    await world.send(numbers(1), account="other")
    rows, count = await world.world.heart.bulks.list(world.world.account(), BulkChoice.ALL, 2, 2)
    assert ([row.key for row in rows], count) == ([keys[2], keys[1]], 5)


async def test_lists_by_what_became_of_them(world: BulkWorld) -> None:
    delivered = (await world.send(numbers(2))).key
    for id in world.world.wire.accept_all():
        world.world.wire.receipt(id)
    failed = (await world.send(numbers(2))).key
    for id in world.world.wire.accept_all():
        world.world.wire.receipt(id, S.FAILED, "001")
    half = (await world.send(numbers(2))).key
    first, _ = world.world.wire.accept_all()
    world.world.wire.receipt(first)
    await world.world.committed()
    assert await world.listed(BulkChoice.SENT) == [delivered]
    assert await world.listed(BulkChoice.FAILED) == [failed]
    assert await world.listed(BulkChoice.PENDING) == [half]
    assert await world.listed() == [half, failed, delivered]


async def test_pages_of_recipients(world: BulkWorld) -> None:
    view = await world.send(numbers(7))
    page = world.world.heart.bulks.recipients
    found, after = await page(view, 0, (), 3)
    assert ([each.n for each in found], after) == ([1, 2, 3], 3)
    found, after = await page(view, 3, (), 4)
    assert ([each.n for each in found], after) == ([4, 5, 6, 7], None)
    found, after = await page(view, 7, (), 4)
    assert (list(found), after) == ([], None)


async def test_a_page_looks_at_no_more_than_ten_thousand(world: BulkWorld) -> None:
    view = await world.send([*numbers(10_050), "none"])
    page = world.world.heart.bulks.recipients
    found, after = await page(view, 0, [R.INVALID], 5)
    assert (list(found), after) == ([], 10_000)
    found, after = await page(view, after or 0, [R.INVALID], 5)
    assert ([each.recipient for each in found], after) == (["none"], None)


# --- fates --------------------------------------------------------------------------------------


async def test_every_end_is_written_back(world: BulkWorld) -> None:
    view = await world.send(numbers(4))
    ids = world.world.wire.accept_all()
    for id, state in zip(ids, (S.DELIVERED, S.FAILED, S.EXPIRED), strict=False):
        world.world.wire.receipt(id, state)
    await world.world.committed()
    assert await world.counts(view.key) == {
        "DELIVERED": 1, "FAILED": 1, "EXPIRED": 1, "PENDING": 1,
    }  # fmt: skip
    found, _ = await world.world.heart.bulks.recipients(view, 0, (), 10)
    assert [bool(each.changed_at_ms) for each in found] == [True, True, True, False]
    await world.sound()


async def test_a_late_receipt_corrects_an_unknown_end(world: BulkWorld) -> None:
    view = await world.send(numbers(1))
    [id] = world.world.wire.accept_all()
    await world.world.after(4 * 86_400.0)
    await world.world.heart.maintenance.close_receipt_windows_once()
    await world.world.committed()
    assert await world.counts(view.key) == {"UNKNOWN": 1}
    world.world.wire.receipt(id)
    await world.world.after(1.0)
    assert await world.counts(view.key) == {"DELIVERED": 1}
    assert world.money() == (PRICE, 0)
    await world.sound()


async def test_two_ends_in_one_group_leave_the_last(world: BulkWorld) -> None:
    view = await world.send(numbers(1))
    message = world.world.wire.submitted[0][0]
    world.world.wire.accept_all()
    fates = world.world.heart.fates
    fates.finish(message, S.UNKNOWN)
    fates.finish(message, S.FAILED, "001")
    await world.world.committed()
    assert await world.counts(view.key) == {"FAILED": 1}
    await world.sound()


async def test_messages_of_other_batches_are_left_alone(world: BulkWorld) -> None:
    asked = world.world.submit_batch(numbers(2), door=Door.EXOSEND, door_note=1)
    await world.world.quiet()
    for id in world.world.wire.accept_all():
        world.world.wire.receipt(id)
    await world.world.committed()
    assert len(asked.batch.messages) == 2
    assert world.money() == (2 * PRICE, 0)


async def test_a_row_that_the_store_refuses_leaves_its_recipient_as_it_was(
    world: BulkWorld,
) -> None:
    view = await world.send(numbers(3))
    ids = world.world.wire.accept_all()
    await world.world.committed()
    world.store.engine.poison = {"bad"}
    world.world.wire.receipt(ids[0], S.FAILED, "bad")  # the text goes, the state is kept
    world.world.wire.receipt(ids[1])
    await world.world.committed()
    assert await world.counts(view.key) == {"FAILED": 1, "DELIVERED": 1, "PENDING": 1}
    await world.sound()


# --- figures ------------------------------------------------------------------------------------


async def test_accepted_are_the_valid_ones_once(world: BulkWorld) -> None:
    await world.send([*numbers(3), "none"])
    await world.send(numbers(FED_AT_ONCE + 1))
    await world.world.after(1.0, steps=10)
    assert world.world.heart.counters.accepted["mesms", "acme"] == 3 + FED_AT_ONCE + 1


async def test_a_page_that_waits_for_the_store_is_no_refused_request(world: BulkWorld) -> None:
    await world.send(numbers(FED_AT_ONCE + 1))
    world.store.engine.unavailable = True
    await world.world.after(1.0, steps=10)
    assert sum(world.world.heart.counters.refused.values()) == 0


async def test_what_is_free_moves_nothing() -> None:
    world = await BulkWorld.build(rates=[RateSpec(channel="sms", prefix="", price_micros=0)])
    view = await world.send(numbers(FED_AT_ONCE + 1))
    scheduled = await world.send(numbers(2), due_at_ms=world.world.clock.now_ms() + HOUR_MS)
    await world.world.after(1.0, steps=10)
    assert view.total_micros == 0
    assert len(world.world.wire.submitted) == 100  # its window
    assert await world.outcome(world.world.heart.bulks.cancel(scheduled)) == 0
    assert world.money() == (0, 0)
    assert world.sql("SELECT count(*) FROM ledger WHERE kind = 3") == [0]
    await world.sound()
