"""Sender ids from the request to the first message, and back."""

import asyncio
from typing import Any

import pytest

from gateway.domain.account import Account
from gateway.domain.errors import RefusalCode, StoreUnavailable
from gateway.domain.identity import Origin, SenderState, SenderVerification, StoredSender
from gateway.domain.lifecycle import NotifyWhen
from gateway.flow import senders as module
from gateway.flow.senders import SenderDecision, Senders
from gateway.ports import SenderVerdict
from tests.support.heart import World, account_spec

APPROVE, REJECT, VERIFY, REFUSE = SenderDecision


@pytest.fixture
async def world() -> World:
    return await World.build(
        accounts=[account_spec("acme"), account_spec("bolt", senders=("*",))], are_up=False
    )


@pytest.fixture
def senders(world: World) -> Senders:
    return world.heart.senders


@pytest.fixture
def acme(world: World) -> Account:
    return world.account("acme")


async def requested(senders: Senders, account: Account, name: str = "SHOP") -> StoredSender:
    row = await senders.request(account, name)
    assert row is not None
    return row


async def usable(senders: Senders, account: Account, name: str = "SHOP") -> StoredSender:
    row = await senders.decide(account, name, APPROVE, "")
    assert isinstance(row, StoredSender)
    assert row.may_send
    return row


def may_send(world: World, sender: str) -> bool:
    result = world.submit(sender=sender).result
    return getattr(result, "code", None) != RefusalCode.SENDER_NOT_ALLOWED


# --- the two stages -----------------------------------------------------------------------------


async def test_a_request_may_send_once_both_stages_said_yes(
    world: World, senders: Senders, acme: Account
) -> None:
    await requested(senders, acme)
    assert not may_send(world, "SHOP")
    row = await senders.decide(acme, "SHOP", APPROVE, "")
    assert isinstance(row, StoredSender)
    assert (row.state, row.verification) == (
        SenderState.APPROVED, SenderVerification.PENDING,
    )  # fmt: skip
    assert not may_send(world, "SHOP")
    await senders.decide(acme, "SHOP", VERIFY, "")
    assert may_send(world, "SHOP")
    await senders.decide(acme, "SHOP", REFUSE, "not registered")
    assert not may_send(world, "SHOP")
    await senders.decide(acme, "SHOP", VERIFY, "")
    await senders.decide(acme, "SHOP", REJECT, "complaints")
    assert not may_send(world, "SHOP")
    row = await senders.decide(acme, "SHOP", APPROVE, "")  # the provider's yes still stands
    assert isinstance(row, StoredSender)
    assert row.may_send


async def test_a_sender_of_the_operators_own_needs_no_second_word(
    world: World, senders: Senders, acme: Account
) -> None:
    await usable(senders, acme)
    assert may_send(world, "SHOP")


@pytest.mark.parametrize("decision", [REJECT, VERIFY, REFUSE])
async def test_only_approval_makes_a_sender(
    senders: Senders, acme: Account, decision: SenderDecision
) -> None:
    assert await senders.decide(acme, "SHOP", decision, "") is SenderVerdict.NOT_FOUND


@pytest.mark.parametrize("decision", [VERIFY, REFUSE])
async def test_the_provider_has_no_say_before_approval(
    senders: Senders, acme: Account, decision: SenderDecision
) -> None:
    await requested(senders, acme)
    assert await senders.decide(acme, "SHOP", decision, "") is SenderVerdict.NOT_VERIFIED
    await senders.decide(acme, "SHOP", REJECT, "")
    assert await senders.decide(acme, "SHOP", decision, "") is SenderVerdict.NOT_VERIFIED


async def test_senders_of_the_file_stay_the_files(senders: Senders, acme: Account) -> None:
    for decision in (REJECT, REFUSE):
        assert await senders.decide(acme, "ACME", decision, "") is SenderVerdict.DECLARED
    for decision in (APPROVE, VERIFY):
        row = await senders.decide(acme, "ACME", decision, "")
        assert isinstance(row, StoredSender)
        assert (row.origin, row.may_send) == (Origin.FILE, True)


async def test_a_name_is_taken_in_its_own_account_only(
    world: World, senders: Senders, acme: Account
) -> None:
    await requested(senders, acme)
    assert await senders.request(acme, "SHOP") is None
    assert await senders.request(acme, "ACME") is None
    assert await senders.request(world.account("bolt"), "SHOP") is not None


async def test_stages_survive_a_restart(world: World, senders: Senders, acme: Account) -> None:
    await requested(senders, acme)
    await usable(senders, acme, "NEWS")
    world = await world.restarted()
    assert (may_send(world, "SHOP"), may_send(world, "NEWS")) == (False, True)


# --- lists and the default ----------------------------------------------------------------------


async def shown(senders: Senders, account: Account) -> dict[str, bool]:
    return {row.name: row.is_default for row in await senders.list(account)}


async def test_the_files_first_sender_is_the_default_until_one_is_chosen(
    world: World, senders: Senders, acme: Account
) -> None:
    shop = await usable(senders, acme)
    assert await shown(senders, acme) == {"ACME": True, "SHOP": False}
    chosen = await senders.make_default(acme, shop.id)
    assert isinstance(chosen, StoredSender)
    assert (chosen.is_default, acme.default_sender) == (True, "SHOP")
    assert await shown(senders, acme) == {"ACME": False, "SHOP": True}
    world = await world.restarted()
    assert world.account("acme").default_sender == "SHOP"
    await world.heart.senders.decide(world.account("acme"), "SHOP", REFUSE, "")
    assert await shown(world.heart.senders, world.account("acme")) == {
        "ACME": True, "SHOP": False,
    }  # fmt: skip


async def test_any_sender_is_not_shown(world: World, senders: Senders) -> None:
    assert await shown(senders, world.account("bolt")) == {}


async def test_only_a_verified_sender_of_ones_own_can_be_the_default(
    world: World, senders: Senders, acme: Account
) -> None:
    pending = await requested(senders, acme)
    assert await senders.make_default(acme, pending.id) is SenderVerdict.NOT_VERIFIED
    others = await usable(senders, world.account("bolt"))
    assert await senders.make_default(acme, others.id) is SenderVerdict.NOT_FOUND
    assert await senders.make_default(acme, 404) is SenderVerdict.NOT_FOUND
    assert acme.default_sender == "ACME"


# --- counting -----------------------------------------------------------------------------------


async def count(senders: Senders, account: Account, name: str) -> int:
    return next(row.message_count for row in await senders.list(account) if row.name == name)


async def test_every_message_on_disk_is_counted_once(
    world: World, senders: Senders, acme: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COUNT_PAGE", 2)
    monkeypatch.setattr(module, "COUNT_PAUSE_S", 0)
    for _ in range(4):
        world.submit()
    await world.after(1.0)
    counting = asyncio.ensure_future(count(senders, acme, "ACME"))
    await world.after(1.0)
    assert await counting == 4
    assert await count(senders, acme, "ACME") == 4


async def test_what_is_purged_was_counted() -> None:
    world = await World.build(retention_days=0.01)
    _, id = await world.sent(notify_when=NotifyWhen.NEVER)
    world.wire.receipt(id)
    await world.after(3_600.0)
    await world.heart.maintenance.purge_once()
    assert world.store.rows == {}
    assert await count(world.heart.senders, world.account(), "ACME") == 1


# --- deleting -----------------------------------------------------------------------------------


async def delete(world: World, row: StoredSender) -> Any:
    """The verdict, once the journal had its time."""
    deleting = asyncio.ensure_future(world.heart.senders.delete(world.account("acme"), row.id))
    await world.after(1.0)
    assert deleting.done()
    return await deleting


@pytest.mark.parametrize("is_usable", [False, True])
async def test_an_unused_sender_is_deleted_for_good(
    world: World, senders: Senders, acme: Account, is_usable: bool
) -> None:
    row = await (usable if is_usable else requested)(senders, acme)
    assert await delete(world, row) is None
    assert not may_send(world, "SHOP")
    assert await shown(senders, acme) == {"ACME": True}
    assert await delete(world, row) is SenderVerdict.NOT_FOUND
    assert await senders.request(acme, "SHOP") is not None


async def test_what_is_not_deleted(world: World, senders: Senders, acme: Account) -> None:
    [declared] = await senders.list(acme)
    shop, used = await usable(senders, acme), await usable(senders, acme, "USED")
    others = await usable(senders, world.account("bolt"))
    await senders.make_default(acme, shop.id)
    world.submit(sender="USED")
    await world.after(1.0)
    assert await delete(world, declared) is SenderVerdict.DECLARED
    assert await delete(world, shop) is SenderVerdict.IS_DEFAULT
    assert await delete(world, used) is SenderVerdict.HAS_MESSAGES
    assert await delete(world, others) is SenderVerdict.NOT_FOUND
    assert may_send(world, "USED")


async def test_a_message_on_its_way_to_disk_keeps_its_sender(
    world: World, senders: Senders, acme: Account
) -> None:
    row = await usable(senders, acme)
    world.store.by_hand = True
    world.submit(sender="SHOP")
    await world.quiet()
    deleting = asyncio.ensure_future(senders.delete(acme, row.id))
    await world.quiet()
    assert not deleting.done()
    assert not may_send(world, "SHOP")  # until it is decided
    world.store.by_hand = False
    world.store.complete()
    await world.after(1.0)
    assert await deleting is SenderVerdict.HAS_MESSAGES
    assert may_send(world, "SHOP")


async def test_nothing_is_deleted_while_the_store_is_away(
    world: World, senders: Senders, acme: Account
) -> None:
    row = await usable(senders, acme)
    world.heart.journal.available = False
    with pytest.raises(StoreUnavailable):
        await senders.delete(acme, row.id)
    world.heart.journal.available = True
    assert may_send(world, "SHOP")
