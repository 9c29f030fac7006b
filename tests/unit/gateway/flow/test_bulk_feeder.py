"""Each recipient becomes a message once, at the pace of the providers, whatever is away meanwhile."""

import asyncio

import pytest

from gateway.domain.account import ChargeAt
from gateway.domain.bulk import BulkState
from gateway.domain.errors import StoreUnavailable
from gateway.domain.lifecycle import MessageState
from gateway.flow.bulk_feeder import AHEAD, PAGE
from gateway.flow.bulk_intake import ROWS_AT_ONCE
from gateway.ports import BulkChoice
from tests.support.bulks import BulkWorld, numbers, rich_account
from tests.support.heart import PRICE, account_spec

MANY = ROWS_AT_ONCE + 500
HOUR_S = 3_600.0


def delivering(world: BulkWorld) -> None:
    """Providers take everything, and their receipts follow at once."""
    wire = world.world.wire
    wire.take_everything()


def fed(world: BulkWorld) -> int:
    [count] = world.sql("SELECT count(*) FROM message WHERE door_note < 0")
    return count


def recipients_sent(world: BulkWorld) -> list[str]:
    return [message.recipient for message, _ in world.world.wire.submitted]


async def test_a_large_one_leaves_in_order() -> None:
    world = await BulkWorld.build()
    delivering(world)
    view = await world.send([*numbers(MANY), "none"], text="news")
    assert view.state == BulkState.RUNNING
    await world.world.after(5.0, steps=50)
    assert recipients_sent(world) == numbers(MANY)
    assert {message.text for message, _ in world.world.wire.submitted} == {"news"}
    assert {message.priority for message, _ in world.world.wire.submitted} == {0}
    assert world.sql("SELECT unfed_micros, unfed_count, fed_n FROM bulk") == [(0, 0, MANY + 1)]
    assert world.sql("SELECT amount_micros, message_count FROM ledger WHERE kind = 3") == [
        (-MANY * PRICE, MANY)
    ]
    await world.sound()


async def test_it_is_charged_whole_before_the_first_leaves() -> None:
    world = await BulkWorld.build(windows=1)
    await world.send(numbers(MANY))
    assert world.money() == (MANY * PRICE, 0)
    await world.sound()


async def test_it_waits_for_the_providers() -> None:
    world = await BulkWorld.build(windows=10)
    await world.send(numbers(MANY))
    await world.world.after(5.0, steps=50)
    assert fed(world) <= AHEAD + PAGE + 10
    held = fed(world)
    world.world.wire.accept_all()
    await world.world.after(5.0, steps=50)
    assert fed(world) == held + 10
    await world.sound()


async def test_while_no_provider_is_up_little_is_made() -> None:
    world = await BulkWorld.build(are_up=False)
    await world.send(numbers(MANY))
    await world.world.after(5.0, steps=50)
    assert fed(world) == AHEAD
    delivering(world)
    world.world.wire.come_up()
    await world.world.after(10.0, steps=100)
    assert sorted(recipients_sent(world)) == numbers(MANY)
    await world.sound()


async def test_the_bulks_of_an_account_take_turns() -> None:
    world = await BulkWorld.build(runs=False)
    first = await world.send(numbers(MANY))
    second = await world.send(numbers(MANY, first=5_000))
    feeder = world.world.heart.bulk_feeder
    for _ in range(4):
        await world.outcome(feeder.feed_once())
    by_bulk = world.sql("SELECT batch_key, count(*) FROM message GROUP BY batch_key ORDER BY 1")
    assert by_bulk == [(first.key, 2 * PAGE), (second.key, 2 * PAGE)]


async def test_accounts_do_not_wait_for_each_other() -> None:
    world = await BulkWorld.build(accounts=[rich_account(), rich_account("other")], windows=1)
    await world.send(numbers(MANY))
    await world.world.after(5.0, steps=50)
    await world.send(numbers(MANY), account="other")
    await world.world.after(1.0, steps=10)
    [other] = world.sql("SELECT count(*) FROM message WHERE account_id = 2")
    assert other >= AHEAD


async def test_it_takes_half_of_the_account_s_rate() -> None:
    world = await BulkWorld.build(accounts=[rich_account(rate_per_s=100)])
    delivering(world)
    await world.send(numbers(MANY))
    await world.world.after(10.0, steps=200)
    # A full bucket's half at once, then what comes in.
    assert 900 <= fed(world) <= 1_060
    assert not world.world.submit().answers  # decided later: it was not refused
    await world.sound()


async def test_a_rate_below_one_message_still_moves() -> None:
    world = await BulkWorld.build(accounts=[rich_account(rate_per_s=1)])
    delivering(world)
    await world.send(numbers(MANY), text="a" * 400)
    await world.world.after(30.0, steps=300)
    assert 5 <= fed(world) <= 12


async def test_a_store_that_goes_away_repeats_and_skips_nothing() -> None:
    world = await BulkWorld.build()
    delivering(world)
    await world.send(numbers(MANY))
    for _ in range(5):
        world.store.engine.failures.append(StoreUnavailable("as asked"))
        await world.world.after(1.5, steps=10)
    world.store.engine.unavailable = True
    await world.world.after(3.0, steps=10)
    world.store.engine.unavailable = False
    await world.world.after(20.0, steps=100)
    assert recipients_sent(world) == numbers(MANY)
    await world.sound()


async def test_a_restart_goes_on_where_it_was() -> None:
    world = await BulkWorld.build(windows=100)
    await world.send([*numbers(MANY), "none"])
    await world.world.after(0.01)
    before = fed(world)
    assert 0 < before < MANY
    await world.restart()
    delivering(world)
    world.world.wire.accept_all()
    await world.world.after(10.0, steps=100)
    assert fed(world) == MANY
    assert world.sql("SELECT count(DISTINCT recipient) FROM message") == [MANY]
    await world.sound()


async def test_a_restart_in_the_middle_of_a_page_makes_it_again() -> None:
    world = await BulkWorld.build(runs=False)
    await world.send(numbers(MANY))
    world.store.engine.by_hand = True
    feeding = asyncio.ensure_future(world.world.heart.bulk_feeder.feed_once())
    for _ in range(20):
        await asyncio.sleep(0)
    world.world.clock.turn()
    feeding.cancel()
    world.store.engine.by_hand = False
    await world.restart()
    delivering(world)
    world.world.wire.accept_all()
    await world.world.after(10.0, steps=100)
    assert world.sql("SELECT count(*), count(DISTINCT recipient) FROM message") == [(MANY, MANY)]
    await world.sound()


async def test_a_stopping_gateway_feeds_nothing() -> None:
    world = await BulkWorld.build()
    world.world.heart.dispatcher.stopping = True
    world.world.heart.admission.stopping = False
    await world.send(numbers(MANY))
    await world.world.after(1.0, steps=10)
    assert fed(world) == 0


async def test_recipients_without_a_route_become_messages_all_the_same() -> None:
    world = await BulkWorld.build(runs=False)
    await world.send(numbers(MANY))
    world.world.heart.switchboard.set_routes([])
    world.run()
    await world.world.after(1.0, steps=10)
    assert fed(world) == AHEAD
    await world.sound()


async def test_only_invalid_ones_left_ends_it() -> None:
    world = await BulkWorld.build()
    delivering(world)
    view = await world.send([*numbers(PAGE * 2), *(f"bad{n}" for n in range(400))])
    await world.world.after(2.0, steps=20)
    assert world.sql("SELECT fed_n FROM bulk") == [view.recipients]
    assert world.world.heart.bulk_feeder._turns == {}
    await world.sound()


# --- schedules ----------------------------------------------------------------------------------


@pytest.mark.parametrize("charge_at", list(ChargeAt))
async def test_a_scheduled_one_starts_when_it_is_due(charge_at: ChargeAt) -> None:
    world = await BulkWorld.build(charge_at=charge_at)
    due_ms = world.world.clock.now_ms() + 3_600_000
    view = await world.send(numbers(3), due_at_ms=due_ms)
    await world.world.after(HOUR_S - 2, steps=20)
    assert world.world.wire.submitted == []
    assert world.money() == (0, 3 * PRICE)
    await world.world.after(3.0, steps=30)
    assert recipients_sent(world) == numbers(3)
    assert (await world.view(view.key)).state == BulkState.RUNNING
    assert world.money() == ((3 * PRICE, 0) if charge_at == ChargeAt.ACCEPT else (0, 3 * PRICE))
    await world.sound()


async def test_a_restart_keeps_the_schedule() -> None:
    world = await BulkWorld.build()
    due_ms = world.world.clock.now_ms() + 10_000
    await world.send(numbers(3), due_at_ms=due_ms)
    await world.send(numbers(2, first=10), due_at_ms=due_ms + 5_000)
    await world.restart()
    await world.world.after(12.0, steps=100)
    assert recipients_sent(world) == numbers(3)
    await world.world.after(5.0, steps=50)
    assert recipients_sent(world) == [*numbers(3), *numbers(2, first=10)]


async def test_an_earlier_one_is_not_kept_waiting_by_a_later_one() -> None:
    world = await BulkWorld.build()
    now_ms = world.world.clock.now_ms()
    await world.send(numbers(1), due_at_ms=now_ms + 3_600_000)
    await world.send(numbers(1, first=1), due_at_ms=now_ms + 5_000)
    await world.world.after(7.0, steps=70)
    assert recipients_sent(world) == numbers(1, first=1)


async def test_a_store_that_is_away_at_its_time_delays_it() -> None:
    world = await BulkWorld.build()
    await world.send(numbers(3), due_at_ms=world.world.clock.now_ms() + 5_000)
    world.store.engine.unavailable = True
    await world.world.after(10.0, steps=50)
    assert world.world.wire.submitted == []
    world.store.engine.unavailable = False
    await world.world.after(5.0, steps=50)
    assert recipients_sent(world) == numbers(3)
    assert world.money() == (3 * PRICE, 0)
    await world.sound()


async def test_a_start_that_is_refused_is_tried_again() -> None:
    world = await BulkWorld.build()
    await world.send(numbers(3), due_at_ms=world.world.clock.now_ms() + 5_000)
    world.store.engine.failures.append(StoreUnavailable("as asked"))
    await world.world.after(15.0, steps=100)
    assert recipients_sent(world) == numbers(3)
    assert world.money() == (3 * PRICE, 0)
    await world.sound()


async def test_an_account_below_its_limit_still_gets_what_it_paid_for() -> None:
    """A start takes nothing that was not held: no guard may stop it."""
    spec = account_spec(credit_micros=3 * PRICE)
    world = await BulkWorld.build(accounts=[spec])
    await world.send(numbers(3), due_at_ms=world.world.clock.now_ms() + 5_000)
    world.sql("UPDATE account SET limit_micros = 1 RETURNING id")
    await world.world.after(10.0, steps=100)
    assert recipients_sent(world) == numbers(3)


async def test_either_the_start_wins_or_the_cancel() -> None:
    world = await BulkWorld.build(runs=False)
    view = await world.send(numbers(3), due_at_ms=world.world.clock.now_ms() + 5_000)
    world.world.clock.advance(5.0)
    heart = world.world.heart
    both = asyncio.gather(heart.bulk_feeder.start_due(), heart.bulks.cancel(view))
    _, released = await world.outcome(both)
    assert released is None
    assert await world.listed(BulkChoice.CANCELLED) == []
    assert world.money() == (3 * PRICE, 0)
    await world.sound()


async def test_fates_reach_recipients_after_a_restart() -> None:
    world = await BulkWorld.build()
    view = await world.send(numbers(3))
    ids = world.world.wire.accept_all()
    await world.world.committed()
    await world.restart()
    for id in ids:
        world.world.wire.receipt(id, MessageState.DELIVERED)
    await world.world.after(1.0)
    assert await world.counts(view.key) == {"DELIVERED": 3}
    await world.sound()
