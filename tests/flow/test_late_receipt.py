"""The receipt comes after the window: the fate is set right, the money stays where it is."""

import pytest

from gateway.domain.account import ChargeAt
from gateway.domain.lifecycle import MessageState
from tests.support.heart import PRICE, World

DAY_S = 86_400


@pytest.mark.parametrize(
    ("charge_at", "spent"),
    [(ChargeAt.ACCEPT, PRICE), (ChargeAt.SUBMIT, PRICE), (ChargeAt.DELIVERY, 0)],
)
@pytest.mark.parametrize("late", [MessageState.DELIVERED, MessageState.FAILED])
async def test_unknown_becomes_what_it_says(
    charge_at: ChargeAt, spent: int, late: MessageState
) -> None:
    world = await World.build(charge_at=charge_at)
    message, id = await world.sent()
    services = world.heart.maintenance
    world.supervisor.spawn(services.close_receipt_windows(), "windows")
    await world.after(3 * DAY_S + 120, steps=50)
    assert world.state(message) == MessageState.UNKNOWN
    world.wire.receipt(id, late)
    await world.committed()
    assert world.state(message) == late
    assert world.spent() == (spent, 0)
    assert world.notifier.told == [(message.key, MessageState.UNKNOWN), (message.key, late)]
    await world.supervisor.stop()
