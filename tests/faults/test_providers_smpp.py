"""SMSCs that misbehave: nothing is lost, nothing is charged twice, and the timeline says why."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.domain.account import ChargeAt
from gateway.domain.commit_group import EventKind
from gateway.domain.lifecycle import MessageState
from postern.simulator.behaviour import IdFormat
from postern.simulator.garbage import HARMLESS, SMPP_KINDS, Garbage
from protocols.smpp.constants import CommandStatus
from protocols.smpp.provider import CREDENTIAL_RETRY_S, SmppProvider
from tests.faults.provider_site import (
    ANSWER_S,
    NAME,
    WINDOW,
    Site,
    add_smsc,
    behaving,
    site,
    smsc_site,
)
from tests.support.heart import PRICE, provider_spec

S = MessageState
K = EventKind
LONG = "x" * 307  # three parts
SOON = (1, 1, 1, 1, 1, 1, 1, 1)  # a patient retry table
# An answer that says yes, with an id that is none.
UNTRUE = (Garbage.BODY, Garbage.HALF)
NO_BREAKER = {"breaker": 0, "retry_s": SOON}


def provider(made: Site) -> SmppProvider:
    wire = made.lane().wire
    assert isinstance(wire, SmppProvider)
    return wire


# --- answers that do not come ---------------------------------------------------------------------


async def test_an_smsc_that_never_answers_fails_the_message_and_is_taken_out() -> None:
    async with smsc_site({"retry_s": (1, 1), "breaker": 3}, silence_every=1) as made:
        [message] = await made.accepted()
        await made.ended([message], S.FAILED)
        assert made.arrived(message) == 3  # the first, at once again, and by the table
        assert made.story(message) == [K.UNKNOWN_OUTCOME, K.RETRY, K.UNKNOWN_OUTCOME]
        assert made.world.spent() == (0, 0)  # nobody said that it left
        assert made.counted("outcomes") == {"unknown": 3}
        assert made.world.heart.counters.circuits_opened[NAME]


async def test_an_smsc_that_never_answers_gets_a_held_message_once() -> None:
    spec = {"unknown": "hold", "receipt_window_s": 60}
    async with smsc_site(spec, silence_every=1) as made:
        [message] = await made.accepted()
        await made.until(lambda: made.world.kinds(message))
        await made.elapse(120)
        assert made.world.state(message) == S.ATTEMPTED
        await made.world.heart.maintenance.close_receipt_windows_once()
        await made.ended([message], S.UNKNOWN)
        assert made.arrived(message) == 1


@pytest.mark.parametrize("charge_at", list(ChargeAt))
@pytest.mark.parametrize(("policy", "copies"), [("resend", 2), ("hold", 1)])
async def test_a_late_answer_settles_the_unknown(
    policy: str, copies: int, charge_at: ChargeAt
) -> None:
    async with smsc_site({"unknown": policy}, answer_delay_s=ANSWER_S + 2) as made:
        made.world.account().charge_at = charge_at
        [message] = await made.accepted()
        await made.ended([message])
        assert made.arrived(message) == copies
        assert made.story(message)[:2] == [K.UNKNOWN_OUTCOME, K.LATE_ANSWER]
        assert made.world.spent() == (PRICE, 0)
        assert made.counted("outcomes")["late"] >= 1
        assert "parked" not in made.counted("receipts")


async def test_parts_without_an_answer_go_again_and_no_others() -> None:
    async with smsc_site(silence_every=3) as made:
        [message] = await made.accepted(text=LONG)
        await made.ended([message])
        assert made.tallies[NAME].submits == 4
        assert made.story(message) == [K.UNKNOWN_OUTCOME]
        assert made.world.spent() == (3 * PRICE, 0)


# --- answers that say not now -----------------------------------------------------------------------


async def test_a_throttling_smsc_costs_time_and_no_attempt() -> None:
    async with smsc_site({"retry_s": (), "rate_per_s": 50}, throttle_every=2) as made:
        messages = await made.accepted(12)
        await made.ended(messages)
        assert [made.arrived(m) for m in messages] == [1] * 12
        throttled = made.counted("outcomes")["throttled"]
        assert throttled == made.tallies[NAME].throttled > 5
        told = [made.world.kinds(m) for m in messages]
        assert all(kinds in ([], [K.THROTTLED]) for kinds in told)
        assert [K.THROTTLED] in told


async def test_an_smsc_that_refuses_ends_the_message_and_gives_the_price_back() -> None:
    async with smsc_site(reject_status=CommandStatus.RSUBMITFAIL, reject_every=2) as made:
        messages = await made.accepted(2)
        await made.until(lambda: len(made.world.notifier.told) == 2)
        await made.elapse(1.0)
        assert sorted(made.world.state(m).name for m in messages) == ["DELIVERED", "REJECTED"]
        assert made.world.spent() == (PRICE, 0)
        made.check_money()


# --- binds ------------------------------------------------------------------------------------------


async def test_a_bind_that_drops_mid_window_loses_nothing() -> None:
    async with smsc_site(NO_BREAKER, drop_after=7) as made:
        messages = await made.accepted(30)
        await made.ended(messages)
        copies = {m.key: made.arrived(m) for m in messages}
        assert min(copies.values()) == 1
        # Only what was in the window of a cut bind goes again, and it is told.
        cuts = made.tallies[NAME].unanswered
        assert sum(copies.values()) - 30 <= WINDOW * cuts
        assert all(K.UNKNOWN_OUTCOME in made.world.kinds(m) for m in messages if copies[m.key] > 1)


async def test_a_bind_without_an_answer_is_given_up_and_tried_again() -> None:
    async with smsc_site(ignore_binds=2) as made:
        messages = await made.accepted(3)
        await made.elapse(5.0)
        assert not made.lane().is_open
        assert made.counted("outcomes") == {}
        await made.up()
        await made.ended(messages)
        assert [made.world.kinds(m) for m in messages] == [[]] * 3
        assert [made.world.row(m).attempts for m in messages] == [0] * 3


@pytest.mark.parametrize(
    ("status", "wait_s"),
    [(CommandStatus.RBINDFAIL, 5.0), (CommandStatus.RINVPASWD, CREDENTIAL_RETRY_S + 5)],
)
async def test_a_refused_bind_is_tried_again_and_the_message_waits(
    status: CommandStatus, wait_s: float
) -> None:
    async with smsc_site(refuse_binds=1, bind_status=status) as made:
        messages = await made.accepted(3)
        await made.until(lambda: provider(made).describe()["last_error"])
        assert provider(made).describe()["last_error"] == f"bind refused: ESME_{status.name}"
        await made.until(made.lane().wire.is_up, most_s=wait_s)
        await made.ended(messages)
        assert [made.arrived(m) for m in messages] == [1] * 3


async def test_an_smsc_that_unbinds_gets_the_rest_when_it_is_back() -> None:
    async with smsc_site(NO_BREAKER, unbind_after=4) as made:
        messages = await made.accepted(20)
        await made.ended(messages)
        assert min(made.arrived(m) for m in messages) == 1


async def test_an_smsc_that_stops_reading_is_given_no_more() -> None:
    async with smsc_site(NO_BREAKER, stop_reading_after=5) as made:
        await made.up()
        messages = await made.accepted(40)
        await made.elapse(1.0)
        assert provider(made).room() == 0
        assert provider(made).outstanding <= WINDOW
        [link] = provider(made)._links
        assert link._transport.get_write_buffer_size() < 65_536
        await made.ended(messages)
        assert min(made.arrived(m) for m in messages) == 1


# --- garbage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [k for k in SMPP_KINDS if k not in UNTRUE])
async def test_garbage_costs_nothing_but_another_attempt(kind: Garbage) -> None:
    async with smsc_site(NO_BREAKER, garbage=kind, garbage_every=3) as made:
        messages = await made.accepted(4)
        await made.ended(messages)
        harmless = kind in HARMLESS
        copies = sum(made.arrived(m) for m in messages)
        assert (copies == 4) is harmless
        assert (made.counted("outcomes") == {}) is harmless
        assert any(K.UNKNOWN_OUTCOME in made.world.kinds(m) for m in messages) is not harmless


@pytest.mark.parametrize("kind", UNTRUE)
async def test_garbage_that_looks_like_an_answer_is_taken_for_one(kind: Garbage) -> None:
    """Its id is nobody's, so no receipt can come: the message ends when its window is over."""
    spec = {**NO_BREAKER, "receipt_window_s": 60}
    async with smsc_site(spec, garbage=kind, garbage_every=3) as made:
        messages = await made.accepted(4)
        await made.elapse(90)
        await made.world.heart.maintenance.close_receipt_windows_once()
        await made.elapse(1.0)
        states = [made.world.state(m) for m in messages]
        assert sorted(states) == [S.DELIVERED] * 3 + [S.UNKNOWN]
        lost = messages[states.index(S.UNKNOWN)]
        assert made.world.row(lost).provider_message_id in ("", "ÿ" * 255)
        assert made.world.spent() == (4 * PRICE, 0)
        made.check_money()


async def test_an_smsc_that_talks_nothing_but_garbage_is_left_for_another() -> None:
    specs: dict[str, Any] = {"bad": {"breaker": 3, "retry_s": SOON}, "good": {}}
    async with site(**specs) as made, AsyncExitStack() as stack:
        await add_smsc(made, stack, behaving(garbage=Garbage.SEQUENCE), "bad")
        await add_smsc(made, stack, behaving(), "good")
        await made.up("bad")
        made.lane("good").paused = True
        made.world.heart.dispatcher.room_changed(made.lane("good"))
        messages = await made.accepted(5)
        await made.elapse(ANSWER_S + 2)
        made.lane("good").paused = False
        made.world.heart.dispatcher.room_changed(made.lane("good"))
        await made.ended(messages)
        assert {made.world.row(m).provider_id for m in messages} == {2}
        assert made.world.heart.counters.circuits_opened["bad"]


# --- receipts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        {"receipt_first": True},
        {"receipt_delay_s": (0.1, 20.0)},
        {"duplicate_receipts": 2},
        {"stray_receipts": 1},
        {"receipt_first": True, "duplicate_receipts": 1, "stray_receipts": 1},
    ],
    ids=["before the answer", "out of order", "three times", "with strangers", "all of it"],
)
@pytest.mark.parametrize("text", ["hello", LONG])
@pytest.mark.parametrize("charge_at", [ChargeAt.ACCEPT, ChargeAt.DELIVERY])
async def test_receipts_as_they_please(
    script: dict[str, Any], text: str, charge_at: ChargeAt
) -> None:
    async with smsc_site(**script) as made:
        made.world.account().charge_at = charge_at
        messages = await made.accepted(4, text)
        await made.ended(messages)
        parts = sum(m.part_count for m in messages)
        assert made.world.spent() == (parts * PRICE, 0)
        assert made.tallies[NAME].receipts_taken == made.tallies[NAME].receipts_sent
        assert [made.arrived(m) for m in messages] == [1] * 4
        if script.get("duplicate_receipts") and not script.get("receipt_first"):
            assert {tuple(made.story(m)) for m in messages} == {(K.REPEATED_RECEIPT,)}
            assert made.counted("receipts")["repeated"] == 2 * parts
        if script.get("stray_receipts"):
            assert len(made.world.store.parked) == parts


async def test_a_receipt_days_late_turns_unknown_and_moves_no_money() -> None:
    spec = {"receipt_window_s": 3600}
    async with smsc_site(spec, receipt_delay_s=(4 * 86_400.0, 4 * 86_400.0)) as made:
        [message] = await made.accepted()
        await made.until(lambda: made.world.state(message) == S.SENT)
        await made.elapse(3700, step_s=100.0)
        await made.world.heart.maintenance.close_receipt_windows_once()
        await made.elapse(1.0)
        assert made.world.state(message) == S.UNKNOWN
        await made.elapse(4 * 86_400, step_s=3600.0)
        assert made.world.state(message) == S.DELIVERED
        assert made.world.kinds(message) == [K.LATE_RECEIPT]
        assert [s for _, s in made.world.notifier.told] == [S.UNKNOWN, S.DELIVERED]
        assert made.world.spent() == (PRICE, 0)


# --- ids --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response_ids", "receipt_ids"),
    [
        ("HEX", "UPPER_HEX"), ("UPPER_HEX", "HEX"), ("HEX", "PADDED_HEX"), ("PADDED_HEX", "HEX"),
        ("PADDED_HEX", "UPPER_HEX"), ("DECIMAL", "PADDED_DECIMAL"), ("PADDED_DECIMAL", "DECIMAL"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("receipt_first", [False, True])
async def test_other_spellings_of_an_id(
    response_ids: str, receipt_ids: str, receipt_first: bool
) -> None:
    script = {"response_ids": IdFormat[response_ids], "receipt_ids": IdFormat[receipt_ids]}
    async with smsc_site(receipt_first=receipt_first, **script) as made:
        messages = await made.accepted(3)
        await made.ended(messages)
        assert made.world.store.parked == []


@pytest.mark.parametrize(
    ("response_ids", "receipt_ids", "id_mode"),
    [
        ("HEX", "DECIMAL", "hex_to_dec"),
        ("PADDED_HEX", "PADDED_DECIMAL", "hex_to_dec"),
        ("DECIMAL", "UPPER_HEX", "dec_to_hex"),
    ],
)
async def test_another_base_is_told_and_read_once_the_setting_is_right(
    response_ids: str, receipt_ids: str, id_mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    script = {"response_ids": IdFormat[response_ids], "receipt_ids": IdFormat[receipt_ids]}
    async with smsc_site(**script) as made:
        messages = await made.accepted(3)
        await made.until(lambda: len(made.world.store.parked) == 3)
        await made.elapse(1.0)
        assert {made.world.state(m) for m in messages} == {S.SENT}
        assert made.counted("receipts") == {"parked": 3, "id_mode_mismatch": 3}
        [warning] = [r for r in caplog.records if r.message == "receipts.id_mode_mismatch"]
        assert warning.fields["id_mode_that_fits"] == id_mode  # type: ignore[attr-defined]
        made.lane().spec = provider_spec(NAME, id_mode=id_mode)
        await made.world.heart.receipts.reread_parked(made.lane(), "as_is")
        await made.ended(messages)
        assert made.world.store.parked == []
