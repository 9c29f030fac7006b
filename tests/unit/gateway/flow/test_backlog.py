"""What waits in memory and what on disk: bounded, in order, nobody twice, nobody lost."""

from gateway.domain.lifecycle import MessageState
from gateway.domain.outcome import Deferred
from gateway.flow.backlog import AHEAD_MS
from tests.support.heart import NEVER, World, account_spec, provider_spec

S = MessageState
DAY_MS = 86_400_000


async def overflowing(messages: int, *, max_ready: int = 10, **world: object) -> World:
    """All providers down, more waiting than memory takes."""
    built = await World.build(max_ready=max_ready, are_up=False, **world)  # type: ignore[arg-type]
    for _ in range(messages):
        built.submit(notify_when=NEVER)
    await built.quiet()
    return built


async def let_all_go(world: World) -> list[int]:
    """The providers take everything; keys in the order they left."""
    world.wire.take_everything()
    world.wire.come_up()
    await world.after(2.0, steps=20)
    return world.wire.keys()


async def test_memory_is_bounded_per_account_and_class() -> None:
    world = await overflowing(50)
    assert world.waiting() == {(1, 1): (5, True)}  # with nobody to take them, half of the bound
    assert len(world.heart.backlogs.live) == 5
    await world.accepted(priority=3)
    assert world.waiting()[1, 3] == (1, False)


async def test_what_overflowed_leaves_in_order_and_once() -> None:
    world = await overflowing(57)
    assert await let_all_go(world) == sorted(world.store.rows)
    assert {row.state for row in world.store.rows.values()} == {S.HANDED_OVER}
    assert world.waiting() == {(1, 1): (0, False)}


async def test_memory_stays_bounded_while_it_is_refilled() -> None:
    world = await overflowing(60)
    world.wire.window = 1
    world.wire.come_up()
    for _ in range(60):
        await world.after(0.001)
        count, _ = world.waiting()[1, 1]
        assert count <= 10
        world.wire.accept_all()
    await world.after(1.0)
    assert world.wire.keys() == sorted(world.store.rows)


async def test_once_the_disk_has_no_more_messages_go_straight_again() -> None:
    world = await overflowing(30)
    await let_all_go(world)
    asked = world.submit(notify_when=NEVER)
    world.clock.turn()  # without any task having had its turn
    assert world.wire.keys()[-1] == asked.message.key


async def test_a_message_that_comes_while_the_last_are_read_is_not_left_behind() -> None:
    world = await overflowing(12)
    world.store.slow_reads = True
    world.wire.take_everything()
    world.wire.come_up()
    await world.quiet()
    late = await world.accepted(notify_when=NEVER)  # stays on disk: the read has its snapshot
    world.store.slow_reads = False
    await world.after(1.0)
    assert world.wire.keys() == sorted(world.store.rows)
    assert world.wire.keys()[-1] == late.key


async def test_a_row_that_left_while_it_was_read_is_not_sent_again() -> None:
    world = await overflowing(10, max_ready=4, windows=2)
    backlogs = world.heart.backlogs
    backlogs.of(next(iter(backlogs.live.values()))).cursor = (0, 0)  # as after a restart
    world.store.slow_reads = True
    world.wire.come_up()
    await world.quiet()  # half of memory is with the provider: a read has its snapshot
    world.wire.accept_all()
    await world.after(0.1)  # they have left, and are on disk as such
    world.store.slow_reads = False
    world.wire.take_everything()
    world.wire.accept_all()
    await world.after(1.0)
    assert world.wire.keys() == sorted(world.store.rows)


async def test_a_dropped_message_that_is_due_earlier_turns_the_reader_back() -> None:
    """A scheduled message must not move the cursor past those that are due before it."""
    world = await overflowing(10)
    soon = await world.accepted(due_at_ms=world.clock.now_ms() + 30_000, notify_when=NEVER)
    now = await world.accepted(notify_when=NEVER)
    keys = await let_all_go(world)
    assert now.key in keys
    assert soon.key not in keys
    await world.after(31.0)
    assert world.wire.keys()[-1] == soon.key
    assert len(world.wire.keys()) == 12


async def test_a_message_dropped_behind_a_running_read_is_found() -> None:
    world = await overflowing(20, max_ready=4)
    world.store.slow_reads = True
    world.wire.take_everything()
    world.wire.come_up()
    await world.quiet()
    early = world.clock.now_ms() - 60_000
    behind = await world.accepted(due_at_ms=early, notify_when=NEVER)
    world.store.slow_reads = False
    await world.after(2.0, steps=20)
    assert behind.key in [message.key for message, _ in world.wire.submitted]
    assert sorted(world.wire.keys()) == sorted(world.store.rows)


async def test_an_unreadable_store_only_delays() -> None:
    world = await overflowing(30)
    world.wire.take_everything()
    world.wire.come_up()
    world.store.unavailable = True
    await world.after(5.0)
    assert 0 < len(world.wire.keys()) < 30
    world.store.unavailable = False
    await world.after(10.0, steps=20)
    assert world.wire.keys() == sorted(world.store.rows)


# --- the bound over all -------------------------------------------------------------------------


async def test_one_customers_full_memory_does_not_strand_another() -> None:
    world = await World.build(
        accounts=[account_spec("bulk"), account_spec("acme")], max_in_memory=20, are_up=False
    )
    for _ in range(20):
        world.submit(account="bulk", notify_when=NEVER)
    await world.quiet()
    message = await world.accepted(notify_when=NEVER)
    assert len(world.heart.backlogs.live) == 20
    world.wire.window = 1
    world.wire.come_up()
    world.wire.take()  # one of bulk's leaves: there is room
    await world.quiet()
    assert message.key in world.heart.backlogs.live
    world.wire.take_everything()
    world.wire.accept_all()
    await world.after(1.0)
    assert sorted(world.wire.keys()) == sorted(world.store.rows)


async def test_several_stranded_classes_are_all_fed_in_the_end() -> None:
    world = await World.build(max_in_memory=3, are_up=False)
    for priority in (0, 1, 2, 3, 0, 1, 2, 3):
        world.submit(priority=priority, notify_when=NEVER)
    await world.quiet()
    keys = await let_all_go(world)
    assert sorted(keys) == sorted(world.store.rows)


# --- scheduled ----------------------------------------------------------------------------------


async def test_what_is_scheduled_far_ahead_waits_on_disk_and_hinders_nobody() -> None:
    world = await World.build(max_ready=10)
    due = world.clock.now_ms() + 3 * DAY_MS
    expires = due + DAY_MS
    later = [
        (await world.accepted(due_at_ms=due + n, expires_at_ms=expires, notify_when=NEVER)).key
        for n in range(25)
    ]
    assert world.heart.backlogs.live == {}
    now = await world.accepted(notify_when=NEVER)
    assert world.wire.keys() == [now.key]
    world.wire.take_everything()
    world.wire.accept_all()
    await world.after(3 * 86_400 - 1, steps=100)
    assert world.wire.keys() == [now.key]
    await world.after(2.0, steps=40)
    assert world.wire.keys() == [now.key, *later]
    assert world.waiting() == {(1, 1): (0, False)}


async def test_an_earlier_schedule_moves_the_reader_forward() -> None:
    world = await World.build()
    world.wire.take_everything()
    now_ms = world.clock.now_ms()
    second = await world.accepted(due_at_ms=now_ms + 7_200_000, notify_when=NEVER)
    first = await world.accepted(due_at_ms=now_ms + 3_600_000, notify_when=NEVER)
    await world.after(3_590, steps=50)
    await world.after(11)
    assert world.wire.keys() == [first.key]
    await world.after(3_590, steps=50)
    await world.after(11)
    assert world.wire.keys() == [first.key, second.key]


async def test_what_is_due_within_the_horizon_waits_in_memory() -> None:
    world = await World.build()
    message = await world.accepted(due_at_ms=world.clock.now_ms() + AHEAD_MS)
    assert list(world.heart.backlogs.live) == [message.key]


async def test_scheduled_rows_survive_a_restart() -> None:
    world = await World.build()
    due = world.clock.now_ms() + DAY_MS
    message = await world.accepted(due_at_ms=due, notify_when=NEVER)
    world = await world.restarted()
    world.wire.take_everything()
    await world.after(86_399, steps=50)
    assert world.wire.keys() == []
    await world.after(2)
    assert world.wire.keys() == [message.key]


# --- restart ------------------------------------------------------------------------------------


async def test_after_a_restart_every_class_is_read_from_its_beginning() -> None:
    world = await overflowing(25)
    for priority in (0, 2, 3):
        world.submit(priority=priority, notify_when=NEVER)
    await world.quiet()
    world = await world.restarted()
    keys = await let_all_go(world)
    assert sorted(keys) == sorted(world.store.rows)
    assert keys[0] == max(world.store.rows)  # the urgent one first


async def test_new_messages_stay_behind_those_of_before_the_restart() -> None:
    world = await overflowing(25)
    world = await world.restarted()
    new = await world.accepted(notify_when=NEVER)
    keys = await let_all_go(world)
    assert keys == sorted(world.store.rows)
    assert keys[-1] == new.key


async def test_retries_keep_their_place_in_the_count() -> None:
    world = await World.build(providers=[provider_spec(retry_s=(1,) * 9)])
    await world.accepted()
    for _ in range(3):
        assert world.waiting()[1, 1] == (0, False)
        world.wire.answer(Deferred("busy"))
        assert world.waiting()[1, 1] == (1, False)
        await world.after(1.1)
    world.wire.take()
    assert world.waiting()[1, 1] == (0, False)
    assert world.heart.backlogs.live == {}


async def test_room_counts_what_waits_and_what_is_stranded() -> None:
    world = await World.build(are_up=False)
    backlogs = world.heart.backlogs
    assert backlogs.room(1, 1, 5) == 5
    for _ in range(3):
        await world.accepted()
    assert backlogs.room(1, 1, 5) == 2
    assert backlogs.room(1, 1, 2) == 0
    assert backlogs.room(1, 0, 5) == 5  # another class


async def test_there_is_no_room_before_what_is_on_disk() -> None:
    world = await overflowing(20)
    assert world.heart.backlogs.room(1, 1, 1_000) == 0


async def test_room_ends_where_all_memory_does() -> None:
    world = await World.build(are_up=False, max_in_memory=4)
    for _ in range(3):
        await world.accepted()
    assert world.heart.backlogs.room(1, 0, 5) == 1
