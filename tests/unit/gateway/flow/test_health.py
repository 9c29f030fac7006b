"""A provider that throttles is slowed, one that fails everything is taken out and tried again."""

from gateway.domain.commit_group import EventKind
from gateway.domain.lifecycle import MessageState
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.policy.breaker import FIRST_PAUSE_S, Circuit
from tests.support.heart import NEVER, World, provider_spec

S = MessageState
BUSY = Deferred("busy")
SLOW_DOWN = Deferred("throttled", throttled=True)
SILENCE = Unknown("no answer in time", silent=True)


async def broken(outcome: Outcome = SILENCE, **fields: object) -> World:
    """Two providers; the first has failed so often that it is out."""
    world = await World.build(
        providers=[provider_spec("one", breaker=3, **fields), provider_spec("two")]
    )
    for _ in range(3):
        await world.accepted(notify_when=NEVER)
    for _ in range(3):
        world.wires["one"].answer(outcome)
        await world.quiet()
    return world


async def test_failures_in_a_row_open_the_circuit_and_traffic_takes_the_next_tier() -> None:
    world = await broken()
    assert world.lane("one").breaker.circuit is Circuit.OPEN
    assert world.heart.counters.circuits_opened == {"one": 1}
    before = len(world.wires["one"].submitted)
    message = await world.accepted()
    await world.after(0.01)
    assert world.wires["two"].keys()[-1] == message.key
    assert len(world.wires["one"].submitted) == before


async def test_not_now_from_everybody_opens_it_too() -> None:
    assert (await broken(BUSY)).lane("one").breaker.circuit is Circuit.OPEN


async def test_a_refusal_or_a_throttle_shows_a_provider_that_works() -> None:
    for outcome in (Refused("no"), SLOW_DOWN, Sent("x")):
        world = await World.build(providers=[provider_spec("one", breaker=2)], windows=10)
        for answer in (BUSY, outcome, BUSY):
            await world.accepted(notify_when=NEVER)
            await world.after(2.0)
            world.wire.answer(answer)
            await world.quiet()
        assert world.lane("one").breaker.circuit is Circuit.CLOSED, outcome


async def test_lost_links_do_not_open_it() -> None:
    world = await World.build(providers=[provider_spec("one", breaker=2)])
    for _ in range(10):
        await world.accepted()
    world.wire.go_down(Unknown("link lost"))
    world.wire.come_up()
    await world.quiet()
    assert len(world.wire.submitted) == 20  # all of them once more, at once


async def test_after_the_pause_one_message_decides() -> None:
    world = await broken()
    one = world.wires["one"]
    before = len(one.submitted)
    await world.after(FIRST_PAUSE_S + 0.1)
    assert world.lane("one").breaker.circuit is Circuit.HALF_OPEN
    probes = [await world.accepted(notify_when=NEVER) for _ in range(4)]
    await world.after(0.01)
    assert one.keys()[before:] == [probes[0].key]  # the others went to the next tier
    one.take()
    await world.quiet()
    assert world.lane("one").breaker.circuit is Circuit.CLOSED
    message = await world.accepted()
    assert one.keys()[-1] == message.key


async def test_a_probe_that_fails_takes_it_out_for_longer() -> None:
    world = await broken()
    one = world.wires["one"]
    await world.after(FIRST_PAUSE_S + 0.1)
    await world.accepted()
    one.answer(SILENCE)
    await world.after(FIRST_PAUSE_S + 0.1)
    assert world.lane("one").breaker.circuit is Circuit.OPEN
    await world.after(FIRST_PAUSE_S)
    assert world.lane("one").breaker.circuit is Circuit.HALF_OPEN


async def test_without_another_provider_messages_wait_and_nothing_is_lost() -> None:
    world = await World.build(providers=[provider_spec("one", breaker=3)], windows=5)
    for _ in range(50):
        world.submit(notify_when=NEVER)
    await world.quiet()
    for _ in range(5):
        world.wire.answer(SILENCE)
    await world.quiet()
    assert world.wire.outstanding == []
    assert world.heart.dispatcher.waiting_for_any() == 50
    world.wire.take_everything()
    await world.after(60.0, steps=200)
    assert {row.state for row in world.store.rows.values()} == {S.HANDED_OVER}
    assert world.lane("one").breaker.circuit is Circuit.CLOSED


async def test_zero_switches_it_off() -> None:
    world = await World.build(providers=[provider_spec("one", breaker=0)])
    for _ in range(40):
        await world.accepted()
    for _ in range(40):
        world.wire.answer(BUSY)
    assert world.lane("one").breaker.may_send


async def test_throttling_halves_the_window_and_answers_open_it_again() -> None:
    world = await World.build(windows=10)
    for _ in range(200):
        world.submit(notify_when=NEVER)
    await world.quiet()
    assert len(world.wire.outstanding) == 10
    world.wire.answer(SLOW_DOWN)
    assert not world.lane().is_strained  # one in ten: it is about that number
    world.wire.answer(SLOW_DOWN)
    world.wire.accept_all()
    await world.after(1.0)
    assert 5 <= len(world.wire.outstanding) <= 7  # half, and what the answers won back
    world.wire.take_everything()
    world.wire.accept_all()
    await world.after(60.0, steps=200)
    assert world.lane().window.limit is None
    await world.accepted(notify_when=NEVER)  # the pace recovers when it is asked
    assert not world.lane().is_strained
    assert {row.state for row in world.store.rows.values()} == {S.HANDED_OVER}


async def test_a_throttle_is_on_the_timeline_once() -> None:
    world = await World.build()
    message = await world.accepted(notify_when=NEVER)
    for _ in range(3):
        world.wire.answer(SLOW_DOWN)
        await world.after(10.0)
    world.wire.take()
    await world.committed()
    assert world.kinds(message) == [EventKind.THROTTLED]
    assert world.row(message).error == ""


async def test_a_shrunk_window_lets_the_one_request_of_a_link_on_trial_pass() -> None:
    """Such a wire has room for one and nothing in flight, whatever its window."""
    world = await World.build(windows=50)
    world.lane().window.limit = 2
    world.lane().note_strain()
    world.wire.room = lambda: 1 - len(world.wire.outstanding)  # type: ignore[method-assign]
    for _ in range(3):
        await world.accepted(notify_when=NEVER)
    assert len(world.wire.outstanding) == 1
    world.wire.take()
    await world.quiet()
    assert len(world.wire.submitted) == 2
