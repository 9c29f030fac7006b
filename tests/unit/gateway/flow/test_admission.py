"""Every no admission can say, and that none of them leaves a trace."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.domain.account import ChargeAt, Door, NumberCheck
from gateway.domain.declared import RateSpec
from gateway.domain.errors import RefusalCode
from gateway.domain.lifecycle import MoneyState
from gateway.domain.message import Channel, Opaque
from gateway.domain.route import Route
from gateway.domain.sms_text import Alphabet
from tests.support.heart import NUMBER, OPENING, PRICE, World, account_spec

C = RefusalCode
OTHER = "41790000002"
DAY_MS = 86_400_000


@pytest.fixture
async def world() -> World:
    return await World.build(are_up=False)


async def assert_no_trace(world: World, code: RefusalCode, door: str = "smpp") -> None:
    await world.after(1.0)
    assert world.store.rows == {}
    assert world.store.attempts == 0
    assert world.spent() == (0, 0)
    assert dict(world.heart.counters.refused) == {(door, code): 1}
    assert dict(world.heart.counters.accepted) == {}


def _stopping(world: World) -> None:
    world.heart.admission.stopping = True


def _without_store(world: World) -> None:
    world.heart.journal.available = False


def _without_account(world: World) -> None:
    world.account().enabled = False


def _without_credential(world: World) -> None:
    world.credential().enabled = False


def _any_sender(world: World) -> None:
    world.account().any_sender = True


def _without_routes(world: World) -> None:
    world.heart.switchboard.set_routes([Route("far", Channel.SMS, "1", (((1, 1),),))])


def _without_rates(world: World) -> None:
    world.heart.switchboard.set_rates([RateSpec(channel="sms", prefix="1", price_micros=1)])


def _in_another_currency(world: World) -> None:
    world.heart.switchboard.set_rates(
        [RateSpec(channel="sms", prefix="", price_micros=1, currency="USD")]
    )


def _poor(world: World) -> None:
    world.account().limit_micros = OPENING - PRICE + 1


def _slow(world: World) -> None:
    world.account().rate_per_s = 1
    world.account().throttle = [0.5, world.clock.monotonic()]


def _slow_credential(world: World) -> None:
    world.credential().rate_per_s = 1
    world.credential().throttle = [0.5, world.clock.monotonic()]


def _strict(world: World) -> None:
    world.account().number_check = NumberCheck.VALID


def _nothing(world: World) -> None:
    pass


NOW_MS = 1_790_000_000_000
REFUSALS: list[tuple[str, RefusalCode, Callable[[World], None], dict[str, Any]]] = [
    ("stopping", C.STOPPING, _stopping, {}),
    ("store away", C.STORE_UNAVAILABLE, _without_store, {}),
    ("account disabled", C.ACCOUNT_DISABLED, _without_account, {}),
    ("credential disabled", C.ACCOUNT_DISABLED, _without_credential, {}),
    ("sender", C.SENDER_NOT_ALLOWED, _nothing, {"sender": "OTHER"}),
    ("sender in other case", C.SENDER_NOT_ALLOWED, _nothing, {"sender": "acme"}),
    ("any sender, but text", C.SENDER_INVALID, _any_sender, {"sender": "A\x00"}),
    ("too far ahead", C.SCHEDULE_INVALID, _nothing, {"due_at_ms": NOW_MS + 367 * DAY_MS}),
    ("over already", C.VALIDITY_INVALID, _nothing, {"expires_at_ms": NOW_MS}),
    (
        "over before it is due", C.VALIDITY_INVALID, _nothing,
        {"due_at_ms": NOW_MS + 2000, "expires_at_ms": NOW_MS + 1000},
    ),
    ("empty", C.TEXT_EMPTY, _nothing, {"text": ""}),
    ("surrogate", C.TEXT_INVALID, _nothing, {"text": "a\ud800"}),
    ("zero", C.TEXT_INVALID, _nothing, {"text": "a\x00"}),
    ("256 parts", C.TEXT_TOO_LONG, _nothing, {"text": "a" * (153 * 255 + 1)}),
    ("no number", C.RECIPIENT_INVALID, _nothing, {"recipient": "hello"}),
    ("impossible", C.RECIPIENT_INVALID, _nothing, {"recipient": "4179"}),
    ("possible, not valid", C.RECIPIENT_INVALID, _strict, {"recipient": "41000000001"}),
    ("no route", C.NO_ROUTE, _without_routes, {}),
    ("no rate", C.NO_PRICE, _without_rates, {}),
    ("no rate in EUR", C.NO_PRICE, _in_another_currency, {}),
    ("account's rate", C.RATE_EXCEEDED, _slow, {}),
    ("credential's rate", C.RATE_EXCEEDED, _slow_credential, {}),
    ("credit", C.NO_CREDIT, _poor, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "prepare", "fields"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS]
)
async def test_a_refusal_leaves_no_trace(
    world: World, code: RefusalCode, prepare: Callable[[World], None], fields: dict[str, Any]
) -> None:
    prepare(world)
    assert world.submit(**fields).refusal.code == code
    world.heart.journal.available = True
    await assert_no_trace(world, code)


@pytest.mark.parametrize(
    ("code", "prepare", "fields"),
    [r[1:] for r in REFUSALS],
    ids=[r[0] for r in REFUSALS],
)
async def test_a_refused_batch_leaves_no_trace(
    world: World, code: RefusalCode, prepare: Callable[[World], None], fields: dict[str, Any]
) -> None:
    prepare(world)
    recipient = fields.pop("recipient", NUMBER) if "recipient" in fields else NUMBER
    assert world.submit_batch([recipient], **fields).refusal.code == code
    world.heart.journal.available = True
    await assert_no_trace(world, code)


def test_every_code_admission_can_give_is_in_the_table() -> None:
    given_by_others = {C.RECIPIENT_BLOCKED, C.IDEMPOTENCY_MISMATCH, C.IDEMPOTENCY_RUNNING}
    tested_with_the_journal = {C.BUSY}
    assert {r[1] for r in REFUSALS} == set(C) - given_by_others - tested_with_the_journal


# --- yes ----------------------------------------------------------------------------------------


async def test_an_accepted_message_is_on_disk_as_asked(world: World) -> None:
    message = await world.accepted(
        "héllo", recipient="+41 79 000 00 01", door=Door.EXOSEND, priority=3, door_note=7
    )
    row = world.row(message)
    assert (row.recipient, row.sender, row.text, row.alphabet) == (NUMBER, "ACME", "héllo", 0)
    assert (row.door, row.priority, row.door_note) == (Door.EXOSEND, 3, 7)
    assert row.credential_id == world.credential(door=Door.EXOSEND).id
    assert (row.charge_micros, row.money) == (PRICE, MoneyState.CHARGED)
    assert row.due_at_ms == world.clock.now_ms()
    assert row.expires_at_ms == row.due_at_ms + 2 * DAY_MS
    assert dict(world.heart.counters.accepted) == {("exosend", "acme"): 1}


async def test_octets_are_one_part_and_are_not_read(world: World) -> None:
    message = await world.accepted(None, opaque=Opaque(b"\x00\xff" * 70, 4, 0x40, b"tlv"))
    row = world.row(message)
    assert (row.octets, row.data_coding, row.esm_class, row.tlvs) == (
        b"\x00\xff" * 70,
        4,
        64,
        b"tlv",
    )
    assert (row.text, row.alphabet, row.part_count) == (None, Alphabet.OPAQUE, 1)


async def test_each_part_has_its_price(world: World) -> None:
    message = await world.accepted("a" * 307)
    assert (message.part_count, message.charge_micros) == (3, 3 * PRICE)
    assert world.spent() == (3 * PRICE, 0)


@pytest.mark.parametrize(
    ("charge_at", "spent", "money"),
    [
        (ChargeAt.ACCEPT, (PRICE, 0), MoneyState.CHARGED),
        (ChargeAt.SUBMIT, (0, PRICE), MoneyState.HELD),
        (ChargeAt.DELIVERY, (0, PRICE), MoneyState.HELD),
    ],
)
async def test_the_account_decides_when_it_pays(
    charge_at: ChargeAt, spent: tuple[int, int], money: MoneyState
) -> None:
    world = await World.build(charge_at=charge_at, are_up=False)
    message = await world.accepted()
    assert world.spent() == spent
    assert world.row(message).money == money


async def test_what_costs_nothing_needs_no_credit(world: World) -> None:
    world.heart.switchboard.set_rates([RateSpec(channel="sms", prefix="", price_micros=0)])
    world.account().limit_micros = OPENING + 1
    message = await world.accepted()
    assert world.row(message).money == MoneyState.NONE
    assert world.spent() == (0, 0)


@pytest.mark.parametrize("charge_at", list(ChargeAt))
async def test_credit_ends_at_the_limit_exactly(charge_at: ChargeAt) -> None:
    spec = account_spec(credit_micros=3 * PRICE, limit_micros=-2 * PRICE, charge_at=charge_at)
    world = await World.build(accounts=[spec], are_up=False)
    asked = [world.submit() for _ in range(6)]
    assert asked[5].refusal.code == C.NO_CREDIT
    await world.quiet()
    assert [len(a.answers) for a in asked] == [1, 1, 1, 1, 1, 0]
    assert sum(world.spent()) == 5 * PRICE


async def test_the_throttle_lets_a_second_of_parts_through_at_once(world: World) -> None:
    world.account().rate_per_s = 3
    codes = [world.submit().result for _ in range(4)]
    assert [hasattr(r, "code") for r in codes] == [False, False, False, True]
    world.clock.advance(1 / 3 + 0.001)
    assert not hasattr(world.submit().result, "code")


async def test_a_sender_of_the_star_is_any(world: World) -> None:
    _any_sender(world)
    assert (await world.accepted(sender="Anyone")).sender == "Anyone"


async def test_a_due_time_in_the_past_is_now(world: World) -> None:
    world.wire.come_up()
    await world.accepted(due_at_ms=NOW_MS - 5000)
    assert len(world.wire.submitted) == 1


async def test_keys_and_due_times_grow_while_the_clock_goes_back(world: World) -> None:
    world.wire.come_up()
    first = await world.accepted()
    world.clock.step_back_ms = 3_600_000
    second = await world.accepted()
    assert second.key > first.key
    assert second.due_at_ms >= first.due_at_ms
    assert world.wire.keys() == [first.key, second.key]  # it does not wait an hour


# --- batches ------------------------------------------------------------------------------------


async def test_a_batch_leaves_out_the_bad_and_says_which(world: World) -> None:
    asked = world.submit_batch([NUMBER, "x", OTHER, ""])
    await world.quiet()
    assert asked.answers == [asked.batch]
    assert [m.recipient for m in asked.batch.messages] == [NUMBER, OTHER]
    assert [(i, r.code, r.index) for i, r in asked.batch.refused] == [
        (1, C.RECIPIENT_INVALID, 1), (3, C.RECIPIENT_INVALID, 3),
    ]  # fmt: skip
    assert asked.batch.total_micros == 2 * PRICE
    assert world.spent() == (2 * PRICE, 0)


async def test_the_content_of_a_batch_is_stored_once(world: World) -> None:
    asked = world.submit_batch([NUMBER, OTHER], "shared")
    await world.quiet()
    (batch,) = world.store.batches.values()
    assert (batch.text, batch.message_count) == ("shared", 2)
    assert {row.text for row in world.store.rows.values()} == {None}
    assert {world.row(m).text for m in asked.batch.messages} == {"shared"}
    assert all(m.batch_key == batch.key < m.key for m in asked.batch.messages)


async def test_opaque_content_of_a_batch_is_stored_once_too(world: World) -> None:
    asked = world.submit_batch([NUMBER, OTHER], None, opaque=Opaque(b"\x01", 4, 0, b""))
    await world.quiet()
    assert {row.octets for row in world.store.rows.values()} == {None}
    assert {world.row(m).octets for m in asked.batch.messages} == {b"\x01"}


async def test_credit_of_a_batch_is_all_or_nothing(world: World) -> None:
    world.account().limit_micros = OPENING - 2 * PRICE
    assert world.submit_batch([NUMBER] * 3).refusal.code == C.NO_CREDIT
    await assert_no_trace(world, C.NO_CREDIT)
    assert world.submit_batch([NUMBER] * 2).batch.total_micros == 2 * PRICE


async def test_a_recipient_without_a_route_refuses_the_batch_and_is_named(world: World) -> None:
    world.heart.switchboard.set_routes([Route("ch", Channel.SMS, "41", (((1, 1),),))])
    refusal = world.submit_batch([NUMBER, "37120000001"]).refusal
    assert (refusal.code, refusal.index) == (C.NO_ROUTE, 1)
    await assert_no_trace(world, C.NO_ROUTE)


async def test_a_batch_counts_all_its_parts_against_the_rate(world: World) -> None:
    world.account().rate_per_s = 5
    world.account().throttle = [4.0, world.clock.monotonic()]
    assert world.submit_batch([NUMBER] * 5).refusal.code == C.RATE_EXCEEDED
