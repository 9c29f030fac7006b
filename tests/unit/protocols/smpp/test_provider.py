from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.domain.lifecycle import MessageState
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from protocols.smpp import link as link_module
from protocols.smpp import provider as provider_module
from protocols.smpp.codec import encode_header, encode_tlv
from protocols.smpp.constants import RESP, CommandId, CommandStatus, Tag
from protocols.smpp.link import TICK_S
from protocols.smpp.provider import (
    CREDENTIAL_RETRY_S,
    STEADY_S,
    SmppProvider,
    SmppProviderOptions,
)
from protocols.smpp.session import Timers
from tests.support.clock import settle
from tests.support.smpp_peers import (
    ScriptedSmsc,
    SmppSink,
    SmscEnd,
    SocketClock,
    Tasks,
    eventually,
)
from tests.support.upstream import make_message

SILENT = Timers(session_init_s=30, enquire_link_s=0, inactivity_s=0, response_s=10)
RECEIPT = (
    b"id:%b sub:001 dlvrd:001 submit date:2609211200 done date:2609211201 stat:DELIVRD err:000"
    b" text:hello"
)


class South:
    """A provider, its carrier and the heart's end of it."""

    def __init__(self, smsc: ScriptedSmsc, **options: Any) -> None:
        self.smsc = smsc
        self.sink = SmppSink()
        self.clock = SocketClock()
        self.tasks = Tasks()
        settings: dict[str, Any] = {
            "name": "carrier", "host": "127.0.0.1", "port": smsc.port, "system_id": "gw",
            "password": "secret", "timers": SILENT,
        }  # fmt: skip
        self.provider = SmppProvider(
            SmppProviderOptions(**{**settings, **options}),
            self.sink,
            clock=self.clock,
            spawn=self.tasks.spawn,
            draw=lambda: 0.0,
        )

    async def up(self, binds: int = 1) -> SmscEnd:
        """The last of `binds` connections, all bound."""
        for _ in range(binds):
            end = await self.smsc.bound()
        await eventually(lambda: len(self.provider._transmitters) >= binds)
        return end

    async def outcome(self) -> Outcome:
        """The outcome of the oldest part not asked for yet."""
        await eventually(lambda: self.sink.outcomes)
        return self.sink.outcomes.pop(0)[2]

    @property
    def last_error(self) -> object:
        return self.provider.describe()["last_error"]

    async def elapse(self, seconds: float) -> None:
        """Time passes; whoever waited for it has had his turn."""
        self.clock.advance(seconds)
        await settle()


@asynccontextmanager
async def reaching(*, starts: bool = True, **options: Any) -> AsyncIterator[South]:
    """A started provider and its carrier; afterwards no task may have died."""
    smsc = ScriptedSmsc()
    await smsc.start()
    south = South(smsc, **options)
    if starts:
        await south.provider.start()
    try:
        yield south
    finally:
        await south.tasks.check()
        for link in list(south.provider._links):
            link.abort("the test ends")
        await eventually(lambda: not south.provider._links)
        await smsc.stop()


# --- the pool -------------------------------------------------------------------------------------


async def test_a_provider_is_up_once_its_bind_is_accepted() -> None:
    async with reaching(system_type="vma") as south:
        end = await south.smsc.connection()
        assert not south.provider.is_up()
        assert south.provider.room() == 0
        assert await end.accept_bind() == (CommandId.BIND_TRANSCEIVER, "gw", "secret")
        await eventually(south.provider.is_up)

        assert south.provider.room() == 10
        assert south.sink.room_changes == 1
        assert south.provider.describe() == {
            "wire": "smpp",
            "address": f"127.0.0.1:{south.smsc.port}",
            "binds": [
                {"peer": f"127.0.0.1:{south.smsc.port}", "state": "bound_trx", "outstanding": 0}
            ],
            "last_error": "",
        }


async def test_parts_are_spread_over_the_pool() -> None:
    async with reaching(binds=3, window=2) as south:
        ends = [await south.smsc.bound() for _ in range(3)]
        await eventually(lambda: south.provider.room() == 6)
        for key in range(6):
            south.provider.submit(make_message(key=key), 0)
        assert south.provider.room() == 0
        assert south.provider.is_up()
        for end in ends:
            await end.submit_sm()
            await end.submit_sm()


async def test_a_transmitter_and_a_receiver() -> None:
    async with reaching(bind_mode="transmitter+receiver") as south:
        ends = [await south.smsc.connection() for _ in range(2)]
        by_kind = {(await end.accept_bind())[0]: end for end in ends}
        await eventually(lambda: south.provider.room() == 10)
        transmitter = by_kind[CommandId.BIND_TRANSMITTER]
        south.provider.submit(make_message(), 0)
        transmitter.answer_submit((await transmitter.submit_sm())[0], 0, "7f")
        assert isinstance(await south.outcome(), Sent)

        receiver = by_kind[CommandId.BIND_RECEIVER]
        assert await receiver.deliver_status(RECEIPT % b"7f") == 0
        assert south.sink.receipts[0].provider_message_id == "7f"

        await transmitter.close()
        await eventually(lambda: not south.provider.is_up())


async def test_a_carrier_that_is_not_there_is_tried_with_growing_waits() -> None:
    async with reaching(starts=False) as south:
        await south.smsc.stop()
        await south.provider.start()
        await eventually(lambda: south.last_error)
        assert str(south.last_error).startswith("cannot connect: ")

        await south.smsc.start()
        await south.elapse(0.1)
        assert south.smsc.is_quiet
        await south.elapse(0.1)
        await south.up()
        assert south.last_error == ""


async def test_the_waits_double_up_to_half_a_minute() -> None:
    async with reaching() as south:
        for wait in (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0):
            end = await south.smsc.connection()
            await end.accept_bind(CommandStatus.RBINDFAIL)
            assert await end.read() is None
            await eventually(lambda: not south.provider._links)
            await settle()
            assert south.last_error == "bind refused: ESME_RBINDFAIL"
            await south.elapse(wait * 0.99)
            assert south.smsc.is_quiet
            await south.elapse(wait * 0.02)
        await south.up()


async def test_a_bind_that_stood_is_renewed_at_once() -> None:
    async with reaching() as south:
        for _ in range(5):
            end = await south.up()
            await south.elapse(STEADY_S)
            await end.close()
            await eventually(lambda: not south.provider.is_up())
            await settle()
            await south.elapse(0.2)


async def test_a_bind_that_never_stands_for_long_is_tried_less_and_less() -> None:
    async with reaching() as south:
        for wait_s in (0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0):
            end = await south.up()
            await end.close()
            await eventually(lambda: not south.provider._links)
            await settle()
            await south.elapse(wait_s * 0.9)
            assert south.smsc.is_quiet
            await south.elapse(wait_s * 0.2)


@pytest.mark.parametrize("status", [CommandStatus.RINVPASWD, CommandStatus.RINVSYSID])
async def test_wrong_credentials_are_tried_slowly(status: CommandStatus) -> None:
    async with reaching() as south:
        for _ in range(2):
            end = await south.smsc.connection()
            await end.accept_bind(status)
            await eventually(lambda: not south.provider._links)
            await settle()
            assert south.last_error == f"bind refused: ESME_{status.name}"
            await south.elapse(CREDENTIAL_RETRY_S - 1)
            assert south.smsc.is_quiet
            await south.elapse(1)


async def test_odd_refusals_of_a_bind() -> None:
    async with reaching() as south:
        end = await south.smsc.connection()
        await end.accept_bind(0x4F0)
        await eventually(lambda: south.last_error == "bind refused: 0x000004f0")
        await settle()
        await south.elapse(1.0)
        end = await south.smsc.connection()
        bind = await end.read()
        assert bind is not None
        end.write(encode_header(CommandId.GENERIC_NACK, 0, bind.sequence_number))
        await eventually(lambda: south.last_error == "bind refused: ESME_RBINDFAIL")


async def test_a_bind_that_is_never_answered_is_given_up() -> None:
    async with reaching() as south:
        end = await south.smsc.connection()
        assert (await end.read() or (0,))[0] == CommandId.BIND_TRANSCEIVER
        await south.elapse(30.0)
        assert await end.read() is None
        await eventually(lambda: south.last_error == "close_not_bound")


async def test_credentials_that_no_wire_can_carry() -> None:
    async with reaching(password="\u20ac") as south:
        await eventually(lambda: "UnicodeEncodeError" in str(south.last_error))
        assert not south.provider.is_up()


# --- submit_sm ----------------------------------------------------------------------------------


async def test_responses_in_any_order() -> None:
    async with reaching() as south:
        end = await south.up()
        messages = [make_message(key=key) for key in range(3)]
        for message in messages:
            south.provider.submit(message, 0)
        numbers = [(await end.submit_sm())[0] for _ in messages]
        for n in (2, 0, 1):
            end.answer_submit(numbers[n], 0, f"id-{n}")
        await eventually(lambda: len(south.sink.outcomes) == 3)

        assert [(m.key, part, repr(o)) for m, part, o in south.sink.outcomes] == [
            (2, 0, "Sent('id-2')"), (0, 0, "Sent('id-0')"), (1, 0, "Sent('id-1')"),
        ]  # fmt: skip
        assert south.provider.outstanding == 0


async def test_the_parts_of_a_message_are_settled_one_by_one() -> None:
    async with reaching(window=1) as south:
        end = await south.up()
        message = make_message("x" * 400)
        message.split_parts()
        for part in range(3):  # the window is advice: a message that was begun goes on
            south.provider.submit(message, part)
        assert south.provider.room() == 0
        for _ in range(3):
            sequence_number, sm = await end.submit_sm()
            end.answer_submit(sequence_number, 0, f"id-{sm.short_message[5]}")
        await eventually(lambda: len(south.sink.outcomes) == 3)
        assert [(part, repr(o)) for _, part, o in south.sink.outcomes] == [
            (0, "Sent('id-1')"), (1, "Sent('id-2')"), (2, "Sent('id-3')"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "kind"),
    [(0x58, Deferred), (0x14, Deferred), (0x08, Deferred), (0x0B, Refused), (0x45, Refused)],
)
@pytest.mark.parametrize("is_nack", [False, True])
async def test_errors(status: int, kind: type[Outcome], is_nack: bool) -> None:
    async with reaching() as south:
        end = await south.up()
        south.provider.submit(make_message(), 0)
        sequence_number, _ = await end.submit_sm()
        command_id = CommandId.GENERIC_NACK if is_nack else CommandId.SUBMIT_SM_RESP
        end.write(encode_header(command_id, status, sequence_number))
        outcome = await south.outcome()
        assert isinstance(outcome, kind)
        assert outcome.error == f"{status:03x}"  # type: ignore[attr-defined]
        assert south.provider.is_up()


async def test_an_answer_to_nothing_is_nothing() -> None:
    async with reaching() as south:
        end = await south.up()
        end.answer_submit(4711)
        end.write(encode_header(CommandId.GENERIC_NACK, 3, 0))
        await end.request(CommandId.ENQUIRE_LINK)
        assert not south.sink.outcomes
        assert not south.sink.late_outcomes


@pytest.mark.parametrize(("status", "kind"), [(0, Sent), (0x58, Deferred)])
async def test_an_answer_after_its_time(status: int, kind: type[Outcome]) -> None:
    async with reaching(response_timeout_s=5.0) as south:
        end = await south.up()
        message = make_message("x" * 200)
        message.split_parts()
        south.provider.submit(message, 1)
        sequence_number, _ = await end.submit_sm()
        await south.elapse(4.0)
        assert not south.sink.outcomes
        await south.elapse(1.0 + TICK_S)
        assert repr(await south.outcome()) == "Unknown('no answer in time', silent=True)"
        assert south.provider.room() == 10

        end.answer_submit(sequence_number, status, "77")
        await eventually(lambda: south.sink.late_outcomes)
        late_message, part, outcome = south.sink.late_outcomes[0]
        assert (late_message, part) == (message, 1)
        assert isinstance(outcome, kind)
        end.answer_submit(sequence_number, status, "77")  # told once
        await end.request(CommandId.ENQUIRE_LINK)
        assert len(south.sink.late_outcomes) == 1
        assert not south.sink.outcomes


async def test_a_lost_bind_leaves_its_messages_unknown() -> None:
    async with reaching() as south:
        end = await south.up()
        messages = [make_message(key=key) for key in range(3)]
        for message in messages:
            south.provider.submit(message, 0)
        end.answer_submit((await end.submit_sm())[0])
        assert isinstance(await south.outcome(), Sent)
        await end.submit_sm()
        await end.close()
        await eventually(lambda: len(south.sink.outcomes) == 2)
        assert [m for m, _, _ in south.sink.outcomes] == messages[1:]
        assert [isinstance(o, Unknown) and o.silent for _, _, o in south.sink.outcomes] == [
            False
        ] * 2
        assert south.provider.room() == 0
        assert not south.provider.is_up()


async def test_what_had_not_begun_to_leave_when_the_bind_broke_has_not_left() -> None:
    async with reaching() as south:
        end = await south.up()
        left, stayed = make_message(key=1), make_message(key=2)
        south.provider.submit(left, 0)
        await end.submit_sm()
        south.provider.submit(stayed, 0)
        [link] = south.provider._links
        link.abort("the wire broke")
        await eventually(lambda: len(south.sink.outcomes) == 2)
        assert {m.key: repr(o) for m, _, o in south.sink.outcomes} == {
            1: "Unknown('the wire broke')",
            2: "Deferred('no bind', throttled=False, unsent=True)",
        }


async def test_without_a_bind_a_message_is_deferred() -> None:
    async with reaching() as south:
        await south.smsc.connection()
        south.provider.submit(make_message(), 0)
        assert not south.sink.outcomes  # never from inside submit
        assert isinstance(await south.outcome(), Deferred)


async def test_a_message_that_cannot_be_encoded_is_refused() -> None:
    async with reaching(charset="latin1") as south:
        end = await south.up()
        south.provider.submit(make_message(sender="ΣΩ"), 0)
        assert not south.sink.outcomes
        assert isinstance(await south.outcome(), Refused)
        south.provider.submit(make_message("€" + "x" * 70), 0)
        assert isinstance(await south.outcome(), Refused)
        assert south.provider.outstanding == 0
        south.provider.submit(make_message("good"), 0)
        assert (await end.submit_sm())[1].short_message == b"good"


async def test_a_carrier_that_does_not_read_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "WRITE_HIGH_OCTETS", 4096)
    async with reaching(window=1_000_000) as south:
        end = await south.up()
        given = 0
        while south.provider.room():
            for _ in range(100):
                south.provider.submit(make_message(), 0)
            given += 100
            await settle(3)
        assert south.provider.is_up()
        news = south.sink.room_changes
        for _ in range(given):
            await end.submit_sm()
        await eventually(lambda: south.sink.room_changes > news)
        assert south.provider.room() == 1_000_000 - given


# --- receipts -----------------------------------------------------------------------------------


async def test_a_receipt_is_answered_only_once_it_is_stored() -> None:
    async with reaching() as south:
        end = await south.up()
        south.sink.store_ok = None
        sequence_number = end.deliver(RECEIPT % b"7f")
        await end.request(CommandId.ENQUIRE_LINK)  # and no deliver_sm_resp before it
        assert south.sink.receipts[0].state is MessageState.DELIVERED
        stored, token = south.sink.unanswered.pop()
        stored(token, True)
        pdu = await end.read()
        assert pdu == (CommandId.DELIVER_SM_RESP, 0, sequence_number, b"\0")


async def test_a_receipt_that_cannot_be_stored_is_asked_for_again() -> None:
    async with reaching() as south:
        end = await south.up()
        south.sink.store_ok = False
        assert await end.deliver_status(RECEIPT % b"7f") == CommandStatus.RX_T_APPN


async def test_too_many_receipts_that_wait_for_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "MOST_UNSTORED", 2)
    async with reaching() as south:
        end = await south.up()
        south.sink.store_ok = None
        for _ in range(2):
            end.deliver(RECEIPT % b"7f")
        assert (await end.deliver_status(RECEIPT % b"7f")) == CommandStatus.RX_T_APPN
        stored, token = south.sink.unanswered.pop()
        stored(token, True)
        assert (await end.expect(CommandId.DELIVER_SM_RESP)).command_status == 0
        south.sink.store_ok = True
        assert await end.deliver_status(RECEIPT % b"7f") == 0


async def test_a_receipt_stored_after_the_bind_is_gone() -> None:
    async with reaching() as south:
        end = await south.up()
        south.sink.store_ok = None
        end.deliver(RECEIPT % b"7f")
        await eventually(lambda: south.sink.unanswered)
        await end.close()
        await eventually(lambda: not south.provider.is_up())
        stored, token = south.sink.unanswered.pop()
        stored(token, True)


@pytest.mark.parametrize(
    ("text", "esm_class", "tlvs", "message_id"),
    [
        (RECEIPT % b"7f", 4, b"", "7f"),
        (b"id:7f stat:UNDELIV", 4, b"", "7f"),
        (b"", 0, encode_tlv(Tag.RECEIPTED_MESSAGE_ID, b"7f\0"), "7f"),
    ],
)
async def test_receipts_of_any_form(
    text: bytes, esm_class: int, tlvs: bytes, message_id: str
) -> None:
    async with reaching() as south:
        end = await south.up()
        assert await end.deliver_status(text, esm_class=esm_class, tlvs=tlvs) == 0
        assert [r.provider_message_id for r in south.sink.receipts] == [message_id]


async def test_ids_in_two_bases() -> None:
    async with reaching(id_mode="hex_to_dec") as south:
        end = await south.up()
        assert await end.deliver_status(RECEIPT % b"171") == 0
        assert await end.deliver_status(b"id:172 stat:EXPIRED") == 0
        assert [r.provider_message_id for r in south.sink.receipts] == ["ab", "ac"]


async def test_what_is_no_receipt_is_refused() -> None:
    async with reaching() as south:
        end = await south.up()
        assert await end.deliver_status(b"hello", esm_class=0) == CommandStatus.RX_R_APPN
        end.write(encode_header(CommandId.DELIVER_SM, 0, 50))
        pdu = await end.expect(CommandId.DELIVER_SM_RESP)
        assert (pdu.command_status, pdu.sequence_number) == (CommandStatus.RINVCMDLEN, 50)
        assert not south.sink.receipts


async def test_a_defect_behind_the_wire_costs_one_receipt_only(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object) -> None:
        raise KeyError("a defect")

    async with reaching() as south:
        end = await south.up()
        with monkeypatch.context() as patched:
            patched.setattr(south.sink, "receipt", defect)
            assert await end.deliver_status(RECEIPT % b"7f") == CommandStatus.RSYSERR
        assert "link.failed" in [record.message for record in caplog.records]
        assert await end.deliver_status(RECEIPT % b"7f") == 0


@pytest.mark.parametrize("command_id", [CommandId.DATA_SM, CommandId.SUBMIT_SM])
async def test_what_is_not_served_is_refused(command_id: CommandId) -> None:
    async with reaching() as south:
        end = await south.up()
        assert (await end.request(command_id)).command_status in (
            CommandStatus.RINVCMDID, CommandStatus.RINVBNDSTS,
        )  # fmt: skip


async def test_an_alert_notification_has_no_response() -> None:
    async with reaching() as south:
        end = await south.up()
        end.write(encode_header(CommandId.ALERT_NOTIFICATION, 0, 9))
        end.write(encode_header(CommandId.ENQUIRE_LINK, 0, 10))
        pdu = await end.read()
        assert pdu is not None
        assert pdu[:3] == (CommandId.ENQUIRE_LINK | RESP, 0, 10)


# --- the end --------------------------------------------------------------------------------------


async def test_the_carriers_unbind_is_answered_after_what_is_outstanding() -> None:
    async with reaching() as south:
        end = await south.up()
        south.provider.submit(make_message(), 0)
        sequence_number, _ = await end.submit_sm()
        end.write(encode_header(CommandId.UNBIND, 0, 99))
        await eventually(lambda: not south.provider.is_up())
        assert south.provider.room() == 0
        assert await end.deliver_status(RECEIPT % b"7f") == 0  # receipts still pass

        end.answer_submit(sequence_number)
        assert isinstance(await south.outcome(), Sent)
        assert (await end.expect(CommandId.UNBIND_RESP)).sequence_number == 99
        assert await end.read() is None
        await eventually(lambda: south.last_error == "the provider unbound")
        await settle()
        await south.elapse(0.2)
        await south.up()


async def test_stop_drains_unbinds_and_ends() -> None:
    async with reaching(binds=2) as south:
        ends = [await south.smsc.bound() for _ in range(2)]
        await eventually(lambda: south.provider.room() == 20)
        south.provider.submit(make_message(key=1), 0)
        south.provider.submit(make_message(key=2), 0)
        numbers = [(await end.submit_sm())[0] for end in ends]
        stopping = south.tasks.spawn(south.provider.stop(10.0), "stop")
        await settle()
        assert not south.provider.is_up()
        assert south.provider.room() == 0

        for end, number in zip(ends, numbers, strict=True):
            end.answer_submit(number)
        await eventually(lambda: len(south.sink.outcomes) == 2)
        await south.clock.advance_async(0.1)
        for end in ends:
            await end.expect_unbind()
            assert await end.read() is None
        await south.clock.advance_async(0.1)
        await stopping
        assert all(isinstance(outcome, Sent) for _, _, outcome in south.sink.outcomes)
        await south.elapse(60.0)
        assert south.smsc.is_quiet


async def test_stop_does_not_wait_for_ever() -> None:
    async with reaching() as south:
        await south.up()
        south.provider.submit(make_message(), 0)
        stopping = south.tasks.spawn(south.provider.stop(2.0), "stop")
        await south.clock.advance_async(3.0)
        await stopping
        assert isinstance(await south.outcome(), Unknown)


async def test_stop_before_anything_is_connected() -> None:
    async with reaching() as south:
        end = await south.smsc.connection()
        stopping = south.tasks.spawn(south.provider.stop(2.0), "stop")
        await south.clock.advance_async(0.1)
        await stopping
        assert (await end.read() or (0,))[0] == CommandId.BIND_TRANSCEIVER
        assert await end.read() is None


# --- life signs ---------------------------------------------------------------------------------


async def test_a_silent_carrier_is_asked_and_given_up() -> None:
    timers = Timers(enquire_link_s=30, inactivity_s=0, response_s=10)
    async with reaching(timers=timers) as south:
        end = await south.up()
        await south.elapse(30.0)
        asked = await end.expect(CommandId.ENQUIRE_LINK)
        end.write(encode_header(CommandId.ENQUIRE_LINK_RESP, 0, asked.sequence_number))
        await end.request(CommandId.ENQUIRE_LINK)
        await south.elapse(30.0)
        again = await end.expect(CommandId.ENQUIRE_LINK)
        assert again.sequence_number != asked.sequence_number
        await south.elapse(10.0 + TICK_S)
        assert await end.read() is None
        await eventually(lambda: south.last_error == "close_no_answer")
