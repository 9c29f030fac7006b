"""What an SMPP customer is owed: told once, kept while he is away, given up when it is too old."""

import pytest

from gateway.domain.commit_group import EventKind
from gateway.domain.declared import SmppCredentialSpec
from gateway.domain.errors import StoreUnavailable
from gateway.domain.lifecycle import MessageState, Notified
from gateway.domain.message import Message
from gateway.flow import notifications
from tests.support.heart import World, account_spec

S = MessageState
KEEP_S = 3 * 86_400


async def ended(world: World, count: int = 1) -> list[Message]:
    """Messages that have been delivered; what follows is the customer's."""
    messages = []
    for _ in range(count):
        message = await world.accepted()
        world.wire.receipt(world.wire.take())
        messages.append(message)
    await world.quiet()
    return messages


def bind(world: World) -> None:
    world.notifier.bound = True
    world.heart.notifications.room_changed(world.credential())


def keys(messages: list[Message]) -> list[int]:
    return [message.key for message in messages]


async def test_the_customer_is_told_and_the_row_remembers() -> None:
    world = await World.build()
    (message,) = await ended(world)
    assert world.notifier.told == [(message.key, S.DELIVERED)]
    assert world.row(message).notified == Notified.PENDING  # the mark rides along
    await world.committed()
    assert world.row(message).notified == Notified.DONE
    assert dict(world.heart.counters.notifications) == {("smpp", "delivered"): 1}


async def test_an_absent_customer_is_told_in_order_when_he_binds() -> None:
    world = await World.build()
    world.notifier.bound = False
    messages = await ended(world, 5)
    assert world.notifier.told == []
    bind(world)
    await world.committed()
    assert world.notifier.keys() == keys(messages)
    assert {world.row(m).notified for m in messages} == {Notified.DONE}


async def test_a_spent_window_holds_the_rest_back_in_order() -> None:
    world = await World.build()
    world.notifier.acknowledges = False
    world.notifier.window = 2
    messages = await ended(world, 6)
    assert world.notifier.keys() == keys(messages[:2])
    while world.notifier.outstanding:
        world.notifier.acknowledge()
    assert world.notifier.keys() == keys(messages)


async def test_one_customers_absence_hinders_no_other() -> None:
    world = await World.build(accounts=[account_spec("away"), account_spec("acme")])
    world.notifier.bound = False
    await world.accepted(account="away")
    world.wire.receipt(world.wire.take())
    await world.quiet()
    world.notifier.bound = True
    (message,) = await ended(world)
    assert world.notifier.keys() == [message.key]


async def test_a_temporary_error_is_offered_again_after_the_wait() -> None:
    world = await World.build()
    world.notifier.acknowledges = False
    first, second = await ended(world, 2)
    world.heart.notifications.postponed(world.notifier.outstanding.pop(0), 5.0)
    (third,) = await ended(world)
    assert world.notifier.keys() == keys([first, second])  # the credential waits as a whole
    world.heart.notifications.room_changed(world.credential())
    assert world.notifier.keys() == keys([first, second])
    await world.after(5.1)
    assert world.notifier.keys() == keys([first, second, first, third])
    assert world.heart.counters.notifications["smpp", "postponed"] == 1


async def test_a_lost_link_gives_back_and_the_next_one_gets_it() -> None:
    world = await World.build()
    world.notifier.acknowledges = False
    messages = await ended(world, 3)
    world.notifier.bound = False
    for message in reversed(world.notifier.outstanding):
        world.heart.notifications.postponed(message, 0.0)
    world.notifier.outstanding.clear()
    world.heart.notifications.room_changed(world.credential())
    assert len(world.notifier.told) == 3
    bind(world)
    assert world.notifier.keys()[3:] == keys(messages)


async def test_a_late_answer_spares_the_second_telling() -> None:
    world = await World.build()
    world.notifier.acknowledges = False
    (message,) = await ended(world)
    world.heart.notifications.postponed(message, 5.0)
    world.heart.notifications.notified(message)  # the first answer, late
    await world.after(6.0)
    assert len(world.notifier.told) == 1
    await world.committed()
    assert world.row(message).notified == Notified.DONE


async def test_an_unknown_that_becomes_known_while_it_waits_is_told_once() -> None:
    world = await World.build()
    message, id = await world.sent()
    world.notifier.bound = False
    world.notifier.acknowledges = False
    world.heart.fates.finish(message, S.UNKNOWN)
    await world.committed()
    world.wire.receipt(id)
    await world.committed()
    bind(world)
    assert world.notifier.told == [(message.key, S.DELIVERED)]


# --- restart and disk ---------------------------------------------------------------------------


async def test_after_a_restart_the_binding_customer_gets_what_he_is_owed() -> None:
    world = await World.build()
    world.notifier.bound = False
    messages = await ended(world, 4)
    world = await world.restarted()
    bind(world)
    await world.committed()
    assert world.notifier.told == [(key, S.DELIVERED) for key in keys(messages)]
    assert {world.row(m).notified for m in messages} == {Notified.DONE}


async def test_what_was_taken_before_the_restart_is_not_told_again() -> None:
    world = await World.build()
    await ended(world)
    await world.committed()
    world = await world.restarted()
    bind(world)
    await world.quiet()
    assert world.notifier.told == []


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "MOST_IN_MEMORY", 4)
    monkeypatch.setattr(notifications, "READ_AT_ONCE", 3)


@pytest.mark.usefixtures("small")
async def test_past_the_bound_the_rest_comes_from_disk_without_doubles() -> None:
    world = await World.build()
    world.notifier.bound = False
    messages = await ended(world, 17)
    bind(world)
    await world.after(1.0)
    assert sorted(world.notifier.keys()) == keys(messages)
    assert {world.row(m).notified for m in messages} == {Notified.DONE}


@pytest.mark.usefixtures("small")
async def test_the_bound_holds_for_what_is_offered_and_unanswered_too() -> None:
    world = await World.build()
    world.notifier.acknowledges = False
    messages = await ended(world, 9)
    assert len(world.notifier.outstanding) == 4
    while world.notifier.outstanding:
        world.notifier.acknowledge()
        await world.quiet()
    assert sorted(world.notifier.keys()) == keys(messages)


@pytest.mark.usefixtures("small")
async def test_an_end_with_an_older_key_is_not_left_behind_the_reader() -> None:
    """Messages do not end in the order of their keys."""
    world = await World.build()
    world.notifier.bound = False
    old = await world.accepted()
    old_id = world.wire.take()
    messages = await ended(world, 8)
    world.notifier.window = 0
    bind(world)
    await world.quiet()
    world.notifier.window = 5
    world.notifier.acknowledges = False
    bind(world)  # memory is told; the reader begins
    await world.quiet()
    world.wire.receipt(old_id)  # ends now: too many in memory, its key is behind the reader
    await world.quiet()
    world.notifier.window = 100
    while world.notifier.outstanding:
        world.notifier.acknowledge()
        await world.quiet()
    assert sorted(world.notifier.keys()) == keys([old, *messages])


async def test_an_unreadable_store_only_delays() -> None:
    world = await World.build()
    world.notifier.bound = False
    messages = await ended(world, 2)
    world = await world.restarted()
    world.store.unavailable = True
    bind(world)
    await world.quiet()
    world.store.unavailable = False
    await world.after(2.0)
    assert world.notifier.keys() == keys(messages)


async def test_nobody_is_told_from_disk_what_the_store_cannot_mark() -> None:
    """Or a crash would tell a whole backlog twice."""
    world = await World.build()
    world.notifier.bound = False
    messages = await ended(world, 2)
    world = await world.restarted()
    world.store.failures = [StoreUnavailable("disk full")] * 8
    world.submit()
    await world.quiet()
    assert not world.heart.journal.available
    bind(world)
    await world.quiet()
    assert world.notifier.keys() == []
    await world.after(30)
    assert world.notifier.keys() == keys(messages)


async def test_one_told_while_the_disk_is_read_is_not_told_again() -> None:
    world = await World.build()
    world.notifier.bound = False
    world = await world.restarted()
    world.store.slow_reads = True
    bind(world)  # the read of what an earlier run left begins
    await world.quiet()
    (message,) = await ended(world)
    world.store.slow_reads = False
    await world.committed()
    assert world.notifier.keys() == [message.key]


# --- age ----------------------------------------------------------------------------------------


async def test_what_nobody_fetched_in_time_is_given_up() -> None:
    world = await World.build()
    world.notifier.bound = False
    old = await ended(world, 2)
    await world.after(KEEP_S - 60)
    (young,) = await ended(world)
    await world.after(120)
    bind(world)
    await world.committed()
    assert world.notifier.keys() == [young.key]
    assert {world.row(m).notified for m in old} == {Notified.ABANDONED}
    assert world.kinds(old[0]) == [EventKind.NOTIFICATION_ABANDONED]
    assert world.heart.counters.notifications["smpp", "abandoned"] == 2


async def test_the_sweep_gives_up_on_disk_too() -> None:
    smpp = (SmppCredentialSpec(system_id="acme", password="secret", receipt_keep_s=3600),)
    world = await World.build(accounts=[account_spec(smpp=smpp)])
    world.notifier.bound = False
    (message,) = await ended(world)
    world = await world.restarted()
    world.notifier.bound = False
    sweep = world.supervisor.spawn(world.heart.notifications.sweep(), "sweep")
    await world.after(1200)
    assert world.row(message).notified == Notified.PENDING
    await world.after(3600)
    assert world.row(message).notified == Notified.ABANDONED
    assert not sweep.done()
    await world.supervisor.stop()


async def test_the_sweep_survives_an_unreadable_store() -> None:
    world = await World.build()
    sweep = world.supervisor.spawn(world.heart.notifications.sweep(), "sweep")
    world.store.unavailable = True
    await world.after(1300)
    assert not sweep.done()
    await world.supervisor.stop()
