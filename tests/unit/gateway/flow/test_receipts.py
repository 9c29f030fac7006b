"""A receipt finds its message however it comes, is stored before it is acknowledged, and counts once."""

import pytest

from gateway.domain.account import ChargeAt
from gateway.domain.commit_group import EventKind
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.domain.outcome import Deferred, Sent
from gateway.flow import lane, receipts
from tests.support.heart import PRICE, World, provider_spec

S = MessageState
K = EventKind
LONG = "a" * 307  # three parts
DAY_S = 86_400


def counted(world: World) -> dict[str, int]:
    return {kind: n for (_, kind), n in world.heart.counters.receipts.items()}


# --- one message --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state", [S.DELIVERED, S.FAILED, S.REJECTED, S.EXPIRED, S.UNKNOWN, S.CANCELLED]
)
async def test_a_final_receipt_ends_the_message(state: S) -> None:
    world = await World.build()
    message, id = await world.sent()
    world.wire.receipt(id, state, "7")
    assert world.wire.receipts == {}
    await world.quiet()
    assert world.wire.receipts == {id: True}
    assert (world.state(message), world.row(message).error) == (state, "7")
    assert world.notifier.told == [(message.key, state)]
    assert counted(world) == {"matched": 1}


async def test_the_provider_is_answered_only_when_it_is_on_disk() -> None:
    world = await World.build()
    _, id = await world.sent()
    world.store.by_hand = True
    world.wire.receipt(id)
    await world.quiet()
    assert world.wire.receipts == {}
    world.store.complete()
    assert world.wire.receipts == {id: True}


async def test_an_intermediate_report_moves_nothing_and_is_acknowledged() -> None:
    world = await World.build()
    message, id = await world.sent()
    world.wire.receipt(id, S.SENT)
    await world.quiet()
    assert world.wire.receipts == {id: True}
    assert world.state(message) == S.SENT
    world.wire.receipt(id)
    await world.quiet()
    assert world.state(message) == S.DELIVERED
    assert counted(world) == {"intermediate": 1, "matched": 1}


async def test_the_first_final_receipt_wins_and_repeats_are_acknowledged() -> None:
    world = await World.build()
    message, id = await world.sent()
    for state in (S.DELIVERED, S.FAILED, S.DELIVERED):
        world.wire.receipts.clear()
        world.wire.receipt(id, state)
        await world.quiet()
        assert world.wire.receipts == {id: True}
    assert world.state(message) == S.DELIVERED
    assert world.notifier.told == [(message.key, S.DELIVERED)]
    assert counted(world) == {"matched": 1, "repeated": 2}


async def test_receipts_may_come_in_any_order() -> None:
    world = await World.build()
    messages = [await world.accepted() for _ in range(5)]
    ids = world.wire.accept_all()
    for id in reversed(ids):
        world.wire.receipt(id)
    await world.committed()
    assert {world.state(m) for m in messages} == {S.DELIVERED}


async def test_two_providers_may_use_the_same_id() -> None:
    world = await World.build(providers=[provider_spec("one"), provider_spec("two")])
    first = await world.accepted()
    world.wires["one"].answer(Sent("77"))
    world.wires["one"].go_down()
    second = await world.accepted()
    world.wires["two"].answer(Sent("77"))
    world.wires["two"].receipt("77", S.FAILED)
    await world.committed()
    assert (world.state(first), world.state(second)) == (S.SENT, S.FAILED)


# --- early --------------------------------------------------------------------------------------


async def test_an_early_receipt_is_parked_and_then_matched() -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.receipt("carrier-1")
    await world.quiet()
    assert world.wire.receipts == {"carrier-1": True}
    assert [p.provider_message_id for p in world.store.parked] == ["carrier-1"]
    assert world.wire.take() == "carrier-1"
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.store.parked == []
    assert world.lane().parked == {}


@pytest.mark.parametrize("parked", ["00AB12", "AB12", "00ab12", "0Ab12"])
async def test_an_early_receipt_may_be_spelt_otherwise(parked: str) -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.receipt(parked)
    await world.quiet()
    world.wire.answer(Sent("ab12"))
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.store.parked == []
    assert world.lane().parked == {}


async def test_two_parked_ids_that_differ_by_case_stay_apart() -> None:
    world = await World.build()
    messages = [await world.accepted() for _ in range(2)]
    world.wire.receipt("ab", S.DELIVERED)
    world.wire.receipt("AB", S.FAILED)
    await world.quiet()
    world.wire.answer(Sent("AB"))
    world.wire.answer(Sent("ab"))
    await world.committed()
    assert [world.state(m) for m in messages] == [S.FAILED, S.DELIVERED]


async def test_an_early_intermediate_report_is_not_kept() -> None:
    world = await World.build()
    world.wire.receipt("x", S.SENT)
    await world.quiet()
    assert world.wire.receipts == {"x": True}
    assert world.store.parked == []


async def test_a_strangers_receipt_is_kept_and_harms_nobody() -> None:
    world = await World.build()
    message, _ = await world.sent()
    world.wire.receipt("stranger")
    await world.quiet()
    assert world.wire.receipts == {"stranger": True}
    assert world.state(message) == S.SENT
    assert counted(world) == {"parked": 1}


async def test_the_answer_may_come_while_the_store_is_asked() -> None:
    world = await World.build()
    message = await world.accepted()
    world.store.slow_reads = True
    world.wire.receipt("carrier-1")
    await world.quiet()
    world.wire.take()
    world.store.slow_reads = False
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.store.parked == []


async def test_strangers_make_room_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "MOST_PARKED", 40)
    world = await World.build()
    message = await world.accepted()
    for n in range(100):
        world.wire.receipt(f"stranger{n}")
    world.wire.receipt("mine")
    await world.quiet()
    assert len(world.lane().parked) <= 40
    world.wire.answer(Sent("mine"))
    await world.committed()
    assert world.state(message) == S.DELIVERED


# --- after a restart ----------------------------------------------------------------------------


async def test_after_a_restart_the_store_knows_whose_it_is() -> None:
    world = await World.build()
    message, id = await world.sent()
    world = await world.restarted()
    world.wire.receipt(id)
    await world.committed()
    assert world.wire.receipts == {id: True}
    assert world.state(message) == S.DELIVERED
    assert world.notifier.told == [(message.key, S.DELIVERED)]


@pytest.mark.parametrize("spelling", ["AB12", "0ab12", "00AB12"])
async def test_case_and_leading_zeros_are_forgiven(spelling: str) -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.answer(Sent("ab12"))
    await world.committed()
    world.wire.receipt(spelling)
    await world.quiet()
    assert world.state(message) == S.DELIVERED
    world.wire.receipt("ab12", S.FAILED)
    await world.quiet()
    assert world.state(message) == S.DELIVERED
    assert counted(world) == {"matched": 1, "repeated": 1}


@pytest.mark.parametrize("charge_at", list(ChargeAt))
async def test_a_receipt_repeated_while_the_store_is_asked_counts_once(charge_at: ChargeAt) -> None:
    world = await World.build(charge_at=charge_at)
    message, id = await world.sent()
    world = await world.restarted()
    world.store.slow_reads = True
    world.wire.receipt(id)
    await world.quiet()
    world.wire.receipt(id)  # the second look-up takes its snapshot before the first has an effect
    await world.quiet()
    world.store.slow_reads = False
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.spent() == (PRICE, 0)
    assert world.notifier.keys() == [message.key]
    assert counted(world) == {"matched": 1, "repeated": 1}


@pytest.mark.parametrize("answered", ["00AB12", "AB12", "ab12"])
@pytest.mark.parametrize("receipted", ["ab12", "AB12", "000ab12"])
@pytest.mark.parametrize("restart", [False, True])
async def test_the_answer_may_be_the_odd_one(answered: str, receipted: str, restart: bool) -> None:
    world = await World.build()
    message = await world.accepted()
    world.wire.answer(Sent(answered))
    await world.committed()
    if restart:
        world = await world.restarted()
    world.wire.receipt(receipted)
    await world.committed()
    assert world.state(message) == S.DELIVERED
    world.wire.receipt(receipted)
    world.wire.receipt(answered)
    await world.committed()
    assert counted(world) == {"matched": 1, "repeated": 2}
    assert world.store.parked == []


@pytest.mark.parametrize("restart", [False, True])
async def test_the_exact_id_goes_before_another_spelling(restart: bool) -> None:
    world = await World.build()
    messages = [await world.accepted() for _ in range(3)]
    for id in ("0AB12", "ab12", "AB12"):
        world.wire.answer(Sent(id))
    await world.committed()
    if restart:
        world = await world.restarted()
    world.wire.receipt("AB12", S.FAILED)
    await world.committed()
    assert [world.state(m) for m in messages] == [S.SENT, S.SENT, S.FAILED]


async def test_a_part_may_be_spelt_otherwise_after_a_restart() -> None:
    world = await World.build()
    message = await world.accepted("a" * 200)
    for id in ("0A", "0B"):
        world.wire.answer(Sent(id))
    await world.committed()
    world = await world.restarted()
    for id in ("a", "b"):
        world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == S.DELIVERED


# --- another base -------------------------------------------------------------------------------


async def another_base(restart: bool = False) -> tuple[World, Message]:
    """A provider that answers in hex and sends receipts in decimal; nobody has said so."""
    world = await World.build(providers=[provider_spec(id_mode="as_is")])
    message = await world.accepted()
    world.wire.answer(Sent("12d687"))  # 1234567
    await world.committed()
    return (await world.restarted() if restart else world), message


def warnings(log: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [r.fields for r in log.records if r.message == "receipts.id_mode_mismatch"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("restart", [False, True])
async def test_a_receipt_in_another_base_is_told_and_not_believed(
    restart: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world, message = await another_base(restart)
    world.wire.receipt("1234567")
    await world.committed()
    assert world.state(message) == S.SENT
    assert world.wire.receipts == {"1234567": True}
    assert counted(world) == {"parked": 1, "id_mode_mismatch": 1}
    assert warnings(caplog) == [
        {
            "provider": "carrier", "receipt_id": "1234567", "message_id": "12d687",
            "id_mode": "as_is", "id_mode_that_fits": "hex_to_dec",
        }
    ]  # fmt: skip


async def test_the_operator_is_told_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    world, _ = await another_base()
    for _ in range(3):
        world.wire.receipt("1234567", S.UNKNOWN)
        world.wire.receipt("1234567", S.DELIVERED)
        await world.committed()
    assert len(warnings(caplog)) == 1
    await world.after(receipts.WARN_AGAIN_S)
    world.wire.receipt("0001234567")
    await world.committed()
    assert len(warnings(caplog)) == 2


async def test_strangers_and_wires_without_the_setting_raise_no_alarm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, _ = await another_base()
    world.wire.receipt("7654321")
    world.wire.receipt("1234567", S.SENT)
    world.lane().spec = provider_spec()
    world.wire.receipt("1234567")
    await world.committed()
    assert warnings(caplog) == []


@pytest.mark.parametrize("restart", [False, True])
async def test_what_is_parked_is_matched_once_the_setting_is_right(restart: bool) -> None:
    world, message = await another_base(restart)
    world.wire.receipt("1234567")
    world.wire.receipt("7654321")
    await world.committed()
    world.lane().spec = provider_spec(id_mode="hex_to_dec")
    await world.heart.receipts.reread_parked(world.lane(), "as_is")
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.spent() == (PRICE, 0)
    assert [p.provider_message_id for p in world.store.parked] == [f"{7654321:x}"]
    late = await world.accepted()
    world.wire.answer(Sent(f"{7654321:X}"))
    await world.committed()
    assert world.state(late) == S.DELIVERED
    assert world.store.parked == []


async def test_parked_receipts_survive_a_store_that_cannot_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, message = await another_base()
    world.wire.receipt("1234567")
    await world.committed()
    world.lane().spec = provider_spec(id_mode="hex_to_dec")
    world.store.unavailable = True
    await world.heart.receipts.reread_parked(world.lane(), "as_is")
    assert "receipts.not_reread" in caplog.messages
    world.store.unavailable = False
    await world.heart.receipts.reread_parked(world.lane(), "as_is")
    await world.committed()
    assert world.state(message) == S.DELIVERED


# --- repeats ------------------------------------------------------------------------------------


async def test_the_first_repeat_stands_on_the_timeline() -> None:
    world = await World.build()
    message, id = await world.sent()
    for state in (S.DELIVERED, S.FAILED, S.FAILED, S.DELIVERED):
        world.wire.receipt(id, state)
        await world.committed()
    assert world.state(message) == S.DELIVERED
    [event] = [e for e in world.store.timeline if e.message_key == message.key]
    assert (event.kind, event.detail) == (K.REPEATED_RECEIPT, "carrier: FAILED")


async def test_a_repeated_stranger_is_kept_once() -> None:
    world = await World.build()
    for state in (S.UNKNOWN, S.DELIVERED, S.DELIVERED, S.FAILED):
        world.wire.receipt("stranger", state)
        await world.committed()
    assert counted(world) == {"parked": 2, "repeated": 2}
    message = await world.accepted()
    world.wire.answer(Sent("stranger"))
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.store.parked == []


async def test_a_receipt_without_an_id_is_acknowledged_and_counted() -> None:
    world = await World.build(providers=[provider_spec()])
    message = await world.accepted()
    world.wire.answer(Sent(""))
    await world.committed()
    world.wire.receipt("")
    await world.committed()
    assert world.wire.receipts == {"": True}
    assert world.state(message) == S.SENT
    assert counted(world) == {"without_id": 1}
    assert world.store.parked == []


async def test_receipts_of_parts_after_the_end_are_repeats() -> None:
    world = await World.build()
    message = await world.accepted(LONG)
    ids = world.wire.accept_all()
    world.wire.receipt(ids[1], S.FAILED)
    for id in (ids[0], ids[2]):
        world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == S.FAILED
    assert counted(world) == {"matched": 1, "repeated": 2}


async def test_two_in_one_look_up_count_once() -> None:
    world = await World.build(charge_at=ChargeAt.DELIVERY)
    message, id = await world.sent()
    world = await world.restarted()
    world.wire.receipt(id)
    world.wire.receipt(id, S.FAILED)
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.spent() == (PRICE, 0)


async def test_parked_receipts_wait_again_after_a_restart() -> None:
    world = await World.build()
    world.wire.receipt("x9", S.FAILED, "12")
    await world.quiet()
    world = await world.restarted()
    message = await world.accepted()
    world.wire.answer(Sent("x9"))
    await world.committed()
    assert (world.state(message), world.row(message).error) == (S.FAILED, "12")


# --- the store is away --------------------------------------------------------------------------


async def test_without_a_store_the_provider_is_asked_to_come_again() -> None:
    world = await World.build()
    message, id = await world.sent()
    world.heart.journal.available = False
    world.wire.receipt(id)
    assert world.wire.receipts == {id: False}
    world.heart.journal.available = True
    world.wire.receipt(id)
    await world.quiet()
    assert world.wire.receipts == {id: True}
    assert world.state(message) == S.DELIVERED


async def test_an_unreadable_store_too() -> None:
    world = await World.build()
    _, id = await world.sent()
    world = await world.restarted()
    world.store.unavailable = True
    world.wire.receipt(id)
    await world.quiet()
    assert world.wire.receipts == {id: False}


# --- late ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("charge_at", list(ChargeAt))
@pytest.mark.parametrize("restart", [False, True])
async def test_a_late_receipt_turns_unknown_and_moves_no_money(
    charge_at: ChargeAt, restart: bool
) -> None:
    world = await World.build(charge_at=charge_at)
    message, id = await world.sent()
    await world.after(3 * DAY_S + 60)
    await world.heart.maintenance.close_receipt_windows_once()
    await world.committed()
    assert world.state(message) == S.UNKNOWN
    spent = world.spent()
    if restart:
        world = await world.restarted()
    world.wire.receipt(id, S.DELIVERED)
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.spent() == spent
    assert world.kinds(message) == [K.LATE_RECEIPT]
    assert world.notifier.told[-1] == (message.key, S.DELIVERED)


async def test_a_late_receipt_of_a_part_is_told_apart_as_well() -> None:
    world = await World.build()
    message = await world.accepted("x" * 200)
    ids = world.wire.accept_all()
    await world.after(3 * DAY_S + 60)
    await world.heart.maintenance.close_receipt_windows_once()
    await world.committed()
    assert world.state(message) == S.UNKNOWN
    spent = world.spent()
    for id in ids:
        world.wire.receipt(id, S.DELIVERED)
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.kinds(message) == [K.LATE_RECEIPT]
    assert world.spent() == spent


# --- parts --------------------------------------------------------------------------------------


async def test_delivered_when_all_parts_are() -> None:
    world = await World.build()
    message = await world.accepted(LONG)
    ids = world.wire.accept_all()
    await world.committed()
    for id in (ids[2], ids[0]):
        world.wire.receipt(id)
        await world.quiet()
        assert world.wire.receipts[id]
        assert world.state(message) == S.SENT
    world.wire.receipt(ids[1])
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert [p.state for p in world.row(message).parts] == [S.DELIVERED] * 3
    assert world.notifier.keys() == [message.key]


async def test_failed_when_one_part_finally_fails() -> None:
    world = await World.build()
    message = await world.accepted(LONG)
    ids = world.wire.accept_all()
    world.wire.receipt(ids[1], S.FAILED, "3")
    await world.committed()
    assert (world.state(message), world.row(message).error) == (S.FAILED, "3")
    for id in (ids[0], ids[2]):
        world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == S.FAILED
    assert world.notifier.keys() == [message.key]
    assert all(world.wire.receipts.values())


async def test_the_last_parts_receipt_may_come_before_its_answer() -> None:
    world = await World.build()
    message = await world.accepted(LONG)
    for id in [world.wire.take(), world.wire.take(), "carrier-3"]:
        world.wire.receipt(id)
    await world.quiet()
    assert message.state == S.QUEUED
    world.wire.take()
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.heart.backlogs.live == {}


async def test_a_part_that_fails_while_another_waits_ends_the_message() -> None:
    world = await World.build(providers=[provider_spec(retry_s=(600,))])
    message = await world.accepted("a" * 200)
    id = world.wire.take()
    world.wire.answer(Deferred("busy"))
    assert world.waiting()[1, 1] == (1, False)
    world.wire.receipt(id, S.FAILED)
    await world.committed()
    assert world.state(message) == S.FAILED
    assert world.waiting()[1, 1] == (0, False)
    assert world.heart.backlogs.live == {}
    await world.after(700)
    assert len(world.wire.submitted) == 2  # the missing part does not go any more


async def test_a_part_that_fails_while_another_is_out_ends_the_message() -> None:
    world = await World.build()
    message = await world.accepted("a" * 200)
    world.wire.receipt(world.wire.take(), S.FAILED)
    await world.quiet()
    assert world.state(message) == S.FAILED
    world.wire.answer(Deferred("busy"))
    await world.after(60)
    assert world.state(message) == S.FAILED
    assert len(world.wire.submitted) == 2
    assert world.waiting()[1, 1] == (0, False)
    assert world.lane().verdicts == {}


async def test_receipts_of_parts_survive_a_restart() -> None:
    world = await World.build()
    message = await world.accepted(LONG)
    ids = world.wire.accept_all()
    world.wire.receipt(ids[0])
    await world.committed()
    world = await world.restarted()
    for id in ids[1:]:
        world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == S.DELIVERED


async def test_after_a_restart_receipts_of_parts_may_come_close_together() -> None:
    """The second one's look-up reads the first one's row before its change is on disk."""
    world = await World.build()
    message = await world.accepted("a" * 200)
    ids = world.wire.accept_all()
    await world.committed()
    world = await world.restarted()
    world.store.by_hand = True
    for id in ids:
        world.wire.receipt(id)
        await world.quiet()
    world.store.by_hand = False
    world.store.complete()
    await world.committed()
    assert world.state(message) == S.DELIVERED


async def test_after_a_crash_only_missing_parts_go() -> None:
    world = await World.build()
    message = await world.accepted(LONG)
    ids = [world.wire.take(), world.wire.take()]
    await world.committed()
    world = await world.restarted()
    assert [part for _, part in world.wire.submitted] == [2]
    world.wire.answer(Sent("new"))
    for id in [*ids, "new"]:
        world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == S.DELIVERED


@pytest.mark.parametrize("charge_at", list(ChargeAt))
async def test_a_crash_between_the_parts_and_the_message_strands_nobody(
    charge_at: ChargeAt,
) -> None:
    """Part rows go with the next group, the message's own may ride a little longer."""
    world = await World.build(charge_at=charge_at)
    message = await world.accepted("a" * 200)
    ids = world.wire.accept_all()
    world.submit()  # forces a group that takes the parts along
    await world.quiet()
    assert [p.state for p in world.row(message).parts] == [S.SENT] * 2
    world = await world.restarted()
    await world.after(1.0)
    assert message.key not in world.wire.keys()  # noqa: SIM118 - a method of the wire
    for id in ids:
        world.wire.receipt(id)
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.store.state_conflicts == 0


async def test_a_part_may_have_its_receipt_before_the_queue_is_read_back() -> None:
    """Providers bind before that; the row must not become two objects that know half each."""
    world = await World.build()
    message = await world.accepted("a" * 200)
    first = world.wire.take()
    await world.committed()
    world = await world.restarted(recovers=False)
    world.store.by_hand = True  # what the receipt brings is not on disk when the row is read
    world.wire.receipt(first)
    await world.quiet()
    await world.recover()
    world.store.by_hand = False
    world.store.complete()
    await world.committed()
    assert [part for _, part in world.wire.submitted] == [1]
    world.wire.receipt(world.wire.take())
    await world.committed()
    assert world.state(message) == S.DELIVERED
    assert world.store.state_conflicts == 0
    assert world.waiting()[1, 1] == (0, False)


async def test_the_end_of_a_long_message_may_come_while_the_store_is_asked() -> None:
    world = await World.build(charge_at=ChargeAt.DELIVERY)
    message = await world.accepted("a" * 200)
    ids = world.wire.accept_all()
    await world.committed()
    world = await world.restarted()
    world.store.slow_reads = True
    for id in ids:
        world.wire.receipt(id, S.FAILED)
        await world.quiet()  # the second look-up reads the row before the first has an effect
    world.store.slow_reads = False
    await world.committed()
    assert world.state(message) == S.FAILED
    assert world.spent() == (0, 0)
    assert world.notifier.keys() == [message.key]
    assert world.store.state_conflicts == 0


async def test_a_part_may_have_its_receipt_while_its_message_expires() -> None:
    world = await World.build(charge_at=ChargeAt.DELIVERY)
    message = await world.accepted("a" * 200)
    first = world.wire.take()
    await world.committed()
    world = await world.restarted(recovers=False)
    await world.after(2 * DAY_S + 60)
    world.store.by_hand = True
    await world.heart.maintenance.expire_once()
    world.wire.receipt(first, S.FAILED)
    await world.quiet()
    world.store.by_hand = False
    world.store.complete()
    await world.committed()
    assert world.state(message) == S.EXPIRED
    assert world.spent() == (0, 0)
    assert world.notifier.keys() == [message.key]
    assert world.store.state_conflicts == 0
