"""What each end costs, who hears of it, and what is written down."""

import json
from itertools import product
from pathlib import Path

import pytest

from gateway.domain.account import ChargeAt, Door
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
from gateway.runtime.message_log import MessageLog
from tests.support.heart import NEVER, PRICE, World, account_spec

S = MessageState
PAID, FREE = (PRICE, 0), (0, 0)


def expected(charge_at: ChargeAt, state: MessageState, was_sent: bool) -> tuple[int, int]:
    """The refund rules, written once more as a table."""
    if charge_at == ChargeAt.ACCEPT:
        # Given back when it never left; an unknown fate keeps the charge.
        keeps = was_sent or state in (S.DELIVERED, S.HANDED_OVER, S.UNKNOWN)
    elif charge_at == ChargeAt.SUBMIT:
        keeps = was_sent or state in (S.DELIVERED, S.HANDED_OVER)
    else:
        keeps = state in (S.DELIVERED, S.HANDED_OVER)
    return PAID if keeps else FREE


@pytest.mark.parametrize(
    ("charge_at", "state", "was_sent"),
    list(product(ChargeAt, sorted(FINAL_STATES), [False, True])),
)
async def test_refund_rules(charge_at: ChargeAt, state: MessageState, was_sent: bool) -> None:
    world = await World.build(charge_at=charge_at)
    message = await world.accepted()
    if was_sent:
        world.wire.accept_all()
        await world.committed()
    else:
        world.wire.outstanding.clear()
    world.heart.fates.finish(message, state)
    await world.committed()
    assert world.spent() == expected(charge_at, state, was_sent)
    kept = world.spent() == PAID
    assert world.row(message).money == (MoneyState.CHARGED if kept else MoneyState.REFUNDED)


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
