"""What no message triggers: validity, receipt windows, retention."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.domain.account import ChargeAt
from gateway.domain.commit_group import EventKind, ParkedReceipt, StoredMessage
from gateway.domain.errors import StoreUnavailable
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import IdempotencyKey, Message, StoredAnswer
from gateway.domain.outcome import Unknown
from gateway.flow import maintenance
from gateway.flow.dispatcher import Dispatcher
from gateway.flow.maintenance import DEFAULT_WINDOW_MS, ReceiptWindows
from tests.support.clock import settle
from tests.support.heart import NEVER, PRICE, World, provider_spec

S = MessageState
DAY_S = 86_400
WINDOW_S = 3 * DAY_S


async def expire(world: World) -> None:
    await world.heart.maintenance.expire_once()
    await world.quiet()


async def close_windows(world: World) -> None:
    await world.heart.maintenance.close_receipt_windows_once()
    await world.quiet()


# --- validity -----------------------------------------------------------------------------------


async def short_lived(world: World, **fields: Any) -> Message:
    return await world.accepted(expires_at_ms=world.clock.now_ms() + 60_000, **fields)


async def test_what_waits_in_memory_expires() -> None:
    world = await World.build(are_up=False)
    message = await short_lived(world)
    await world.after(59)
    await expire(world)
    assert world.state(message) == S.QUEUED
    await world.after(1)
    await expire(world)
    assert message.state == world.state(message) == S.EXPIRED
    assert world.kinds(message) == [EventKind.EXPIRED]
    assert world.spent() == (0, 0)
    assert world.notifier.told == [(message.key, S.EXPIRED)]
    assert world.heart.backlogs.live == {}


async def test_what_has_expired_is_not_sent_when_a_link_comes_up() -> None:
    world = await World.build(are_up=False)
    await short_lived(world)
    await world.after(60)
    await expire(world)
    world.wire.come_up()
    await world.quiet()
    assert world.wire.submitted == []


async def test_what_waits_on_disk_only_expires() -> None:
    world = await World.build(are_up=False, max_ready=2)
    messages = [await short_lived(world) for _ in range(5)]
    assert len(world.heart.backlogs.live) == 1
    await world.after(60)
    await expire(world)
    await world.quiet()
    assert [world.state(m) for m in messages] == [S.EXPIRED] * 5
    assert world.spent() == (0, 0)
    assert sorted(world.notifier.keys()) == [m.key for m in messages]


async def test_what_is_with_a_provider_does_not_expire() -> None:
    world = await World.build()
    message = await short_lived(world)
    await world.after(60)
    await expire(world)
    assert world.state(message) == S.QUEUED
    world.wire.take()
    await world.committed()
    assert world.state(message) == S.SENT


async def test_what_was_sent_while_the_rows_were_read_does_not_expire() -> None:
    world = await World.build(are_up=False)
    message = await short_lived(world)
    await world.after(30)
    world.wire.take_everything()
    world.store.slow_reads = True
    world.clock.step_back_ms = -40_000  # its validity is over for the reader
    reading = world.supervisor.spawn(world.heart.maintenance.expire_once(), name="expire")
    await settle()
    world.clock.step_back_ms = 0
    world.wire.come_up()
    await world.committed()
    world.store.slow_reads = False
    await reading
    await world.committed()
    assert world.state(message) == S.SENT


async def test_more_than_one_page_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PAGE", 2)
    world = await World.build(are_up=False)
    messages = [await short_lived(world) for _ in range(5)]
    await world.after(60)
    await expire(world)
    assert [world.state(m) for m in messages] == [S.EXPIRED] * 5


async def test_the_service_goes_on_when_the_store_comes_back() -> None:
    world = await World.build(are_up=False)
    message = await short_lived(world)
    world.supervisor.spawn(world.heart.maintenance.expire(), name="expire")
    await world.after(60)
    world.store.unavailable = True
    await world.after(10)
    world.store.unavailable = False
    await world.after(10)
    assert world.state(message) == S.EXPIRED
    await world.supervisor.stop()


async def read_only(world: World) -> None:
    """Writes fail from now on and reads work, as on a full disk."""
    world.store.failures = [StoreUnavailable("disk full")] * 100
    world.submit()
    await world.quiet()
    assert not world.heart.journal.available


async def test_nothing_expires_that_the_store_cannot_keep() -> None:
    """Or a full disk would fill the memory with what expires meanwhile."""
    world = await World.build(are_up=False)
    message = await short_lived(world)
    await world.after(60)
    await read_only(world)
    with pytest.raises(StoreUnavailable):
        await world.heart.maintenance.expire_once()
    assert message.state == S.QUEUED


async def test_no_window_closes_that_the_store_cannot_keep() -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.accept_all()
    await world.committed()
    world.clock.advance(DEFAULT_WINDOW_MS / 1000 + 60)
    await read_only(world)
    with pytest.raises(StoreUnavailable):
        await world.heart.maintenance.close_receipt_windows_once()
    assert message.state == S.SENT
    world.store.failures = []
    await world.after(5)
    await world.heart.maintenance.close_receipt_windows_once()
    assert message.state == S.UNKNOWN


# --- receipt windows ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charge_at", "spent"),
    [(ChargeAt.ACCEPT, PRICE), (ChargeAt.SUBMIT, PRICE), (ChargeAt.DELIVERY, 0)],
)
async def test_without_a_receipt_in_time_the_fate_is_unknown(
    charge_at: ChargeAt, spent: int
) -> None:
    world = await World.build(charge_at=charge_at)
    message, _ = await world.sent()
    await world.after(WINDOW_S - 10)
    await close_windows(world)
    assert world.state(message) == S.SENT
    await world.after(11)
    await close_windows(world)
    assert world.state(message) == S.UNKNOWN
    assert world.spent() == (spent, 0)
    assert world.notifier.told == [(message.key, S.UNKNOWN)]


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_receipt_after_the_window_still_tells_the_fate(is_restarted: bool) -> None:
    world = await World.build()
    message, id = await world.sent()
    if is_restarted:
        world = await world.restarted()
    await world.after(WINDOW_S + 1)
    await close_windows(world)
    before = world.spent()
    world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.wire.receipts == {id: True}
    assert world.spent() == before
    assert EventKind.LATE_RECEIPT in world.kinds(message)


async def test_a_message_whose_provider_is_gone_waits_for_the_longest_window() -> None:
    slow = provider_spec("slow", receipt_window_s=5 * DAY_S)
    world = await World.build(providers=[provider_spec(), slow])
    message, _ = await world.sent()
    del world.heart.dispatcher.lanes[1]
    await world.after(4 * DAY_S)
    await close_windows(world)
    assert world.state(message) == S.SENT
    await world.after(1 * DAY_S + 60)
    await close_windows(world)
    assert world.state(message) == S.UNKNOWN


async def test_each_provider_has_its_own_window() -> None:
    specs = [
        provider_spec("slow", receipt_window_s=5 * DAY_S),
        provider_spec("fast", receipt_window_s=DAY_S),
    ]
    world = await World.build(providers=specs)
    slow, _ = await world.sent()
    world.wires["slow"].go_down()
    fast = await world.accepted()
    world.wires["fast"].take()
    await world.committed()
    await world.after(DAY_S + 60)
    await close_windows(world)
    assert world.state(slow) == S.SENT
    assert world.state(fast) == S.UNKNOWN
    await world.after(4 * DAY_S)
    await close_windows(world)
    assert world.state(slow) == S.UNKNOWN


async def test_the_window_begins_when_it_was_sent_not_when_it_was_accepted() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted(expires_at_ms=world.clock.now_ms() + 10 * DAY_S * 1000)
    await world.after(2 * DAY_S)
    world.wire.take_everything()
    world.wire.come_up()
    await world.committed()
    await world.after(WINDOW_S - 60)
    await close_windows(world)  # its key is past the window, it is not: the heap remembers it
    assert world.state(message) == S.SENT
    await world.after(61)
    await close_windows(world)
    assert world.state(message) == S.UNKNOWN


async def test_what_waits_in_the_heap_survives_a_failed_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await World.build(are_up=False)
    message = await world.accepted(expires_at_ms=world.clock.now_ms() + 10 * DAY_S * 1000)
    await world.after(2 * DAY_S)
    world.wire.take_everything()
    world.wire.come_up()
    await world.committed()
    await world.after(WINDOW_S - 60)
    await close_windows(world)
    await world.after(61)

    async def unreadable(_key: int) -> None:
        raise StoreUnavailable("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "message", unreadable)
        with pytest.raises(StoreUnavailable):
            await close_windows(world)
    await close_windows(world)
    assert world.state(message) == S.UNKNOWN


async def test_an_attempt_nobody_answered_ends_as_unknown() -> None:
    world = await World.build(providers=[provider_spec(unknown="hold")])
    message = await world.accepted()
    assert world.state(message) == S.ATTEMPTED
    world = await world.restarted()
    await world.after(WINDOW_S + 60)
    await close_windows(world)
    assert world.state(message) == S.UNKNOWN


async def test_an_attempt_that_is_still_under_way_has_no_window() -> None:
    world = await World.build(providers=[provider_spec(unknown="hold", receipt_window_s=60)])
    message = await world.accepted()
    await world.after(100)
    await close_windows(world)
    assert world.state(message) == S.ATTEMPTED
    world.wire.take()
    await world.committed()
    assert world.state(message) == S.SENT


async def test_a_receipt_that_comes_while_the_window_closes_meets_the_same_message() -> None:
    world = await World.build()
    message, id = await world.sent()
    world = await world.restarted()
    await world.after(WINDOW_S + 1)
    world.store.by_hand = True
    await close_windows(world)
    world.wire.receipt(id)  # the row still says SENT
    await world.quiet()
    world.store.by_hand = False
    world.store.complete()
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.store.state_conflicts == 0


async def test_a_receipt_on_its_way_to_disk_is_not_overtaken() -> None:
    world = await World.build()
    message, id = await world.sent()
    await world.after(WINDOW_S + 1)
    world.store.by_hand = True
    world.wire.receipt(id)
    await world.quiet()
    await close_windows(world)  # the row still says SENT
    assert message.state == S.DELIVERED
    world.store.by_hand = False
    world.store.complete()
    await world.after(120)
    await close_windows(world)
    assert world.state(message) == S.DELIVERED


@pytest.mark.parametrize("text", ["hello", "a" * 307])
async def test_what_waited_longer_than_the_window_has_its_own_when_it_is_sent(text: str) -> None:
    world = await World.build(providers=[provider_spec(receipt_window_s=60)], are_up=False)
    message = await world.accepted(text)
    for _ in range(5):
        await world.after(60.0)
        await close_windows(world)
    world.wire.come_up()
    await world.quiet()
    (id, *_) = world.wire.accept_all()
    await world.committed()
    await close_windows(world)
    assert world.state(message) == S.SENT
    await world.after(61.0)
    await close_windows(world)
    await world.committed()
    assert world.state(message) == S.UNKNOWN
    world.wire.receipt(id, S.FAILED, "001")
    await world.committed()
    assert world.state(message) == S.FAILED


async def test_a_held_message_that_waited_longer_than_the_window_ends_after_it() -> None:
    world = await World.build(
        providers=[provider_spec(unknown="hold", receipt_window_s=60)], are_up=False
    )
    message = await world.accepted()
    await world.after(600.0)
    await close_windows(world)
    world.wire.come_up()
    await world.after(0.01)
    world.wire.answer(Unknown("no answer"))
    await world.committed()
    await close_windows(world)
    assert world.state(message) == S.ATTEMPTED
    await world.after(61.0)
    await close_windows(world)
    await world.committed()
    assert world.state(message) == S.UNKNOWN


async def test_rows_older_than_the_retention_are_looked_at_after_a_restart() -> None:
    world = await World.build(providers=[provider_spec(receipt_window_s=60)], retention_days=1)
    message, _ = await world.sent()
    world.clock.advance(3 * 86_400)
    world = await world.restarted()
    await close_windows(world)
    await world.committed()
    assert world.state(message) == S.UNKNOWN


async def test_years_without_a_message_are_not_walked_hour_by_hour() -> None:
    world = await World.build(providers=[provider_spec(receipt_window_s=60)])
    looks = 0
    in_flight = world.store.in_flight

    async def counted(*args: Any) -> list[StoredMessage]:
        nonlocal looks
        looks += 1
        return await in_flight(*args)

    world.store.in_flight = counted  # type: ignore[method-assign]
    await close_windows(world)
    assert looks == 0, "the store is empty"
    await world.sent()
    world.clock.advance(300 * 86_400)
    message, _ = await world.sent()
    world = await world.restarted()
    await world.after(120.0)
    await close_windows(world)
    await world.committed()
    assert world.state(message) == S.UNKNOWN
    assert looks <= 4


async def test_late_receipts_of_many_are_not_in_the_way_of_those_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maintenance, "AWAITED_AT_ONCE", 5)
    world = await World.build(providers=[provider_spec(receipt_window_s=60)])
    sent = [await world.sent() for _ in range(20)]
    for _ in range(10):
        await world.after(60.0)
        await close_windows(world)
        await world.committed()
    assert {row.state for row in world.store.rows.values()} == {S.UNKNOWN}
    assert not world.lane().awaiting, "memory has let them go"
    world.wire.receipt(sent[0][1])
    await world.committed()
    assert world.state(sent[0][0]) == S.DELIVERED
    message, _ = await world.sent()
    for _ in range(10):
        await world.after(30.0)
        await close_windows(world)
    await world.committed()
    assert world.state(message) == S.UNKNOWN


async def test_more_than_one_page_of_windows_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PAGE", 2)
    world = await World.build()
    world.wire.take_everything()
    messages = [await world.accepted() for _ in range(5)]
    await world.committed()
    await world.after(WINDOW_S + 60)
    await close_windows(world)
    assert [world.state(m) for m in messages] == [S.UNKNOWN] * 5


async def test_old_keys_are_looked_at_again_every_day() -> None:
    world = await World.build()
    await world.after(WINDOW_S + 60)
    await close_windows(world)
    message, _ = await world.sent()
    row = world.store.rows.pop(message.key)
    world.lane().awaiting.clear()  # as of one that memory has no room for
    await world.after(WINDOW_S + 60)
    await close_windows(world)  # it has walked past the key
    world.store.rows[message.key] = row
    await close_windows(world)
    assert world.state(message) == S.SENT
    await world.after(DAY_S)
    await close_windows(world)
    assert world.state(message) == S.UNKNOWN


def test_without_providers_the_window_is_the_default() -> None:
    windows = ReceiptWindows(cast(Dispatcher, SimpleNamespace(lanes={})))
    assert windows.of(None) == windows.of(7) == DEFAULT_WINDOW_MS
    assert windows.longest_ms() == windows.shortest_ms() == DEFAULT_WINDOW_MS


# --- retention ----------------------------------------------------------------------------------


async def purge(world: World) -> None:
    purging = world.supervisor.spawn(world.heart.maintenance.purge_once(), name="purge")
    await world.after(5)
    await purging


async def test_finished_messages_go_after_their_retention() -> None:
    world = await World.build(retention_days=7)
    finished, id = await world.sent(notify_when=NEVER)
    world.wire.receipt(id)
    waiting, _ = await world.sent()
    await world.after(7 * DAY_S - 60)
    await purge(world)
    assert finished.key in world.store.rows
    await world.after(120)
    await purge(world)
    assert finished.key not in world.store.rows
    assert waiting.key in world.store.rows


async def test_purging_goes_on_until_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PURGE_PAGE", 2)
    world = await World.build(retention_days=7)
    world.wire.take_everything()
    for _ in range(5):
        message = await world.accepted()
        world.wire.receipt(f"carrier-{len(world.store.rows)}")
        await world.committed()
        assert world.state(message) == S.DELIVERED
    await world.after(7 * DAY_S + 60)
    await purge(world)
    assert world.store.rows == {}


async def test_ledger_lines_are_closed_after_the_retention() -> None:
    world = await World.build(retention_days=7)
    await world.after(60)
    await purge(world)
    purged_at_ms = world.clock.now_ms() - 5_000
    assert world.store.ledger_closed_before_ms == purged_at_ms - 7 * DAY_S * 1000


async def test_answers_go_after_a_day_and_parked_receipts_after_the_longest_window() -> None:
    world = await World.build()
    now_ms = world.clock.now_ms()
    key = IdempotencyKey("send", b"k", b"b")
    account = world.account()
    world.store.answers[account.id, key.endpoint, key.key_digest] = (
        now_ms, StoredAnswer(b"b", 200, b"{}"),
    )  # fmt: skip
    world.store.parked.append(ParkedReceipt(1, "stranger", S.DELIVERED, "", 0, now_ms))
    await world.after(DAY_S - 60)
    await purge(world)
    assert len(world.store.answers) == 1
    await world.after(120)
    await purge(world)
    assert world.store.answers == {}
    assert len(world.store.parked) == 1
    await world.after(2 * DAY_S)
    await purge(world)
    assert world.store.parked == []


async def test_memory_lets_go_of_parked_receipts_as_the_store_does() -> None:
    world = await World.build()
    world.wire.receipt("STRANGER-1")
    await world.after(60)
    world.wire.receipt("STRANGER-2")
    await world.committed()
    await world.after(WINDOW_S - 60)
    await purge(world)
    assert [r.provider_message_id for r in world.store.parked] == ["STRANGER-2"]
    assert {r.provider_message_id for r in world.lane().parked.values()} == {"STRANGER-2"}
    await world.after(120)
    await purge(world)
    assert world.store.parked == []
    assert world.lane().parked == {}


async def test_receipts_parked_before_a_restart_are_let_go_of_too() -> None:
    world = await World.build()
    world.wire.receipt("stranger")
    await world.committed()
    await world.after(60)
    world = await world.restarted()
    assert set(world.lane().parked) == {"stranger"}
    await world.after(WINDOW_S)
    await purge(world)
    assert world.lane().parked == {}


@pytest.mark.parametrize(
    ("term_s", "wait_s"), [(0.5, 1.0), (60.0, 15.0), (1_200.0, 300.0), (90.0 * DAY_S, 300.0)]
)
def test_a_short_term_is_looked_at_several_times_while_it_lasts(
    term_s: float, wait_s: float
) -> None:
    assert maintenance._wait_s(maintenance.RETENTION_S, term_s) == wait_s


async def test_a_retention_of_minutes_is_kept() -> None:
    world = await World.build(retention_days=120 / DAY_S)
    finished, id = await world.sent(notify_when=NEVER)
    world.wire.receipt(id)
    world.supervisor.spawn(world.heart.maintenance.purge(), name="maintenance.purge")
    await world.after(100)
    assert finished.key in world.store.rows
    await world.after(60)
    assert finished.key not in world.store.rows
