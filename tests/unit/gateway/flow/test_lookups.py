"""Queries about numbers are paid when they are answered, asked once, and remembered for a while."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.domain.account import Door
from gateway.domain.commit_group import LedgerKind
from gateway.domain.declared import RateSpec
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.lookup import HlrRecord, LookupFailure, NumberKind, Subscriber
from gateway.flow import lookups as module
from gateway.flow.lookups import Lookups
from gateway.policy.number_facts import NumberFacts
from gateway.policy.numbering import NumberPlan
from tests.support.clock import settle
from tests.support.heart import OPENING, World

DOOR = Door.EASYSENDSMS
ONE, TWO, THREE = "37129200001", "37129200002", "37129200003"
HLR_PRICE, NV_PRICE = 5_000, 1_000
RATES = [
    RateSpec(channel="sms", prefix="", price_micros=35_000),
    RateSpec(channel="hlr", prefix="371", price_micros=HLR_PRICE),
    RateSpec(channel="nv", prefix="371", price_micros=NV_PRICE),
]
FACTS, PLAN = NumberFacts(), NumberPlan()


class FakeHlr:
    """Answers LIVE unless `results` says otherwise; with `hold` each query waits for `release`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.results: dict[str, Subscriber | LookupFailure] = {}
        self.hold = False
        self.released = asyncio.Event()

    async def look_up(self, number: str) -> HlrRecord | LookupFailure:
        self.asked.append(number)
        if self.hold:
            await self.released.wait()
        result = self.results.get(number, Subscriber.LIVE)
        if isinstance(result, LookupFailure):
            return result
        return HlrRecord(number, result, operator="LMT", kind=NumberKind.MOBILE, mccmnc="24701")


class Bench:
    def __init__(self, world: World, cache_s: float = 3600.0) -> None:
        self.world = world
        self.hlr = FakeHlr()
        heart = world.heart
        self.lookups = Lookups(
            heart.charges, heart.switchboard, PLAN, FACTS, self.hlr, cache_s, world.clock,
            world.supervisor,
        )  # fmt: skip

    def ask(self, numbers: Sequence[str], kind: str = "hlr") -> "asyncio.Task[Any]":
        query = getattr(self.lookups, kind)(self.world.account(), DOOR, numbers)
        return self.world.supervisor.spawn(query, name="asked")

    async def answer(self, numbers: Sequence[str], kind: str = "hlr") -> Any:
        asked = self.ask(numbers, kind)
        await self.world.quiet()
        return await asked

    def balance(self) -> int:
        """In memory; what the store has is the same."""
        stored = self.world.store.account_rows[1].balance_micros
        assert self.world.account().balance_micros == stored
        return stored

    def lines(self) -> list[tuple[int, str]]:
        return [
            (line.amount_micros, line.note)
            for group in self.world.store.groups
            for line in group.ledger
            if line.kind == LedgerKind.FEE
        ]


@pytest.fixture
async def bench() -> Bench:
    return Bench(await World.build(are_up=False, rates=RATES))


async def test_a_list_is_one_charge(bench: Bench) -> None:
    records = await bench.answer([ONE, TWO])
    assert [record.number for record in records] == [ONE, TWO]
    assert records[0] == HlrRecord(
        ONE, Subscriber.LIVE, "Latvia", "LMT", NumberKind.MOBILE, "24701"
    )
    assert bench.hlr.asked == [ONE, TWO]
    assert bench.lines() == [(-2 * HLR_PRICE, "HLR, 2 numbers")]
    assert bench.balance() == OPENING - 2 * HLR_PRICE


async def test_nobody_is_asked_before_it_is_paid(bench: Bench) -> None:
    bench.world.store.by_hand = True
    asked = bench.ask([ONE])
    await settle()
    bench.world.clock.turn()
    await settle()
    assert bench.hlr.asked == []
    bench.world.store.complete()
    await bench.world.quiet()
    assert bench.hlr.asked == [ONE]
    await asked


async def test_too_little_credit_asks_nobody(bench: Bench) -> None:
    bench.world.account().limit_micros = OPENING - HLR_PRICE
    assert (await bench.answer([ONE, TWO])).code == RefusalCode.NO_CREDIT
    assert bench.hlr.asked == []
    assert bench.balance() == OPENING


async def test_a_store_that_is_away_asks_nobody(bench: Bench) -> None:
    bench.world.store.unavailable = True
    result = await bench.answer([ONE])
    assert isinstance(result, Refusal)
    assert result.code == RefusalCode.STORE_UNAVAILABLE
    assert bench.hlr.asked == []


@pytest.mark.parametrize("failure", [LookupFailure.UNAVAILABLE, LookupFailure.UNREADABLE])
async def test_one_failure_fails_all_and_everything_is_given_back(
    bench: Bench, failure: LookupFailure
) -> None:
    bench.hlr.results[TWO] = failure
    assert await bench.answer([ONE, TWO, THREE]) is failure
    await bench.world.quiet()
    assert bench.lines() == [
        (-3 * HLR_PRICE, "HLR, 3 numbers"), (3 * HLR_PRICE, "HLR without an answer")
    ]  # fmt: skip
    assert bench.balance() == OPENING


@pytest.mark.parametrize("subscriber", [Subscriber.INCONCLUSIVE, Subscriber.UNSUPPORTED])
async def test_what_is_no_answer_is_given_back(bench: Bench, subscriber: Subscriber) -> None:
    bench.hlr.results[TWO] = subscriber
    records = await bench.answer([ONE, TWO])
    assert [record.subscriber for record in records] == [Subscriber.LIVE, subscriber]
    await bench.world.quiet()
    assert bench.balance() == OPENING - HLR_PRICE


@pytest.mark.parametrize(
    "subscriber", [Subscriber.DEAD, Subscriber.ABSENT, Subscriber.NO_TELESERVICE]
)
async def test_bad_news_are_an_answer(bench: Bench, subscriber: Subscriber) -> None:
    bench.hlr.results[ONE] = subscriber
    await bench.answer([ONE])
    assert bench.balance() == OPENING - HLR_PRICE


async def test_numbers_nobody_can_be_asked_about_cost_nothing(bench: Bench) -> None:
    records = await bench.answer(["12345678900", "99912345678", "37112"])  # no rate; no number
    assert {record.subscriber for record in records} == {Subscriber.UNSUPPORTED}
    assert bench.hlr.asked == []
    assert bench.balance() == OPENING


async def test_it_is_not_offered_without_a_connector_or_a_price(bench: Bench) -> None:
    bench.lookups._provider = None
    assert await bench.answer([ONE]) is LookupFailure.NOT_OFFERED
    priceless = Bench(await World.build(are_up=False))
    assert await priceless.answer([ONE]) is LookupFailure.NOT_OFFERED


async def test_an_answer_is_remembered_and_paid_again(bench: Bench) -> None:
    first = await bench.answer([ONE])
    bench.world.clock.advance(3599.0)
    assert await bench.answer([ONE, TWO]) == [*first, *await bench.answer([TWO])]
    assert bench.hlr.asked == [ONE, TWO]
    assert bench.balance() == OPENING - 4 * HLR_PRICE


async def test_an_answer_is_forgotten(bench: Bench) -> None:
    await bench.answer([ONE])
    bench.world.clock.advance(3600.0)
    await bench.answer([ONE])
    assert bench.hlr.asked == [ONE, ONE]


async def test_what_is_no_answer_is_not_remembered(bench: Bench) -> None:
    bench.hlr.results[ONE] = Subscriber.INCONCLUSIVE
    await bench.answer([ONE])
    await bench.answer([ONE])
    assert bench.hlr.asked == [ONE, ONE]


async def test_nothing_is_remembered_with_a_cache_of_0() -> None:
    bench = Bench(await World.build(are_up=False, rates=RATES), cache_s=0)
    await bench.answer([ONE])
    await bench.answer([ONE])
    assert bench.hlr.asked == [ONE, ONE]


async def test_the_memory_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CACHED", 2)
    for number in (ONE, TWO, THREE, TWO, ONE):
        await bench.answer([number])
    assert bench.hlr.asked == [ONE, TWO, THREE, ONE]


async def test_two_who_ask_at_once_are_answered_by_one_query(bench: Bench) -> None:
    bench.hlr.hold = True
    both = [bench.ask([ONE]), bench.ask([ONE, TWO])]
    await bench.world.quiet()
    assert bench.hlr.asked == [ONE, TWO]
    bench.hlr.released.set()
    await bench.world.quiet()
    assert [len(await asked) for asked in both] == [1, 2]
    assert bench.balance() == OPENING - 3 * HLR_PRICE


async def test_queries_under_way_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ASKED", 2)
    bench.hlr.hold = True
    first = bench.ask([ONE, TWO])
    await bench.world.quiet()
    assert await bench.answer([THREE]) is LookupFailure.UNAVAILABLE
    bench.hlr.released.set()
    await bench.world.quiet()
    await first
    assert len(await bench.answer([THREE])) == 1
    assert bench.balance() == OPENING - 3 * HLR_PRICE


async def test_who_goes_away_gets_back_what_failed(bench: Bench) -> None:
    bench.hlr.hold = True
    bench.hlr.results[ONE] = LookupFailure.UNAVAILABLE
    asked = bench.ask([ONE])
    await bench.world.quiet()
    asked.cancel()
    await settle()
    bench.hlr.released.set()
    await bench.world.quiet()
    assert bench.balance() == OPENING


async def test_numbers_are_validated_by_the_plans(bench: Bench) -> None:
    records = await bench.answer([ONE, "99912345678", "12345678900"], "nv")
    assert [record and record.country for record in records] == [
        "Latvia", None, "United States of America"
    ]  # fmt: skip
    assert bench.lines() == [(-NV_PRICE, "NV, 2 numbers")]  # the second has no rate: free
    assert bench.balance() == OPENING - NV_PRICE


async def test_validation_is_free_without_a_price() -> None:
    bench = Bench(await World.build(are_up=False))
    bench.world.account().limit_micros = OPENING
    assert len(await bench.answer([ONE] * 30, "nv")) == 30
    assert bench.lines() == []


async def test_validation_needs_credit(bench: Bench) -> None:
    bench.world.account().limit_micros = OPENING
    assert (await bench.answer([ONE], "nv")).code == RefusalCode.NO_CREDIT
    assert not isinstance(await bench.answer(["99912345678"], "nv"), Refusal)
