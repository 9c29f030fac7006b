"""What is paid for other things than messages moves once, and only when it is on disk."""

import asyncio

import pytest

from gateway.domain.account import Door
from gateway.domain.commit_group import LedgerKind
from gateway.domain.errors import Refusal, RefusalCode
from gateway.flow.charges import Charges
from tests.support.heart import OPENING, PRICE, World

DOOR = Door.EASYSENDSMS


@pytest.fixture
async def world() -> World:
    return await World.build(are_up=False)


def asked(world: World, micros: int) -> "asyncio.Task[Refusal | None]":
    charges = Charges(world.heart.journal, world.heart.admission._keys, world.clock)
    charging = charges.charge(world.account(), DOOR, micros, "HLR, 2 numbers")
    return world.supervisor.spawn(charging, name="charge")


async def test_it_is_taken_and_stands_on_the_ledger(world: World) -> None:
    charging = asked(world, 10_000)
    await world.committed()
    assert await charging is None
    assert world.store.account_rows[1].balance_micros == OPENING - 10_000
    [line] = world.store.groups[-1].ledger
    assert (line.kind, line.amount_micros, line.note) == (
        LedgerKind.FEE, -10_000, "HLR, 2 numbers"
    )  # fmt: skip


async def test_what_is_free_writes_nothing(world: World) -> None:
    groups = len(world.store.groups)
    assert await asked(world, 0) is None
    await world.quiet()
    assert len(world.store.groups) == groups


async def test_more_than_there_is_is_refused(world: World) -> None:
    refusal = await asked(world, OPENING + 1)
    assert refusal is not None
    assert refusal.code == RefusalCode.NO_CREDIT
    assert world.account().balance_micros == OPENING


async def test_a_store_that_is_away_takes_nothing(world: World) -> None:
    world.store.unavailable = True
    charging = asked(world, 10_000)
    await world.quiet()
    refusal = await charging
    assert refusal is not None
    assert refusal.code == RefusalCode.STORE_UNAVAILABLE
    assert world.account().balance_micros == OPENING


async def test_a_balance_that_was_lower_on_disk_refuses_it(world: World) -> None:
    world.store.top_up(1, 9_999 - OPENING)
    charging = asked(world, 10_000)
    await world.quiet()
    refusal = await charging
    assert refusal is not None
    assert refusal.code == RefusalCode.NO_CREDIT
    assert world.account().balance_micros == world.store.account_rows[1].balance_micros == 9_999


async def test_it_goes_with_messages_of_the_same_turn(world: World) -> None:
    charging = asked(world, 10_000)
    message = await world.accepted()
    assert await charging is None
    assert message.key in world.store.rows
    assert world.spent() == (10_000 + PRICE, 0)


async def test_a_bad_row_beside_it_takes_only_itself(world: World) -> None:
    charging = asked(world, 10_000)
    poisoned = world.submit(text="poison")
    world.store.poison = {"poison"}
    await world.quiet()
    assert await charging is None
    assert poisoned.refusal.code == RefusalCode.TEXT_INVALID
    assert world.spent() == (10_000, 0)


async def test_who_asked_may_go_away(world: World) -> None:
    world.store.by_hand = True
    charging = asked(world, 10_000)
    await asyncio.sleep(0)
    world.clock.turn()
    charging.cancel()
    await asyncio.sleep(0)
    world.store.complete()
    await world.quiet()
    assert world.store.account_rows[1].balance_micros == OPENING - 10_000
    assert world.account().balance_micros == OPENING - 10_000


def given_back(world: World, micros: int) -> "asyncio.Task[None]":
    charges = Charges(world.heart.journal, world.heart.admission._keys, world.clock)
    giving = charges.give_back(world.account(), DOOR, micros, "HLR without an answer")
    return world.supervisor.spawn(giving, name="give-back")


async def test_what_is_given_back_is_a_line_of_its_own(world: World) -> None:
    giving = given_back(world, 10_000)
    await world.committed()
    await giving
    assert world.store.account_rows[1].balance_micros == OPENING + 10_000
    [line] = world.store.groups[-1].ledger
    assert (line.kind, line.amount_micros) == (LedgerKind.FEE, 10_000)


async def test_nothing_is_given_back_without_a_line(world: World) -> None:
    groups = len(world.store.groups)
    await given_back(world, 0)
    assert len(world.store.groups) == groups


async def test_what_is_owed_waits_for_the_store(world: World) -> None:
    world.store.unavailable = True
    giving = given_back(world, 10_000)
    await world.quiet()
    assert not giving.done()
    assert world.account().balance_micros == OPENING
    world.store.unavailable = False
    await world.clock.advance_async(5.0)
    await giving
    assert world.account().balance_micros == OPENING + 10_000
    assert world.store.account_rows[1].balance_micros == OPENING + 10_000


async def test_counters_never_go_back(world: World) -> None:
    charging = asked(world, 10_000)
    await world.committed()
    await charging
    giving = given_back(world, 4_000)
    await world.committed()
    await giving
    counters = world.heart.counters
    assert (counters.charged_micros["EUR"], counters.refunded_micros["EUR"]) == (10_000, 4_000)
