import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.ports import Clock
from gateway.runtime.clock import LoopClock
from postern.simulator import smsc as smsc_module
from postern.simulator.behaviour import Behaviour, IdFormat
from postern.simulator.garbage import Garbage
from postern.simulator.inbox import Inbox
from postern.simulator.smsc import SimulatedSmsc
from protocols.smpp import receipt_text
from protocols.smpp.codec import decode_tlvs, encode_bind, encode_header, encode_tlv, tlv
from protocols.smpp.constants import CommandId, CommandStatus, Tag
from protocols.smpp.link import TICK_S
from tests.support.clock import FakeClock
from tests.support.esme import bound, connect

PROMPT = Behaviour(receipt_delay_s=(0.0, 0.0), late_by_s=0.0)
TO = "37120000000"


@asynccontextmanager
async def serving(
    inbox: Inbox | None = None,
    *,
    behaviour: Behaviour = PROMPT,
    clock: Clock | None = None,
    system_id: str = "",
    password: str = "",
) -> AsyncIterator[SimulatedSmsc]:
    smsc = SimulatedSmsc(
        "carrier",
        inbox=Inbox() if inbox is None else inbox,
        clock=clock or LoopClock(asyncio.get_running_loop()),
        behaviour=behaviour,
        system_id=system_id,
        password=password,
    )
    await smsc.start("127.0.0.1", 0)
    try:
        yield smsc
    finally:
        await smsc.stop(0.0)


# --- binds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command_id",
    [CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER, CommandId.BIND_TRANSCEIVER],
)
async def test_binds_of_every_kind_are_answered(command_id: CommandId) -> None:
    async with serving() as smsc, connect(smsc.port) as esme:
        assert await esme.bind(command_id) == 0
        assert (await esme.request(CommandId.ENQUIRE_LINK)).command_status == 0
        assert (await esme.request(CommandId.UNBIND)).command_status == 0
        assert await esme.read() is None


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [
        ("gw", "secret", CommandStatus.ROK),
        ("gw", "wrong", CommandStatus.RINVPASWD),
        ("other", "secret", CommandStatus.RINVSYSID),
    ],
)
async def test_credentials_are_checked_when_there_are_any(
    system_id: str, password: str, status: CommandStatus
) -> None:
    async with (
        serving(system_id="gw", password="secret") as smsc,
        connect(smsc.port) as esme,
    ):
        assert await esme.bind(system_id=system_id, password=password) == status


async def test_a_refused_bind_may_be_tried_again() -> None:
    async with serving(password="secret") as smsc, connect(smsc.port) as esme:
        assert await esme.bind(password="wrong") == CommandStatus.RINVPASWD
        assert await esme.bind(password="secret") == 0
        assert (await esme.submit(TO))[0] == 0


async def test_too_many_system_ids_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smsc_module, "MOST_MAILBOXES", 1)
    async with serving() as smsc, bound(smsc.port, system_id="a"), connect(smsc.port) as esme:
        assert await esme.bind(system_id="b") == CommandStatus.RBINDFAIL
        assert await esme.bind(system_id="a") == 0


async def test_too_many_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smsc_module, "MOST_CONNECTIONS", 1)
    async with serving() as smsc, bound(smsc.port), connect(smsc.port) as esme:
        assert await esme.read() is None


async def test_what_is_not_served_is_refused_and_the_session_goes_on() -> None:
    async with serving() as smsc, bound(smsc.port) as esme:
        assert (await esme.request(CommandId.QUERY_SM)).command_status == CommandStatus.RINVCMDID
        assert (await esme.submit(TO))[0] == 0


# --- submit_sm and receipts -----------------------------------------------------------------------


async def test_a_message_reaches_the_inbox_and_its_receipt_comes_back() -> None:
    inbox = Inbox()
    async with serving(inbox) as smsc, bound(smsc.port) as esme:
        status, message_id = await esme.submit(TO, b"hello")
        receipt = await esme.receipt()

    text = receipt_text.parse(receipt.short_message)
    assert status == 0
    assert text is not None
    assert (text.id, text.stat, text.err, text.text) == (message_id, "DELIVRD", "000", "hello")
    assert decode_tlvs(receipt.tlvs) == [
        (Tag.RECEIPTED_MESSAGE_ID, message_id.encode() + b"\0"), (Tag.MESSAGE_STATE, b"\x02"),
    ]  # fmt: skip
    assert inbox.after(0) == [
        {
            "n": 1, "channel": "sms", "provider": "carrier", "from": "POSTERN",
            "to": "+37120000000", "text": "hello", "parts": 1,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("recipient", "stat", "err"),
    [
        ("37120000001", "UNDELIV", "001"),
        ("37120000003", "DELIVRD", "000"),
        ("37120000005", "EXPIRED", "005"),
    ],
)
async def test_magic_numbers_get_their_receipts(recipient: str, stat: str, err: str) -> None:
    async with serving() as smsc, bound(smsc.port) as esme:
        assert (await esme.submit(recipient))[0] == 0
        text = receipt_text.parse((await esme.receipt()).short_message)

    assert text is not None
    assert (text.stat, text.err) == (stat, err)


async def test_magic_number_0002_gets_none() -> None:
    async with serving() as smsc, bound(smsc.port) as esme:
        assert (await esme.submit("37120000002"))[0] == 0
        _, other = await esme.submit(TO)
        receipt = await esme.receipt()

    assert tlv(receipt.tlvs, Tag.RECEIPTED_MESSAGE_ID) == other.encode() + b"\0"


async def test_magic_number_0004_is_throttled_first() -> None:
    inbox = Inbox()
    async with serving(inbox) as smsc, bound(smsc.port) as esme:
        assert await esme.submit("37120000004") == (CommandStatus.RTHROTTLED, "")
        assert inbox.after(0) == []
        assert (await esme.submit("37120000004"))[0] == 0
    assert len(inbox.after(0)) == 1


@pytest.mark.parametrize(
    ("registered_delivery", "recipients"),
    [
        (0x00, []),
        (0x01, ["37120000000", "37120000001"]),
        (0x02, ["37120000001"]),
        (0x03, ["37120000000"]),
        (0x10, []),
    ],
)
async def test_receipts_are_sent_as_registered(
    registered_delivery: int, recipients: list[str]
) -> None:
    async with serving() as smsc, bound(smsc.port) as esme:
        for recipient in ("37120000000", "37120000001"):
            await esme.submit(recipient, registered_delivery=registered_delivery)
        await esme.submit("37129999999")  # whose receipt ends the list
        sources = []
        while (receipt := await esme.receipt()).source_addr != "37129999999":
            sources.append(receipt.source_addr)

    assert sources == recipients


async def test_a_transmitters_receipts_go_to_a_receiver_of_its_system_id() -> None:
    async with (
        serving() as smsc,
        bound(smsc.port, CommandId.BIND_RECEIVER, "other"),
        bound(smsc.port, CommandId.BIND_RECEIVER) as receiver,
        bound(smsc.port, CommandId.BIND_TRANSMITTER) as transmitter,
    ):
        _, message_id = await transmitter.submit(TO)
        receipt = await receiver.receipt()

    assert tlv(receipt.tlvs, Tag.RECEIPTED_MESSAGE_ID) == message_id.encode() + b"\0"


async def test_receipts_wait_for_a_receiver_to_come_back() -> None:
    async with serving() as smsc:
        async with bound(smsc.port, CommandId.BIND_TRANSMITTER) as transmitter:
            _, message_id = await transmitter.submit(TO)
        async with bound(smsc.port, CommandId.BIND_RECEIVER) as receiver:
            receipt = await receiver.receipt()

    assert tlv(receipt.tlvs, Tag.RECEIPTED_MESSAGE_ID) == message_id.encode() + b"\0"


async def test_an_unanswered_receipt_comes_again_on_the_next_bind() -> None:
    async with serving() as smsc:
        async with bound(smsc.port) as esme:
            await esme.submit(TO)
            first = await esme.receipt(answer=None)
        async with bound(smsc.port) as esme:
            again = await esme.receipt()

    assert again.short_message == first.short_message


async def test_a_receipt_that_the_esme_postpones_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smsc_module, "POSTPONE_S", 0.0)
    async with serving() as smsc, bound(smsc.port) as esme:
        await esme.submit(TO)
        first = await esme.receipt(answer=CommandStatus.RX_T_APPN)
        again = await esme.receipt()
        await esme.request(CommandId.ENQUIRE_LINK)

        assert again.short_message == first.short_message
        assert (smsc.tally.receipts_sent, smsc.tally.receipts_taken) == (2, 1)


async def test_a_receipt_that_the_esme_refuses_is_not_repeated() -> None:
    async with serving() as smsc, bound(smsc.port) as esme:
        await esme.submit(TO)
        await esme.receipt(answer=CommandStatus.RX_R_APPN)
        await esme.request(CommandId.ENQUIRE_LINK)

        assert (smsc.tally.receipts_sent, smsc.tally.receipts_taken) == (1, 0)


async def test_an_old_peer_gets_no_tlvs() -> None:
    async with serving() as smsc, connect(smsc.port) as esme:
        assert await esme.bind(interface_version=0x33) == 0
        await esme.submit(TO)

        assert (await esme.receipt()).tlvs == b""


async def test_too_many_owed_receipts_stop_the_submits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smsc_module, "MOST_OWED", 1)
    async with serving() as smsc, bound(smsc.port) as esme:
        assert (await esme.submit(TO))[0] == 0
        receipt = await esme.expect(CommandId.DELIVER_SM)
        assert (await esme.submit(TO))[0] == CommandStatus.RMSGQFUL
        esme.write(encode_header(CommandId.GENERIC_NACK, 3, receipt.sequence_number))
        assert (await esme.submit(TO))[0] == 0


async def test_parts_are_answered_one_by_one_and_joined_in_the_inbox() -> None:
    inbox = Inbox()
    async with serving(inbox) as smsc, bound(smsc.port) as esme:
        ids = {
            (await esme.submit(TO, b"\5\0\3\7\2" + bytes((n,)) + octets, esm_class=0x40))[1]
            for n, octets in ((1, b"long "), (2, b"text"))
        }
        receipted = {tlv((await esme.receipt()).tlvs, Tag.RECEIPTED_MESSAGE_ID) for _ in range(2)}

    assert receipted == {message_id.encode() + b"\0" for message_id in ids}
    assert [(entry["text"], entry["parts"]) for entry in inbox.after(0)] == [("long text", 2)]


@pytest.mark.parametrize(
    ("to", "octets", "tlvs", "status"),
    [
        ("", b"a", b"", CommandStatus.RINVDSTADR),
        ("ACME", b"a", b"", CommandStatus.RINVDSTADR),
        (TO, b"a", encode_tlv(Tag.MESSAGE_PAYLOAD, b"b"), CommandStatus.RINVMSGLEN),
    ],
)
async def test_impossible_messages_are_rejected(
    to: str, octets: bytes, tlvs: bytes, status: CommandStatus
) -> None:
    inbox = Inbox()
    async with serving(inbox) as smsc, bound(smsc.port) as esme:
        assert await esme.submit(to, octets, tlvs=tlvs) == (status, "")
    assert inbox.after(0) == []


async def test_ids_of_a_later_run_are_new() -> None:
    clock = FakeClock()
    first = SimulatedSmsc("carrier", inbox=Inbox(), clock=clock)
    clock.advance(1.0)
    second = SimulatedSmsc("carrier", inbox=Inbox(), clock=clock)

    assert next(second._numbers) - next(first._numbers) == 1_000_000


# --- scripted misbehaviour ------------------------------------------------------------------------


async def test_script_reject() -> None:
    inbox = Inbox()
    async with (
        serving(inbox, behaviour=replace(PROMPT, reject_status=0x45)) as smsc,
        bound(smsc.port) as esme,
    ):
        assert await esme.submit(TO) == (CommandStatus.RSUBMITFAIL, "")
    assert inbox.after(0) == []


async def test_script_throttle_every_second() -> None:
    async with (
        serving(behaviour=replace(PROMPT, throttle_every=2)) as smsc,
        bound(smsc.port) as esme,
    ):
        statuses = [(await esme.submit(TO))[0] for _ in range(4)]

    assert statuses == [0, CommandStatus.RTHROTTLED] * 2


async def test_script_drop_after_two() -> None:
    inbox = Inbox()
    async with serving(inbox, behaviour=replace(PROMPT, drop_after=2)) as smsc:
        for _ in range(2):
            async with bound(smsc.port) as esme:
                for _ in range(3):
                    esme.write_submit(TO, registered_delivery=0)
                answers = []
                while (pdu := await esme.read()) is not None:
                    answers.append(pdu)
            # The first answer may be lost with the connection; the second is never sent.
            assert len(answers) <= 1
        assert smsc.tally.unanswered == 2
    assert len(inbox.after(0)) == 4


async def test_script_never_answer() -> None:
    inbox = Inbox()
    async with (
        serving(inbox, behaviour=replace(PROMPT, silence_every=1)) as smsc,
        bound(smsc.port) as esme,
    ):
        esme.write_submit(TO)
        esme.write(encode_header(CommandId.ENQUIRE_LINK, 0, esme.next_sequence()))
        pdu = await esme.read()

        assert pdu is not None
        assert pdu.command_id == CommandId.ENQUIRE_LINK_RESP
        assert smsc.tally.unanswered == 1
    assert len(inbox.after(0)) == 1


async def test_script_ids_in_two_formats() -> None:
    script = replace(PROMPT, response_ids=IdFormat.HEX, receipt_ids=IdFormat.DECIMAL)
    async with serving(behaviour=script) as smsc, bound(smsc.port) as esme:
        _, message_id = await esme.submit(TO)
        text = receipt_text.parse((await esme.receipt()).short_message)

    assert text is not None
    assert text.id != message_id
    assert int(text.id) == int(message_id, 16)


async def test_script_receipt_first() -> None:
    async with (
        serving(behaviour=replace(PROMPT, receipt_first=True)) as smsc,
        bound(smsc.port) as esme,
    ):
        esme.write_submit(TO)
        kinds = [pdu.command_id for pdu in (await esme.read(), await esme.read()) if pdu]

    assert kinds == [CommandId.DELIVER_SM, CommandId.SUBMIT_SM_RESP]


async def test_script_duplicate_receipts() -> None:
    async with (
        serving(behaviour=replace(PROMPT, duplicate_receipts=2)) as smsc,
        bound(smsc.port) as esme,
    ):
        await esme.submit(TO)
        texts = {(await esme.receipt()).short_message for _ in range(3)}

    assert len(texts) == 1


async def test_script_stray_receipts() -> None:
    async with (
        serving(behaviour=replace(PROMPT, stray_receipts=1)) as smsc,
        bound(smsc.port) as esme,
    ):
        _, message_id = await esme.submit(TO)
        texts = [receipt_text.parse((await esme.receipt()).short_message) for _ in range(2)]

    assert [text.id == message_id for text in texts if text] == [False, True]


async def test_script_reject_every_second() -> None:
    script = replace(PROMPT, reject_status=0x45, reject_every=2)
    async with serving(behaviour=script) as smsc, bound(smsc.port) as esme:
        assert [(await esme.submit(TO))[0] for _ in range(4)] == [0, 0x45, 0, 0x45]


async def test_script_ignore_and_refuse_binds() -> None:
    script = replace(PROMPT, ignore_binds=1, refuse_binds=1, bind_status=0x0E)
    async with serving(behaviour=script) as smsc, connect(smsc.port) as esme:
        ignored = esme.next_sequence()
        esme.write(encode_bind(CommandId.BIND_TRANSCEIVER, ignored, "esme", "", "", 0x34))
        assert await esme.bind() == CommandStatus.RINVPASWD  # the answer to the second one
        assert await esme.bind() == 0


async def test_script_unbind_after_two() -> None:
    async with (
        serving(behaviour=replace(PROMPT, unbind_after=2)) as smsc,
        bound(smsc.port) as esme,
    ):
        for _ in range(2):
            assert (await esme.submit(TO, registered_delivery=0))[0] == 0
        unbind = await esme.expect(CommandId.UNBIND)
        esme.write(encode_header(CommandId.UNBIND_RESP, 0, unbind.sequence_number))
        assert await esme.read() is None


async def test_script_stop_reading_after_one() -> None:
    inbox = Inbox()
    async with (
        serving(inbox, behaviour=replace(PROMPT, stop_reading_after=1)) as smsc,
        bound(smsc.port) as esme,
    ):
        assert (await esme.submit(TO, registered_delivery=0))[0] == 0
        (link,) = smsc.links
        assert not link._transport.is_reading()
        esme.write_submit(TO)
        link.release()
        await esme.expect(CommandId.SUBMIT_SM_RESP)
    assert len(inbox.after(0)) == 2


async def test_script_garbage_beside_the_answers() -> None:
    async with (
        serving(behaviour=replace(PROMPT, garbage=Garbage.COMMAND)) as smsc,
        bound(smsc.port) as esme,
    ):
        sequence_number = esme.write_submit(TO, registered_delivery=0)
        pdus = [await esme.read(), await esme.read()]

    assert [(pdu.command_id, pdu.sequence_number) for pdu in pdus if pdu] == [
        (0x99, sequence_number), (CommandId.SUBMIT_SM_RESP, sequence_number),
    ]  # fmt: skip


async def test_script_garbage_instead_of_each_second_answer() -> None:
    inbox = Inbox()
    script = replace(PROMPT, garbage=Garbage.SEQUENCE, garbage_every=2)
    async with serving(inbox, behaviour=script) as smsc, bound(smsc.port) as esme:
        sent = [esme.write_submit(TO, registered_delivery=0) for _ in range(3)]
        answered = [await esme.expect(CommandId.SUBMIT_SM_RESP) for _ in range(3)]

        assert [pdu.sequence_number for pdu in answered] == [sent[0], 0x7FFFFFFF, sent[2]]
        assert (smsc.tally.accepted, smsc.tally.unanswered) == (2, 1)
    assert len(inbox.after(0)) == 3


# --- time -----------------------------------------------------------------------------------------


class HastyClock(LoopClock):
    """Notes every delay but the links' tick, and lets it pass at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.delays: list[float] = []

    def call_later(
        self, delay_s: float, callback: Callable[..., object], *args: object
    ) -> asyncio.TimerHandle:
        if delay_s == TICK_S:
            return super().call_later(delay_s, callback, *args)
        self.delays.append(delay_s)
        return super().call_later(0.0, callback, *args)


async def test_answers_and_receipts_take_the_scripted_time() -> None:
    clock = HastyClock(asyncio.get_running_loop())
    behaviour = Behaviour(answer_delay_s=60.0, receipt_delay_s=(120.0, 120.0), late_by_s=600.0)
    async with serving(clock=clock, behaviour=behaviour) as smsc, bound(smsc.port) as esme:
        await esme.submit(TO)
        text = receipt_text.parse((await esme.receipt()).short_message)
        await esme.submit("37120000003")
        await esme.receipt()

    assert clock.delays == [60.0, 180.0, 60.0, 780.0]
    assert text is not None
    taken_ms = receipt_text.decode_date(text.done_date) - receipt_text.decode_date(text.submit_date)
    assert taken_ms == 180_000


async def test_a_receipt_without_an_answer_is_sent_again() -> None:
    async with serving() as smsc, bound(smsc.port) as esme:
        await esme.submit(TO)
        first = await esme.receipt(answer=None)
        (link,) = smsc.links
        link.swept(math.inf)
        again = await esme.receipt()

    assert again.short_message == first.short_message


async def test_stop_unbinds_the_esmes() -> None:
    async with serving() as smsc, bound(smsc.port) as esme:
        stopping = asyncio.ensure_future(smsc.stop(10.0))
        unbind = await esme.expect(CommandId.UNBIND)
        esme.write(encode_header(CommandId.UNBIND_RESP, 0, unbind.sequence_number))
        assert await esme.read() is None
        await stopping

        assert not smsc.links
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", smsc.port)


async def test_stop_does_not_wait_for_ever() -> None:
    async with serving() as smsc, bound(smsc.port) as esme:
        await smsc.stop(0.0)
        while await esme.read() is not None:
            pass
