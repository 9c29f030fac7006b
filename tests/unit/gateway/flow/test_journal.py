"""Group commit, on a store whose commits end when the test says so."""

import asyncio
from typing import Any

import pytest

from gateway.domain.account import ChargeAt, Door
from gateway.domain.commit_group import EventKind, LedgerKind, MessageEvent, ParkedReceipt
from gateway.domain.errors import CreditConflict, RefusalCode, StoreRejected, StoreUnavailable
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import IdempotencyKey, Message
from gateway.flow.flight import UNSTORABLE
from gateway.flow.journal import RIDE_ALONG_S, STALL_S, Journal
from gateway.runtime.metrics import Counters
from tests.support.clock import FakeClock, settle
from tests.support.heart import NEVER, NUMBER, PRICE, Asked, World, account_spec
from tests.support.memory_store import MemoryStore


@pytest.fixture
async def world() -> World:
    world = await World.build(are_up=False)
    world.store.by_hand = True
    return world


def turn(world: World) -> None:
    world.clock.turn()


async def commit(world: World) -> None:
    """Ends the group under way and lets the next one begin."""
    world.store.complete()
    await world.quiet()


# --- group commit -------------------------------------------------------------------------------


async def test_a_customer_is_answered_only_after_the_commit(world: World) -> None:
    asked = world.submit()
    turn(world)
    assert asked.answers == []
    assert world.store.writing is not None
    await commit(world)
    assert asked.answers == [asked.message]


async def test_everything_of_one_turn_is_one_group(world: World) -> None:
    asked = [world.submit() for _ in range(50)]
    turn(world)
    await commit(world)
    (group,) = world.store.groups
    assert [row[0] for row in group.new_messages] == [a.message.key for a in asked]
    assert [(line.kind, line.amount_micros, line.message_count) for line in group.ledger] == [
        (LedgerKind.CHARGE, -50 * PRICE, 50)
    ]


async def test_one_group_is_written_at_a_time_in_order_of_arrival(world: World) -> None:
    first = world.submit()
    turn(world)
    later = [world.submit() for _ in range(3)]
    turn(world)
    assert world.store.attempts == 1
    await commit(world)
    assert (first.answers, [a.answers for a in later]) == ([first.message], [[], [], []])
    await commit(world)
    assert [a.answers for a in later] == [[a.message] for a in later]
    assert [len(group.new_messages) for group in world.store.groups] == [1, 3]
    assert [group.id for group in world.store.groups] == sorted({g.id for g in world.store.groups})


async def test_answers_come_in_order(world: World) -> None:
    order: list[int] = []
    asked = [world.submit() for _ in range(5)]
    for number, one in enumerate(asked):
        one.answers = _Told(order, number)
    turn(world)
    await commit(world)
    assert order == [0, 1, 2, 3, 4]


class _Told(list[object]):
    def __init__(self, order: list[Any], number: object) -> None:
        super().__init__()
        self._order, self._number = order, number

    def append(self, item: object) -> None:
        self._order.append(self._number)
        super().append(item)


async def test_messages_reach_dispatch_after_the_commit_only() -> None:
    world = await World.build()
    world.store.by_hand = True
    world.submit()
    turn(world)
    assert world.wire.submitted == []
    await commit(world)
    assert len(world.wire.submitted) == 1


# --- riding along -------------------------------------------------------------------------------


async def test_a_change_rides_along_for_20_ms_at_most() -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.accept_all()
    assert world.state(message) == MessageState.QUEUED
    groups = len(world.store.groups)
    world.clock.advance(RIDE_ALONG_S)
    await world.quiet()
    assert world.state(message) == MessageState.SENT
    assert len(world.store.groups) == groups + 1


async def test_a_receipt_that_follows_at_once_makes_one_row_of_two_changes() -> None:
    world = await World.build()
    await world.accepted()
    world.wire.receipt(world.wire.take())
    await world.after(1.0)
    assert sum(len(group.message_changes) for group in world.store.groups) == 1
    assert world.store.state_conflicts == 0


async def test_changes_that_keep_coming_do_not_keep_each_other_waiting() -> None:
    world = await World.build()
    first = await world.accepted()
    world.wire.accept_all()
    for _ in range(4):  # one more sent message every 5 ms
        world.clock.advance(0.005)
        await world.accepted()
        world.wire.accept_all()
    await world.quiet()
    assert world.state(first) == MessageState.SENT


async def test_an_event_and_a_mark_ride_too(world: World) -> None:
    message = world.submit().message
    turn(world)
    await commit(world)
    journal = world.heart.journal
    journal.event(MessageEvent(message.key, 1, EventKind.RETRY, None, "x"))
    journal.mark_notified(message)
    assert world.store.writing is None
    world.clock.advance(RIDE_ALONG_S)
    await commit(world)
    assert world.store.groups[-1].notified_keys == [message.key]
    assert world.kinds(message) == [EventKind.RETRY]


async def test_money_and_the_row_it_belongs_to_go_in_one_group() -> None:
    """`charge = "submit"`: a group with the charge and without the row would charge twice after a crash."""
    world = await World.build(charge_at=ChargeAt.SUBMIT)
    message = await world.accepted()
    world.wire.accept_all()
    other = world.submit()
    await world.quiet()  # other's group takes along whatever forces nothing
    assert other.answers
    assert world.store.groups[-1].ledger == [] or world.state(message) == MessageState.SENT
    world.store.prove_money()


# --- waiters ------------------------------------------------------------------------------------


async def test_waiters_without_rows_are_told_when_what_came_before_is_on_disk(world: World) -> None:
    told: list[object] = []
    world.submit()
    turn(world)
    world.heart.journal.after_commit(lambda token, stored: told.append((token, stored)), "a")
    turn(world)
    assert told == []
    await commit(world)
    assert told == [("a", True)]
    assert world.store.attempts == 1  # nothing to write for it


async def test_when_idle_waits_for_all_that_is_open_or_riding() -> None:
    world = await World.build()
    world.store.by_hand = True
    idle: list[bool] = []
    world.heart.journal.when_idle(lambda: idle.append(True))
    turn(world)
    assert idle == [True]

    message = world.submit().message
    turn(world)
    await commit(world)
    world.submit()
    turn(world)  # being written
    world.heart.journal.when_idle(lambda: idle.append(True))
    world.wire.accept_all()  # rides
    await commit(world)
    assert idle == [True]
    await world.after(0.05)
    assert idle == [True]
    assert world.store.writing is not None
    await commit(world)
    await world.after(0.05)
    assert idle == [True, True]
    assert world.state(message) == MessageState.SENT


async def test_when_idle_does_not_wait_for_the_ride() -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.accept_all()
    idle: list[bool] = []
    world.heart.journal.when_idle(lambda: idle.append(True))
    await world.quiet()
    assert world.state(message) == MessageState.SENT
    await world.after(RIDE_ALONG_S)
    assert idle == [True]


# --- bounds -------------------------------------------------------------------------------------


async def test_a_full_commit_queue_is_busy_until_it_is_written() -> None:
    world = await World.build(max_uncommitted=2, are_up=False)
    world.store.by_hand = True
    asked = [world.submit() for _ in range(3)]
    assert world.submit().refusal.code == RefusalCode.BUSY
    assert world.heart.journal.pending == 3
    turn(world)
    # The next group has its own room.
    assert isinstance(world.submit().result, Message)
    assert world.heart.journal.pending == 4
    await commit(world)
    await commit(world)
    assert all(a.answers == [a.message] for a in asked)
    assert world.heart.journal.pending == 0
    assert world.spent() == (4 * PRICE, 0)


# --- the store is away --------------------------------------------------------------------------


@pytest.mark.parametrize("charge_at", list(ChargeAt))
async def test_without_a_store_accepts_are_refused_and_credit_is_given_back(
    charge_at: ChargeAt,
) -> None:
    world = await World.build(charge_at=charge_at)
    world.store.unavailable = True
    world.store.by_hand = True
    in_group = world.submit()
    turn(world)
    gathered = world.submit()
    await commit(world)
    for asked in (in_group, gathered):
        assert asked.refusal.code == RefusalCode.STORE_UNAVAILABLE
    assert world.spent() == (0, 0)
    at_once = world.submit()
    assert at_once.refusal.code == RefusalCode.STORE_UNAVAILABLE
    assert world.wire.submitted == []


async def test_what_the_store_missed_is_written_when_it_is_back() -> None:
    world = await World.build()
    message = await world.accepted()
    id = world.wire.take()
    world.wire.receipt(id)
    world.store.unavailable = True
    await world.after(5.0)
    assert id not in world.wire.receipts  # taken, and not answered before it is on disk
    assert world.state(message) == MessageState.QUEUED
    assert not world.heart.journal.available
    world.store.unavailable = False
    await world.after(5.0)
    assert world.wire.receipts == {id: True}
    assert world.state(message) == MessageState.DELIVERED
    assert world.heart.journal.available
    assert isinstance(world.submit().result, Message)


async def test_a_group_emptied_by_refusals_still_finds_the_store_back(world: World) -> None:
    world.store.unavailable = True
    world.submit()
    turn(world)
    await commit(world)
    attempts = world.store.attempts
    world.clock.advance(0.3)
    assert world.store.attempts == attempts + 1
    world.store.unavailable = False
    await commit(world)
    assert world.heart.journal.available


async def test_retries_wait_longer_and_longer_up_to_a_second(world: World) -> None:
    world.store.by_hand = False
    world.store.unavailable = True
    world.submit()
    await world.after(60, steps=60)
    assert 60 <= world.store.attempts <= 64


async def test_pieces_of_a_split_group_are_refused_as_well_when_the_store_goes(
    world: World,
) -> None:
    asked = [world.submit(f"text {n}") for n in range(4)]
    world.store.failures = [StoreRejected("one of them"), StoreUnavailable("and then this")]
    turn(world)
    await commit(world)
    await commit(world)
    assert {a.refusal.code for a in asked} == {RefusalCode.STORE_UNAVAILABLE}
    assert world.spent() == (0, 0)


async def test_an_outage_says_once_how_long_it_was_and_whom_it_cost(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    world.store.by_hand = False
    world.store.unavailable = True
    in_group = [world.submit() for _ in range(2)]
    await world.quiet()
    at_once = [world.submit() for _ in range(3)]
    world.submit_batch([NUMBER, "41790000002"])
    assert world.heart.journal.trouble == "switched off"
    await world.after(10)
    world.store.unavailable = False
    await world.after(2)
    assert {a.refusal.code for a in in_group + at_once} == {RefusalCode.STORE_UNAVAILABLE}
    assert [r.getMessage() for r in caplog.records] == ["store.unavailable", "store.recovered"]
    fields = caplog.records[1].__dict__["fields"]
    assert fields["reason"] == "switched off"
    assert 10 <= fields["lasted_s"] <= 12
    assert fields["refused"] == 6  # a bulk submission is one
    assert world.heart.journal.trouble == ""


async def test_those_refused_by_an_outage_are_counted_as_refused_and_not_as_accepted(
    world: World,
) -> None:
    counters = world.heart.counters
    world.submit()
    world.submit_batch([NUMBER, "41790000002"])
    assert counters.accepted == {}  # nobody has been answered
    turn(world)
    await commit(world)
    assert counters.accepted == {("smpp", "acme"): 3}
    world.store.unavailable = True
    world.submit()
    turn(world)
    world.submit()
    await commit(world)
    world.submit()
    assert counters.accepted == {("smpp", "acme"): 3}
    assert counters.refused == {("smpp", RefusalCode.STORE_UNAVAILABLE): 3}


async def test_who_reads_in_order_to_change_is_told_to_wait(world: World) -> None:
    world.heart.journal.require_store()
    world.store.unavailable = True
    world.submit()
    turn(world)
    await commit(world)
    with pytest.raises(StoreUnavailable, match="switched off"):
        world.heart.journal.require_store()


async def test_the_dispatcher_is_told_when_the_store_is_back(world: World) -> None:
    told: list[str] = []
    world.heart.journal.on_recovered = lambda: told.append("back")
    world.store.by_hand = False
    world.store.unavailable = True
    asked = world.submit()
    asked.answers = _Told(told, "refused")
    await world.after(5)
    assert told == ["refused"]
    world.store.unavailable = False
    await world.after(5)
    assert told == ["refused", "back"]


# --- a commit that does not end -----------------------------------------------------------------


async def test_nobody_new_waits_for_a_commit_that_does_not_end(world: World) -> None:
    in_doubt = world.submit()
    turn(world)
    behind = world.submit()
    world.clock.advance(STALL_S - 0.1)
    assert behind.answers == []
    world.clock.advance(0.2)
    assert behind.refusal.code == RefusalCode.STORE_UNAVAILABLE
    assert world.submit().refusal.code == RefusalCode.STORE_UNAVAILABLE
    assert "3 s" in world.heart.journal.trouble
    assert in_doubt.answers == []  # it may be on disk: only the store can say
    await commit(world)
    assert in_doubt.answers == [in_doubt.message]
    assert world.spent() == (PRICE, 0)
    assert world.heart.journal.available
    assert isinstance(world.submit().result, Message)


async def test_a_commit_that_ends_badly_after_a_stall_is_the_same_outage(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    in_doubt = world.submit()
    turn(world)
    world.clock.advance(STALL_S)
    world.store.unavailable = True
    await commit(world)
    assert in_doubt.refusal.code == RefusalCode.STORE_UNAVAILABLE
    assert world.spent() == (0, 0)
    world.store.unavailable = False
    world.store.by_hand = False
    await world.after(5)
    assert [r.getMessage() for r in caplog.records] == ["store.unavailable", "store.recovered"]


async def test_many_short_commits_are_no_stall(world: World) -> None:
    asked = []
    for _ in range(40):
        asked.append(world.submit())
        turn(world)
        world.clock.advance(0.25)
        await commit(world)
    assert all(a.answers == [a.message] for a in asked)


async def test_a_stall_is_seen_whenever_the_commit_began(world: World) -> None:
    world.submit()
    turn(world)
    world.clock.advance(STALL_S - 0.5)
    await commit(world)
    behind = [world.submit(), world.submit()]
    turn(world)
    behind.append(world.submit())
    world.clock.advance(1.0)  # the first look: this commit has only begun
    assert [a.answers for a in behind] == [[], [], []]
    world.clock.advance(STALL_S)
    assert behind[2].refusal.code == RefusalCode.STORE_UNAVAILABLE
    assert [a.answers for a in behind[:2]] == [[], []]


# --- is it writable? ----------------------------------------------------------------------------


async def test_a_probe_writes_when_nobody_else_does(world: World) -> None:
    probe = asyncio.ensure_future(world.heart.journal.writable())
    await world.quiet()
    assert world.store.writing is not None
    assert not probe.done()
    await commit(world)
    assert await probe


async def test_a_probe_is_answered_by_the_commit_under_way(world: World) -> None:
    world.submit()
    turn(world)
    probe = asyncio.ensure_future(world.heart.journal.writable())
    await settle(2)
    await commit(world)
    assert await probe
    assert world.store.attempts == 1


async def test_a_failed_probe_begins_the_outage(world: World) -> None:
    world.store.unavailable = True
    probe = asyncio.ensure_future(world.heart.journal.writable())
    await world.quiet()
    await commit(world)
    assert not await probe
    assert not world.heart.journal.available
    assert not await world.heart.journal.writable()
    world.clock.advance(0.3)
    world.store.unavailable = False
    await commit(world)
    assert world.heart.journal.available


async def test_a_probe_does_not_wait_for_a_stalled_commit(world: World) -> None:
    world.submit()
    turn(world)
    probe = asyncio.ensure_future(world.heart.journal.writable())
    await settle(2)
    world.clock.advance(STALL_S)
    assert not await probe


async def test_a_probe_that_is_given_up_disturbs_nobody(world: World) -> None:
    probe = asyncio.ensure_future(world.heart.journal.writable())
    await world.quiet()
    probe.cancel()
    await settle(2)
    await commit(world)
    assert world.heart.journal.available


# --- one bad row --------------------------------------------------------------------------------


@pytest.mark.parametrize("culprit", range(7))
async def test_only_the_culprit_of_a_group_is_refused(culprit: int) -> None:
    world = await World.build(are_up=False)
    asked = [world.submit("bad" if n == culprit else "good") for n in range(7)]
    world.store.poison = {"bad"}
    await world.quiet()
    assert asked[culprit].refusal.code == RefusalCode.TEXT_INVALID
    rest = [a for n, a in enumerate(asked) if n != culprit]
    assert all(a.answers == [a.message] for a in rest)
    assert world.spent() == (6 * PRICE, 0)
    assert sorted(world.store.rows) == [a.message.key for a in rest]


async def test_a_bad_batch_goes_alone(world: World) -> None:
    world.store.by_hand = False
    batch = world.submit_batch([NUMBER, "41790000002"], "bad")
    one = world.submit("good")
    world.store.poison = {"bad"}
    await world.quiet()
    assert batch.refusal.code == RefusalCode.TEXT_INVALID
    assert one.answers == [one.message]
    assert world.spent() == (PRICE, 0)


async def test_a_bad_change_keeps_no_other_from_the_disk() -> None:
    world = await World.build()
    messages = [await world.accepted() for _ in range(5)]
    ids = world.wire.accept_all()
    world.store.poison = {ids[2]}
    await world.committed()
    rows = [world.row(m) for m in messages]
    assert {row.state for row in rows} == {MessageState.SENT}
    # What the store cannot hold is lost; that the message has left is not.
    assert [r.provider_message_id for r in rows] == [*ids[:2], None, *ids[3:]]


async def test_a_bad_event_loses_neither_rows_nor_receipts(world: World) -> None:
    world.store.by_hand = False
    messages = [await world.accepted() for _ in range(3)]
    journal = world.heart.journal
    told: list[object] = []
    for message in messages:
        journal.event(MessageEvent(message.key, 1, EventKind.RETRY, None, f"e{message.key}"))
        message.error = "changed"
        journal.change(message)
    journal.park(
        ParkedReceipt(1, "p1", MessageState.DELIVERED, "", 0, 1),
        lambda token, stored: told.append((token, stored)),
        "p1",
    )
    journal.flush_soon()
    world.store.poison = {f"e{messages[1].key}"}
    await world.committed()
    assert [world.row(m).error for m in messages] == ["changed"] * 3
    assert [world.kinds(m) for m in messages] == [[EventKind.RETRY], [], [EventKind.RETRY]]
    assert [p.provider_message_id for p in world.store.parked] == ["p1"]
    assert told == [("p1", True)]


@pytest.mark.parametrize("count", [1, 4])
async def test_a_bad_error_text_parts_no_message_from_its_money(count: int) -> None:
    """The store proves the sums after every commit, the halves' as well."""
    world = await World.build(are_up=False)
    messages = [await world.accepted() for _ in range(count)]
    world.store.poison = {"bad"}
    for n, message in enumerate(messages):
        world.heart.fates.finish(message, MessageState.FAILED, "good" if n else "bad")
    await world.committed()
    assert {world.state(m) for m in messages} == {MessageState.FAILED}
    assert [world.row(m).error for m in messages] == [UNSTORABLE, *["good"] * (count - 1)]
    assert world.spent() == (0, 0)


async def test_a_change_that_no_store_takes_moves_no_money() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted()
    world.store.poison = {message.key}
    world.heart.fates.finish(message, MessageState.EXPIRED)
    await world.committed()
    assert world.state(message) == MessageState.QUEUED
    assert world.spent() == (PRICE, 0)


# --- the balance moved under us -----------------------------------------------------------------


async def test_a_conflict_refuses_that_accounts_members_only() -> None:
    world = await World.build(accounts=[account_spec("acme"), account_spec("other")], are_up=False)
    poor = [world.submit() for _ in range(2)]
    rich = world.submit(account="other")
    world.store.top_up(world.account().id, -100_000_000)
    await world.quiet()
    assert {a.refusal.code for a in poor} == {RefusalCode.NO_CREDIT}
    assert rich.answers == [rich.message]
    assert world.spent("other") == (PRICE, 0)


async def test_after_a_conflict_memory_believes_the_disk() -> None:
    world = await World.build(are_up=False)
    refused = world.submit()
    world.store.top_up(world.account().id, -100_000_000 + PRICE - 1)
    await world.quiet()
    assert refused.refusal.code == RefusalCode.NO_CREDIT
    assert world.account().balance_micros == PRICE - 1
    assert world.submit().refusal.code == RefusalCode.NO_CREDIT
    world.heart.directory.by_name["acme"].balance_micros += 1
    world.store.top_up(world.account().id, 1)
    assert (await world.accepted()).charge_micros == PRICE


@pytest.mark.parametrize("charge_at", list(ChargeAt))
async def test_what_moved_while_the_disk_was_asked_is_not_forgotten(charge_at: ChargeAt) -> None:
    world = await World.build(charge_at=charge_at, are_up=False)
    message = await world.accepted()
    world.store.slow_reads = True
    refused = world.submit()
    held = PRICE if charge_at != ChargeAt.ACCEPT else 0
    world.store.top_up(1, -world.account().available_micros + 5 * PRICE)  # memory does not know
    world.account().balance_micros -= PRICE  # and is wrong in another way, too
    world.store.failures = [CreditConflict(frozenset({1}))]
    await world.quiet()
    assert refused.refusal.code == RefusalCode.NO_CREDIT
    world.heart.fates.finish(message, MessageState.EXPIRED)  # moves money meanwhile
    asked = [world.submit() for _ in range(2)]
    await world.after(0.5)
    assert [a.answers for a in asked] == [[], []]  # nothing is written before the balance is known
    world.store.slow_reads = False
    await world.committed()
    assert [len(a.answers) for a in asked] == [1, 1]
    account = world.account()
    row = world.store.account_rows[1]
    assert (account.balance_micros, account.held_micros) == (row.balance_micros, row.held_micros)
    assert row.held_micros == 2 * held


async def test_a_store_that_goes_away_with_the_conflict_stops_nothing() -> None:
    world = await World.build(are_up=False)
    world.submit()
    world.store.failures = [CreditConflict(frozenset({1}))]
    world.clock.turn()
    world.store.unavailable = True
    await world.after(1.0)
    world.store.unavailable = False
    await world.after(5.0)
    assert (await world.accepted()).key in world.store.rows


async def test_refunds_of_the_account_are_not_refused_with_its_accepts() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted()
    refused = world.submit()
    world.heart.fates.finish(message, MessageState.EXPIRED)
    world.store.top_up(world.account().id, -100_000_000 + PRICE - 1)
    await world.quiet()
    assert refused.refusal.code == RefusalCode.NO_CREDIT
    assert world.state(message) == MessageState.EXPIRED
    assert world.store.account_rows[1].balance_micros == PRICE - 1


# --- what it keeps beside -----------------------------------------------------------------------


async def test_an_idempotent_answer_is_stored_with_its_message(world: World) -> None:
    asked = Asked()
    submission = world.submission(asked, door=Door.EXOSEND)
    submission.idempotency = IdempotencyKey("send", b"k", b"b")
    submission.render = lambda result: (201, b"%d" % result.key)
    asked.result = world.heart.admission.submit(submission, NUMBER)
    turn(world)
    await commit(world)
    answer = await world.heart.queries.stored_answer(world.account(), submission.idempotency)
    assert answer == (b"b", 201, b"%d" % asked.message.key)


async def test_a_refused_one_leaves_no_answer(world: World) -> None:
    world.store.by_hand = False
    asked = Asked()
    submission = world.submission(asked, "bad", door=Door.EXOSEND)
    submission.idempotency = IdempotencyKey("send", b"k", b"b")
    submission.render = lambda _result: (201, b"ok")
    world.store.poison = {"bad"}
    asked.result = world.heart.admission.submit(submission, NUMBER)
    await world.quiet()
    assert asked.refusal.code == RefusalCode.TEXT_INVALID
    assert world.store.answers == {}


async def test_an_idempotent_submission_without_its_render_is_a_defect(world: World) -> None:
    submission = world.submission(Asked())
    submission.idempotency = IdempotencyKey("send", b"k", b"b")
    with pytest.raises(ValueError, match="render"):
        world.heart.admission.submit(submission, NUMBER)


async def test_uncommitted_keys_follow_a_change_to_the_disk() -> None:
    world = await World.build()
    message = await world.accepted()
    journal = world.heart.journal
    assert journal.uncommitted_keys() == set()
    world.wire.accept_all()
    assert journal.uncommitted_keys() == {message.key}
    world.store.by_hand = True
    world.clock.advance(RIDE_ALONG_S)
    assert world.store.writing is not None
    assert journal.uncommitted_keys() == {message.key}
    await commit(world)
    await world.after(0.05)
    assert journal.uncommitted_keys() == set()


async def test_charges_and_refunds_are_counted_once_they_are_on_disk() -> None:
    world = await World.build(are_up=False)
    message = await world.accepted(notify_when=NEVER)
    world.heart.fates.finish(message, MessageState.EXPIRED)
    counters = world.heart.counters
    assert counters.refunded_micros == {}
    await world.committed()
    assert (dict(counters.charged_micros), dict(counters.refunded_micros)) == (
        {"EUR": PRICE}, {"EUR": PRICE},
    )  # fmt: skip
    assert counters.commits == 2
    assert counters.commits_failed == 0


async def test_an_engine_that_answers_for_another_group_is_a_defect() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    journal = Journal(store, clock, Counters())
    journal.after_commit(lambda *_: None, None)
    with pytest.raises(RuntimeError, match="not being written"):
        journal._written(store.groups[0] if store.groups else None, None)  # type: ignore[arg-type]
