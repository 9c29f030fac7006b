"""A new price holds from its moment on, for what is submitted from then on, whatever happens between."""

import pytest

from gateway.domain.account import ChargeAt
from gateway.domain.declared import RateSpec
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from tests.support.clock import START_MS
from tests.support.heart import NUMBER, World

OLD, NEW = 10_000, 17_000
IN_A_MINUTE_MS = START_MS + 60_000
RATES = [
    RateSpec(channel="sms", prefix="", price_micros=OLD),
    RateSpec(channel="sms", prefix="41", price_micros=NEW, valid_from_ms=IN_A_MINUTE_MS),
]
BULK = [f"4179000000{n}" for n in range(5)]


async def at(world: World, time_ms: int) -> None:
    await world.after((time_ms - world.clock.now_ms()) / 1000)


async def priced(world: World, recipients: list[str]) -> tuple[int, Message]:
    """What a bulk submission costs now; one of its messages."""
    asked = world.submit_batch(recipients)
    await world.committed()
    assert {m.charge_micros * len(recipients) for m in asked.batch.messages} == {
        asked.batch.total_micros
    }
    return asked.batch.total_micros, asked.batch.messages[0]


async def test_bulk_before_and_after_the_moment() -> None:
    world = await World.build(rates=RATES)
    await at(world, IN_A_MINUTE_MS - 1_000)
    before, _ = await priced(world, BULK)
    await at(world, IN_A_MINUTE_MS)
    after, _ = await priced(world, BULK)
    assert (before, after) == (5 * OLD, 5 * NEW)
    assert world.spent() == (5 * OLD + 5 * NEW, 0)


async def test_the_last_millisecond_is_the_old_price() -> None:
    world = await World.build(rates=RATES)
    world.clock.advance(59.999)
    last = world.submit()
    world.clock.advance(0.001)
    first = world.submit()
    assert (last.message.charge_micros, first.message.charge_micros) == (OLD, NEW)


async def test_other_prefixes_keep_their_price() -> None:
    world = await World.build(rates=RATES)
    await at(world, IN_A_MINUTE_MS)
    assert (await priced(world, ["37120000000"]))[0] == OLD


async def test_a_restart_before_the_moment() -> None:
    world = await (await World.build(rates=RATES)).restarted()
    assert (await priced(world, BULK))[0] == 5 * OLD
    await at(world, IN_A_MINUTE_MS)
    assert (await priced(world, BULK))[0] == 5 * NEW


async def test_a_stop_over_the_moment() -> None:
    world = await World.build(rates=RATES)
    world.clock.step_back_ms = -120_000  # the next heart starts two minutes later
    world = await world.restarted()
    assert (await priced(world, BULK))[0] == 5 * NEW


async def test_a_reload_moves_the_moment() -> None:
    world = await World.build(rates=RATES)
    later = [RATES[0], RateSpec(channel="sms", prefix="", price_micros=NEW,
                                valid_from_ms=IN_A_MINUTE_MS + 60_000)]  # fmt: skip
    world.heart.switchboard.set_rates(later)
    await at(world, IN_A_MINUTE_MS)
    assert (await priced(world, BULK))[0] == 5 * OLD
    await at(world, IN_A_MINUTE_MS + 60_000)
    assert (await priced(world, BULK))[0] == 5 * NEW


async def test_a_reload_with_a_price_of_the_past_holds_at_once() -> None:
    world = await World.build(rates=RATES[:1])
    assert (await priced(world, BULK))[0] == 5 * OLD
    now_ms = world.clock.now_ms()
    new = RateSpec(channel="sms", prefix="", price_micros=NEW, valid_from_ms=now_ms - 1)
    world.heart.switchboard.set_rates([RATES[0], new])
    assert (await priced(world, BULK))[0] == 5 * NEW


@pytest.mark.parametrize("charge_at", list(ChargeAt))
async def test_a_message_keeps_the_price_it_was_accepted_at(charge_at: ChargeAt) -> None:
    """Held, sent, delivered and given back across the moment and a restart: always the old price."""
    world = await World.build(rates=RATES, charge_at=charge_at, are_up=False)
    delivered, refused = await world.accepted(), await world.accepted()
    await at(world, IN_A_MINUTE_MS)
    world = await world.restarted(are_up=True)
    await world.committed()
    for message in (delivered, refused):
        assert world.row(message).charge_micros == OLD
    id = world.wire.take()
    await world.committed()
    world.wire.receipt(id)
    world.wire.outstanding.clear()
    world.heart.fates.finish(world.heart.backlogs.live[refused.key], MessageState.FAILED)
    await world.committed()
    assert world.spent() == (OLD, 0)


@pytest.mark.parametrize("restart", [False, True])
async def test_a_scheduled_message_is_priced_when_it_is_accepted(restart: bool) -> None:
    world = await World.build(rates=RATES)
    asked = world.submit(due_at_ms=IN_A_MINUTE_MS + 60_000)
    await world.committed()
    assert world.spent() == (OLD, 0)
    if restart:
        world = await world.restarted()
    await at(world, IN_A_MINUTE_MS + 61_000)
    (id,) = world.wire.accept_all()
    await world.committed()
    world.wire.receipt(id)
    await world.committed()
    row = world.row(asked.message)
    assert (row.state, row.charge_micros) == (MessageState.DELIVERED, OLD)
    assert world.spent() == (OLD, 0)


async def test_the_moment_may_be_days_away() -> None:
    """Longer than any timer waits: it is armed again day by day."""
    moment_ms = START_MS + 3 * 86_400_000
    new = RateSpec(channel="sms", prefix="", price_micros=NEW, valid_from_ms=moment_ms)
    world = await World.build(rates=[RATES[0], new])
    world.clock.advance(3 * 86_400 - 1)
    before = world.submit(recipient=NUMBER)
    world.clock.advance(1)
    after = world.submit(recipient=NUMBER)
    assert (before.message.charge_micros, after.message.charge_micros) == (OLD, NEW)
