"""What each end costs, who hears of it, and what is written down."""

import json
import re
from itertools import product
from pathlib import Path

import pytest

from gateway.domain.account import ChargeAt, Door, RefundPolicy
from gateway.domain.commit_group import EventKind
from gateway.domain.declared import RateSpec, WebhookSpec
from gateway.domain.lifecycle import (
    FINAL_STATES,
    MOVES,
    MessageState,
    MoneyState,
    Notified,
    NotifyWhen,
)
from gateway.domain.outcome import Refused
from gateway.runtime.message_log import MessageLog
from tests.support.heart import NEVER, PRICE, World, account_spec

S = MessageState
PAID, FREE = (PRICE, 0), (0, 0)


COSTS = re.search(
    r"<!-- costs -->\n(.*?)<!-- /costs -->",
    (Path(__file__).parents[4] / "docs" / "configuration.md").read_text(encoding="utf-8"),
    re.DOTALL,
)


def documented_costs() -> dict[tuple[ChargeAt, RefundPolicy, MessageState, bool], str]:
    """The guide's table, cell by cell: (charge, refund, end, whether it had left) -> what it says."""
    assert COSTS is not None
    lines = [[c.strip() for c in line[1:-2].split("|")] for line in COSTS[1].splitlines()]
    policies = [RefundPolicy[re.findall(r'"(\w+)"', c)[0].upper()] for c in lines[0][2:]]
    costs: dict[tuple[ChargeAt, RefundPolicy, MessageState, bool], str] = {}
    ended = ""
    for first, charges, *cells in lines[2:]:
        ended = first or ended
        ends = [
            S.HANDED_OVER if word == "sent" else S[word.upper()]
            for word in re.findall(r"`(\w+)`", ended)
        ]
        left = [False] if re.search("before|never", ended) else [True]
        if not re.search("before|never|after", ended):
            left = [False, True]
        modes = list(ChargeAt)
        if charges != "any":
            modes = [ChargeAt[word.upper()] for word in re.findall(r"`(\w+)`", charges)]
        for mode, end, has_left in product(modes, ends, left):
            for policy, cell in zip(policies, cells, strict=True):
                assert (mode, policy, end, has_left) not in costs
                costs[mode, policy, end, has_left] = cell
    return costs


DOCUMENTED = documented_costs()


def test_the_guide_has_every_case() -> None:
    cases = set(product(ChargeAt, RefundPolicy, FINAL_STATES, [False, True]))
    assert DOCUMENTED.keys() == cases
    assert set(DOCUMENTED.values()) == {"paid", "free"}


@pytest.mark.parametrize(("charge_at", "refund", "state", "was_sent"), sorted(DOCUMENTED))
async def test_what_a_message_costs(
    charge_at: ChargeAt, refund: RefundPolicy, state: MessageState, was_sent: bool
) -> None:
    world = await World.build(accounts=[account_spec(charge_at=charge_at, refund=refund)])
    message = await world.accepted()
    if was_sent:
        world.wire.accept_all()
        await world.committed()
    else:
        world.wire.outstanding.clear()
    world.heart.fates.finish(message, state)
    await world.committed()
    is_paid = DOCUMENTED[charge_at, refund, state, was_sent] == "paid"
    assert world.spent() == (PAID if is_paid else FREE)
    assert world.row(message).money == (MoneyState.CHARGED if is_paid else MoneyState.REFUNDED)


@pytest.mark.parametrize("refund", list(RefundPolicy))
async def test_a_long_message_of_which_a_part_left_counts_as_sent(refund: RefundPolicy) -> None:
    world = await World.build(accounts=[account_spec(refund=refund)])
    message = await world.accepted("x" * 200)
    world.wire.take()
    world.wire.answer(Refused("no", everywhere=True))
    await world.committed()
    assert world.state(message) == S.FAILED
    is_free = refund == RefundPolicy.UNDELIVERED
    assert world.spent() == (FREE if is_free else (2 * PRICE, 0))


@pytest.mark.parametrize("refund", list(RefundPolicy))
async def test_nothing_comes_back_when_unknown_turns_into_failed(refund: RefundPolicy) -> None:
    world = await World.build(accounts=[account_spec(refund=refund)])
    message, id = await world.sent()
    world.heart.fates.finish(message, S.UNKNOWN)
    await world.committed()
    world.wire.receipt(id, S.FAILED)
    await world.committed()
    assert world.state(message) == S.FAILED
    assert world.spent() == PAID


@pytest.mark.parametrize(
    ("before", "after", "when_sent"),
    [
        (ChargeAt.SUBMIT, ChargeAt.DELIVERY, (0, PRICE)),
        (ChargeAt.DELIVERY, ChargeAt.SUBMIT, PAID),
        (ChargeAt.SUBMIT, ChargeAt.ACCEPT, PAID),
        (ChargeAt.DELIVERY, ChargeAt.ACCEPT, PAID),
        (ChargeAt.ACCEPT, ChargeAt.DELIVERY, PAID),
    ],
)
async def test_a_reload_decides_when_a_hold_is_charged(
    before: ChargeAt, after: ChargeAt, when_sent: tuple[int, int]
) -> None:
    world = await World.build(charge_at=before)
    await world.accepted()
    directory = world.heart.directory
    directory.adopt(await directory.declare((account_spec(charge_at=after),)))
    (id,) = world.wire.accept_all()
    await world.committed()
    assert world.spent() == when_sent
    world.wire.receipt(id)
    await world.committed()
    assert world.spent() == PAID


async def test_a_reload_of_the_refund_decides_over_ends_from_then_on() -> None:
    world = await World.build(accounts=[account_spec(refund=RefundPolicy.NEVER)])
    ids = [(await world.sent())[1] for _ in range(2)]
    world.wire.receipt(ids[0], S.FAILED)
    await world.committed()
    assert world.spent() == (2 * PRICE, 0)
    directory = world.heart.directory
    directory.adopt(await directory.declare((account_spec(refund=RefundPolicy.UNDELIVERED),)))
    world.wire.receipt(ids[1], S.FAILED)
    await world.committed()
    assert world.spent() == PAID


@pytest.mark.parametrize("charge_at", list(ChargeAt))
@pytest.mark.parametrize("was_sent", [False, True])
@pytest.mark.parametrize("state", sorted(MOVES[S.UNKNOWN]))
async def test_money_does_not_move_when_unknown_becomes_known(
    charge_at: ChargeAt, was_sent: bool, state: MessageState
) -> None:
    world = await World.build(charge_at=charge_at)
    message = await world.accepted()
    if was_sent:
        world.wire.take()
    world.heart.fates.finish(message, S.UNKNOWN)
    await world.committed()
    before = world.spent()
    world.heart.fates.finish(message, state)
    await world.committed()
    assert world.spent() == before
    assert world.state(message) == state


async def test_a_free_message_moves_no_money() -> None:
    rates = [RateSpec(channel="sms", prefix="", price_micros=0)]
    world = await World.build(rates=rates, are_up=False)
    message = await world.accepted()
    world.heart.fates.finish(message, S.FAILED)
    await world.quiet()
    assert world.store.groups[-1].ledger == []


@pytest.mark.parametrize(
    ("before", "after"), [(b, a) for b, a in product(S, sorted(FINAL_STATES)) if a not in MOVES[b]]
)
async def test_a_move_the_machine_lacks_is_a_defect(before: S, after: S) -> None:
    world = await World.build(are_up=False)
    message = await world.accepted()
    message.state = before
    with pytest.raises(ValueError, match=f"from {before.name} to {after.name}"):
        world.heart.fates.finish(message, after)
    assert message.money == MoneyState.CHARGED


async def test_the_row_tells_the_end() -> None:
    world = await World.build()
    message, _ = await world.sent()
    world.clock.advance(5)
    told: list[object] = []
    world.heart.fates.finish(message, S.FAILED, "11", lambda *call: told.append(call), "token")
    assert told == []
    await world.quiet()
    row = world.row(message)
    assert (row.state, row.error, row.final_at_ms) == (S.FAILED, "11", world.clock.now_ms())
    assert told == [("token", True)]
    assert dict(world.heart.counters.fates) == {("carrier", "failed"): 1}


# --- who hears of it ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "state", "notified"),
    [
        (NotifyWhen.ALWAYS, S.DELIVERED, Notified.DONE),
        (NotifyWhen.NEVER, S.DELIVERED, Notified.NONE),
        (NotifyWhen.FAILURE, S.DELIVERED, Notified.NONE),
        (NotifyWhen.FAILURE, S.REJECTED, Notified.DONE),
        (NotifyWhen.SUCCESS, S.FAILED, Notified.NONE),
    ],
)
async def test_an_smpp_customer_hears_what_he_asked_for(
    when: NotifyWhen, state: S, notified: Notified
) -> None:
    world = await World.build()
    message = await world.accepted(notify_when=when)
    world.wire.outstanding.clear()
    world.heart.fates.finish(message, state)
    assert world.notifier.told == []  # not before it is on disk
    await world.committed()
    assert world.row(message).notified == notified
    assert world.notifier.keys() == ([message.key] if notified else [])


async def test_a_rest_customers_end_is_owed_to_every_webhook() -> None:
    hooks = (WebhookSpec(url="https://a/", secret="s"), WebhookSpec(url="https://b/", secret="s"))
    world = await World.build(accounts=[account_spec(webhooks=hooks)])
    woken: list[object] = []
    world.heart.fates.wake_webhooks = lambda _token, stored: woken.append(stored)
    message, id = await world.sent(door=Door.EXOSEND)
    world.wire.receipt(id)
    await world.committed()
    assert [(d.message_key, d.url, d.due_at_ms) for d in world.store.deliveries] == [
        (message.key, "https://a/", message.final_at_ms),
        (message.key, "https://b/", message.final_at_ms),
    ]
    assert woken == [True]
    assert world.notifier.told == []
    assert world.row(message).notified == Notified.NONE


async def test_without_a_webhook_nothing_is_owed() -> None:
    world = await World.build()
    _, id = await world.sent(door=Door.EXOSEND)
    world.wire.receipt(id)
    await world.committed()
    assert world.store.deliveries == []


# --- what is written down -----------------------------------------------------------------------


async def test_the_message_log_has_one_line_per_end(tmp_path: Path) -> None:
    world = await World.build()
    path = tmp_path / "messages.log"
    message_log = MessageLog(path, world.clock, lambda write: write())
    world.heart.fates._message_log = message_log
    message, id = await world.sent('secret "text"', notify_when=NEVER, door=Door.EXOSEND)
    world.clock.advance(2)
    world.wire.receipt(id)
    await world.after(1.0)
    message_log.close()
    (line,) = path.read_text().splitlines()
    assert json.loads(line) == {
        "message_id": f"{message.key:016x}", "account": "acme", "provider": "carrier",
        "provider_message_id": id, "parts": 1, "price": "0.035", "currency": "EUR",
        "state": "delivered", "error": "", "attempts": 1,
        "accepted_at_ms": message.final_at_ms - 2050, "sent_at_ms": message.sent_at_ms,
        "final_at_ms": message.final_at_ms,
    }  # fmt: skip
    assert "secret" not in line


async def test_odd_names_make_valid_lines(tmp_path: Path) -> None:
    world = await World.build(
        accounts=[account_spec('a"c\\mé', smpp=(), senders=("ACME",))], are_up=False
    )
    path = tmp_path / "messages.log"
    message_log = MessageLog(path, world.clock, lambda write: write())
    world.heart.fates._message_log = message_log
    message = await world.accepted(account='a"c\\mé', door=Door.EXOSEND)
    world.heart.fates.finish(message, S.FAILED, 'err"or\n')
    message_log.close()
    line = json.loads(path.read_text())
    assert (line["account"], line["error"], line["provider"]) == ('a"c\\mé', 'err"or\n', "")


async def test_events_name_the_provider() -> None:
    world = await World.build()
    message = await world.accepted()
    world.heart.fates.event(message, EventKind.RETRY, "detail")
    await world.committed()
    (event,) = world.store.timeline
    assert event == (message.key, world.clock.now_ms() - 50, EventKind.RETRY, 1, "detail")
