"""It left and no answer came: sent again, or held, as the provider's policy says."""

from gateway.domain.lifecycle import MessageState
from gateway.domain.outcome import Unknown
from tests.support.heart import PRICE, World, provider_spec


async def test_resend_may_send_twice_and_charges_once() -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.go_down(Unknown("link lost"))
    world.wire.come_up()
    await world.quiet()
    assert world.wire.keys() == [message.key, message.key]
    world.wire.receipt(world.wire.take())
    await world.committed()
    assert world.state(message) == MessageState.DELIVERED
    assert world.spent() == (PRICE, 0)


async def test_hold_sends_once_even_across_a_crash() -> None:
    world = await World.build(providers=[provider_spec(unknown="hold")])
    message = await world.accepted()
    assert world.wire.keys() == [message.key]
    world = await world.restarted()  # while the answer was due
    await world.after(3600)
    assert world.wire.keys() == []
    assert world.state(message) == MessageState.ATTEMPTED
    await world.after(3 * 86_400)
    await world.heart.maintenance.close_receipt_windows_once()
    await world.committed()
    assert world.state(message) == MessageState.UNKNOWN
    assert world.spent() == (PRICE, 0)
