"""Numbers on their way in: told apart, priced, written in pieces, and gone when nothing comes of them."""

import pytest

from gateway.domain.bulk import BulkQuote, RecipientState
from gateway.domain.declared import RateSpec
from gateway.domain.errors import Refusal, RefusalCode, StoreUnavailable
from gateway.domain.message import Channel
from gateway.domain.route import Route
from gateway.domain.sms_text import Alphabet
from gateway.flow.bulk_intake import MOST_WRITTEN, ROWS_AT_ONCE
from tests.support.bulks import BulkWorld, numbers
from tests.support.heart import PRICE, account_spec


@pytest.fixture
async def world() -> BulkWorld:
    return await BulkWorld.build(are_up=False)


def quoted(world: BulkWorld, quote: BulkQuote | Refusal) -> tuple[int, int, int]:
    assert isinstance(quote, BulkQuote), quote
    return quote.recipients, quote.valid, quote.total_micros


async def test_each_number_counts_once_however_it_is_written(world: BulkWorld) -> None:
    intake = world.begin()
    await intake.add(["41790000001", "+41790000001", "0041 79 000 00 01", "41790000002"])
    await intake.add(["41790000002"])
    assert quoted(world, intake.quote("hello")) == (2, 2, 2 * PRICE)


async def test_a_region_reads_national_forms() -> None:
    world = await BulkWorld.build(accounts=[account_spec(region="TH")], are_up=False)
    intake = world.begin()
    await intake.add(["0812345678", "66812345678", "+66 81 234 5678"])
    assert quoted(world, intake.quote("hello")) == (1, 1, PRICE)


async def test_the_price_is_of_every_part(world: BulkWorld) -> None:
    intake = world.begin()
    await intake.add(numbers(3))
    quote = intake.quote("Добро пожаловать! " * 5)
    assert quote == BulkQuote(3, 3, Alphabet.UCS2, 2, 6 * PRICE)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", RefusalCode.TEXT_EMPTY),
        ("\x00", RefusalCode.TEXT_INVALID),
        ("x" * 40_000, RefusalCode.TEXT_TOO_LONG),
    ],
)
async def test_a_text_that_cannot_be_sent_has_no_price(
    world: BulkWorld, text: str, code: RefusalCode
) -> None:
    quote = world.begin().quote(text)
    assert isinstance(quote, Refusal)
    assert quote.code == code


async def test_what_cannot_be_charged_is_invalid_and_keeps_its_writing() -> None:
    world = await BulkWorld.build(
        rates=[
            RateSpec(channel="sms", prefix="41", price_micros=PRICE),
            RateSpec(channel="sms", prefix="49", price_micros=PRICE),
        ],
        routes=[Route("swiss", Channel.SMS, "41", (((1, 1),),))],
        are_up=False,
    )
    odd = ["nobody", "nobody", "4", "\ud800\x00", "x" * 100]
    view = await world.send(["41790000001", *odd, "4915112345678", "+37120000000"])
    assert await world.counts(view.key) == {"PENDING": 1, "INVALID": 6}
    found, _ = await world.world.heart.bulks.recipients(view, 1, (), 10)
    assert [each.recipient for each in found] == [
        "nobody", "4", "\\ud800\\x00", "x" * MOST_WRITTEN, "4915112345678", "+37120000000",
    ]  # fmt: skip
    assert view.total_micros == PRICE
    await world.sound()


async def test_a_route_of_one_sender_covers_a_number() -> None:
    """Which sender it is comes with the commit, after the numbers."""
    route = Route("branded", Channel.SMS, "", (((1, 1),),), None, "ACME")
    world = await BulkWorld.build(routes=[route], are_up=False)
    assert (await world.send(numbers(2))).counts == {RecipientState.PENDING: 2}


async def test_prices_are_those_of_the_beginning(world: BulkWorld) -> None:
    intake = world.begin()
    world.world.heart.switchboard.set_rates([])
    await intake.add(numbers(1))
    assert quoted(world, intake.quote("hello")) == (1, 1, PRICE)
    intake = world.begin()
    await intake.add(numbers(1))
    assert quoted(world, intake.quote("hello")) == (1, 0, 0)


async def test_prices_differ_by_prefix() -> None:
    world = await BulkWorld.build(
        rates=[
            RateSpec(channel="sms", prefix="", price_micros=7),
            RateSpec(channel="sms", prefix="4179", price_micros=0),
            RateSpec(channel="sms", prefix="371", price_micros=5),
        ],
        are_up=False,
    )
    view = await world.send(["37120000001", "41790000001", "4915112345678", "37120000002"])
    assert view.total_micros == 5 + 0 + 7 + 5
    assert world.sql("SELECT message_count FROM ledger WHERE kind = 3") == [3]
    await world.sound()


async def test_blocked_numbers_cost_nothing(world: BulkWorld) -> None:
    world.world.heart.blocklist.add(world.world.account().id, [41790000001])
    view = await world.send(numbers(3))
    assert await world.counts(view.key) == {"PENDING": 2, "BLOCKED": 1}
    assert await world.states(view) == [(1, "PENDING"), (2, "BLOCKED"), (3, "PENDING")]
    assert world.money() == (2 * PRICE, 0)
    await world.sound()


async def test_many_go_to_disk_on_the_way_and_show_nowhere(world: BulkWorld) -> None:
    intake = world.begin()
    await intake.add(numbers(2 * ROWS_AT_ONCE + 5))
    assert world.sql("SELECT count(*) FROM bulk_recipient") == [2 * ROWS_AT_ONCE]
    assert world.sql("SELECT state FROM bulk") == [0]
    assert await world.listed() == []
    assert await world.world.heart.bulks.bulk(intake.taken.key) is None
    assert world.money() == (0, 0)


async def test_many_are_numbered_without_gaps(world: BulkWorld) -> None:
    twice = [n for n in numbers(ROWS_AT_ONCE) for _ in range(2)]
    view = await world.send([*twice, "none", *numbers(10)])
    assert view.recipients == ROWS_AT_ONCE + 1
    await world.sound()


async def test_few_make_one_commit(world: BulkWorld) -> None:
    intake = world.begin()
    await intake.add(numbers(ROWS_AT_ONCE - 1))
    assert world.sql("SELECT count(*) FROM bulk_recipient") == [0]


async def test_a_dry_run_keeps_nothing(world: BulkWorld) -> None:
    intake = world.begin(is_kept=False)
    await intake.add(numbers(ROWS_AT_ONCE + 10))
    assert quoted(world, intake.quote("hello"))[0] == ROWS_AT_ONCE + 10
    await intake.abandon()
    assert world.sql("SELECT count(*) FROM bulk") == [0]
    assert world.sql("SELECT count(*) FROM bulk_recipient") == [0]


async def test_abandoned_is_removed_beside_the_traffic(world: BulkWorld) -> None:
    intake = world.begin()
    await intake.add(numbers(3 * ROWS_AT_ONCE))
    await intake.abandon()
    await world.world.after(1.0)
    assert world.sql("SELECT count(*) FROM bulk") == [0]
    assert world.sql("SELECT count(*) FROM bulk_recipient") == [0]
    assert world.money() == (0, 0)


async def test_a_store_that_is_away_says_so_and_leaves_nothing(world: BulkWorld) -> None:
    intake = world.begin()
    await intake.add(numbers(ROWS_AT_ONCE))
    world.store.engine.unavailable = True
    with pytest.raises(StoreUnavailable):
        await intake.add(numbers(ROWS_AT_ONCE, first=5_000))
    await intake.abandon()
    await world.world.after(3.0)
    world.store.engine.unavailable = False
    await world.world.after(3.0)
    assert world.sql("SELECT count(*) FROM bulk_recipient") == [0]
