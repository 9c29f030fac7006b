"""Killed in the middle: nothing accepted is lost, nothing is paid twice."""

import pytest

from gateway.domain.account import ChargeAt
from gateway.domain.lifecycle import MessageState, MoneyState
from gateway.domain.message import Opaque
from tests.support.heart import PRICE, World

S = MessageState


@pytest.mark.parametrize("charge_at", list(ChargeAt))
async def test_every_stage_goes_on_where_it_was(charge_at: ChargeAt) -> None:
    world = await World.build(charge_at=charge_at, windows=3)
    delivered, id = await world.sent()
    world.wire.receipt(id)
    await world.committed()
    sent, sent_id = await world.sent()
    answered = await world.accepted()
    answered_id = world.wire.take()  # its row may not get to the disk any more
    outstanding = await world.accepted()
    queued = [await world.accepted() for _ in range(5)]
    world = await world.restarted()
    is_known = world.state(answered) == S.SENT  # then its charge is on disk as well
    for id in (sent_id, answered_id):
        world.wire.receipt(id)
    ids = world.wire.accept_all()
    while ids:
        await world.after(0.01)
        for id in ids:
            world.wire.receipt(id)
        ids = world.wire.accept_all()
    await world.committed()
    everything = [delivered, sent, answered, outstanding, *queued]
    assert [world.state(m) for m in everything] == [S.DELIVERED] * 9
    assert sorted(world.wire.keys()) == [m.key for m in everything[3 if is_known else 2 :]]
    assert world.spent() == (9 * PRICE, 0)


async def test_what_was_not_on_disk_was_not_promised() -> None:
    world = await World.build()
    world.store.by_hand = True
    asked = world.submit()
    world.clock.turn()
    world.store.by_hand = False
    world = await world.restarted()
    assert asked.answers == []
    assert world.wire.submitted == []
    assert world.spent() == (0, 0)


async def test_keys_go_on_growing_when_the_clock_went_back() -> None:
    world = await World.build(are_up=False)
    before = await world.accepted()
    world.clock.step_back_ms = 3_600_000
    world = await world.restarted()
    assert (await world.accepted()).key > before.key


@pytest.mark.parametrize("charge_at", list(ChargeAt))
async def test_every_commit_is_a_safe_place_to_die(charge_at: ChargeAt) -> None:
    """One message's whole life, killed after each of its groups in turn."""
    groups = 0
    died = 1
    while died > groups:
        world = await World.build(charge_at=charge_at)
        groups += 1
        died = await _live(world, groups)
        for _ in range(2):
            world = await world.restarted()
            ids = world.wire.accept_all()
            for id in ids or ["carrier-1"]:
                world.wire.receipt(id)
            await world.committed()
        (row,) = world.store.rows.values()
        assert row.state == S.DELIVERED
        assert row.money == MoneyState.CHARGED
        assert world.spent() == (PRICE, 0)


async def _live(world: World, most_groups: int) -> int:
    """Accept, send, receipt, notify; stops once that many groups are on disk.  Returns how many are."""
    steps = (
        world.submit,
        lambda: world.wire.take(),
        lambda: world.wire.receipt("carrier-1"),
    )
    for step in steps:
        step()
        for _ in range(8):
            if len(world.store.groups) >= most_groups:
                return len(world.store.groups) + 1
            await world.after(0.005, steps=1)
    return most_groups


async def test_vendor_tlvs_beside_a_text_survive() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted("hello", opaque=Opaque(b"", 0, 0, b"\x14\0\0\x01x"))
    world = await world.restarted(are_up=True)
    [(again, _)] = world.wire.submitted
    assert again.key == message.key
    assert (again.text, again.opaque) == ("hello", Opaque(b"", 0, 0, b"\x14\0\0\x01x"))
