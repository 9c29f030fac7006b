"""Receipts that say "unknown", and errors of attempts that a later one made good."""

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.domain.outcome import Deferred
from tests.support.heart import World

S = MessageState


async def reported(world: World, id: str, state: MessageState, error: str = "") -> None:
    world.wire.receipt(id, state, error)
    await world.committed()


def stat(world: World, message: Message) -> tuple[int, str]:
    row = world.row(message)
    return row.state, row.error


async def test_a_provider_that_did_not_know_may_still_find_out() -> None:
    world = await World.build()
    message, id = await world.sent()
    await reported(world, id, S.UNKNOWN)
    assert stat(world, message)[0] == S.UNKNOWN
    await reported(world, id, S.DELIVERED)
    assert stat(world, message)[0] == S.DELIVERED
    await reported(world, id, S.FAILED, "001")
    assert stat(world, message) == (S.DELIVERED, "")


async def test_a_provider_that_repeats_that_it_does_not_know_changes_nothing() -> None:
    world = await World.build()
    message, id = await world.sent()
    await reported(world, id, S.UNKNOWN)
    before = world.row(message).final_at_ms
    await reported(world, id, S.UNKNOWN)
    assert world.row(message).final_at_ms == before


async def test_a_part_that_was_unknown_may_still_arrive() -> None:
    world = await World.build()
    message = await world.accepted("x" * 161)
    first, second = world.wire.accept_all()
    await world.committed()
    await reported(world, first, S.UNKNOWN)
    await reported(world, second, S.DELIVERED)
    assert stat(world, message)[0] == S.UNKNOWN
    await reported(world, first, S.DELIVERED)
    assert stat(world, message)[0] == S.DELIVERED


async def test_a_delivered_message_shows_no_error_of_earlier_attempts() -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.answer(Deferred("045"))
    assert message.error == "045"
    # A receipt may come where no answer did.
    world.heart.fates.finish(message, S.DELIVERED)
    await world.committed()
    assert stat(world, message) == (S.DELIVERED, "")
