import struct

import pytest

from gateway.domain.account import Door
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.message import Submission
from protocols.smpp import link as link_module
from protocols.smpp import mapping
from protocols.smpp.codec import (
    decode_message_id,
    encode_bind,
    encode_header,
    encode_submit_sm,
    encode_tlv,
)
from protocols.smpp.constants import CommandId, CommandStatus, Tag
from protocols.smpp.link import CLOSE_LIMIT_S, TICK_S
from protocols.smpp.server import ServerOptions
from protocols.smpp.session import State, Timers
from tests.support.clock import settle
from tests.support.esme import PASSWORD, Esme, bound, connect
from tests.support.smpp_peers import PUBLIC_IDS, SocketClock, eventually, serving

TO = "37120000001"
SILENT = Timers(session_init_s=0, enquire_link_s=0, inactivity_s=0, response_s=10)


async def passes(esme: Esme) -> None:
    """The session lives, and nothing else came before this answer."""
    sequence_number = esme.next_sequence()
    esme.write(encode_header(CommandId.ENQUIRE_LINK, 0, sequence_number))
    pdu = await esme.read()
    assert pdu is not None
    assert pdu[:3] == (CommandId.ENQUIRE_LINK_RESP, 0, sequence_number)


def submit_body(to: bytes = b"37120000001", source: bytes = b"ACME") -> bytes:
    return b"\0\5\0%b\0\1\1%b\0\0\0\0\0\0\1\0\0\0\5hello" % (source, to)


def submit_pdu(sequence_number: int, body: bytes) -> bytes:
    return struct.pack(">IIII", 16 + len(body), 4, 0, sequence_number) + body


# --- states -------------------------------------------------------------------------------------


async def test_submit_before_bind() -> None:
    async with serving() as north, connect(north.port) as esme:
        assert await esme.submit(TO) == (CommandStatus.RINVBNDSTS, "")
        assert not north.submitter.submissions
        assert await esme.bind() == 0


async def test_submit_on_a_receiver() -> None:
    async with serving() as north, bound(north.port, CommandId.BIND_RECEIVER) as esme:
        assert await esme.submit(TO) == (CommandStatus.RINVBNDSTS, "")
        await passes(esme)


async def test_submits_right_behind_the_bind_wait_for_the_password() -> None:
    async with serving() as north, connect(north.port) as esme:
        north.submitter.answers_at_once = True
        bind = encode_bind(CommandId.BIND_TRANSCEIVER, 1, "esme", PASSWORD, "")
        esme.write(bind + submit_pdu(2, submit_body()) + submit_pdu(3, submit_body()))

        assert [(await esme.read() or (0, 0))[:3] for _ in range(3)] == [
            (CommandId.BIND_TRANSCEIVER_RESP, 0, 1),
            (CommandId.SUBMIT_SM_RESP, 0, 2),
            (CommandId.SUBMIT_SM_RESP, 0, 3),
        ]


async def test_submits_right_behind_a_wrong_password_are_refused() -> None:
    async with serving() as north, connect(north.port) as esme:
        bind = encode_bind(CommandId.BIND_TRANSCEIVER, 1, "esme", "wrong", "")
        esme.write(bind + submit_pdu(2, submit_body()))

        assert (await esme.expect(CommandId.BIND_TRANSCEIVER_RESP)).command_status == 0x0E
        assert (await esme.expect(CommandId.SUBMIT_SM_RESP)).command_status == 0x04
        assert not north.submitter.submissions


@pytest.mark.parametrize(
    "command_id",
    [
        CommandId.QUERY_SM, CommandId.CANCEL_SM, CommandId.REPLACE_SM, CommandId.SUBMIT_MULTI,
        CommandId.DATA_SM,
    ],
)  # fmt: skip
async def test_what_is_not_served_is_refused(command_id: CommandId) -> None:
    async with serving() as north, bound(north.port) as esme:
        assert (await esme.request(command_id)).command_status == CommandStatus.RINVCMDID
        await passes(esme)


async def test_what_only_an_smsc_may_send_is_refused_or_ignored() -> None:
    async with serving() as north, bound(north.port) as esme:
        pdu = await esme.request(CommandId.DELIVER_SM)
        assert pdu.command_status == CommandStatus.RINVBNDSTS
        esme.write(encode_header(CommandId.OUTBIND, 0, 90))
        esme.write(encode_header(CommandId.ALERT_NOTIFICATION, 0, 91))
        esme.write(encode_header(CommandId.DELIVER_SM_RESP, 0, 92))
        esme.write(encode_header(0x80007777, 0, 93))
        await passes(esme)


async def test_an_unknown_command_is_nacked_with_its_sequence_number() -> None:
    async with serving() as north, bound(north.port) as esme:
        esme.write(encode_header(0x00007777, 0, 0xFFFFFFFF))
        pdu = await esme.expect(CommandId.GENERIC_NACK)
        assert (pdu.command_status, pdu.sequence_number) == (3, 0xFFFFFFFF)
        await passes(esme)


@pytest.mark.parametrize(
    "octets",
    [
        struct.pack(">IIII", 15, 4, 0, 9),
        struct.pack(">IIII", 0, 4, 0, 9),
        struct.pack(">IIII", 65_537, 4, 0, 9),
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\nHost: postern\r\n\r\n",
        bytes.fromhex("16030100c8010000c40303") + bytes(40),
    ],
)
async def test_a_stream_that_is_lost_is_nacked_and_closed(octets: bytes) -> None:
    async with serving() as north:
        for is_bound in (False, True):
            async with connect(north.port) as esme:
                if is_bound:
                    await esme.bind()
                esme.write(octets)
                pdu = await esme.expect(CommandId.GENERIC_NACK)
                assert pdu.command_status == CommandStatus.RINVCMDLEN
                assert await esme.read() is None


async def test_what_came_before_the_garbage_is_answered() -> None:
    async with serving() as north, bound(north.port) as esme:
        esme.write(encode_header(CommandId.ENQUIRE_LINK, 0, 7) + bytes(16))
        assert (await esme.expect(CommandId.ENQUIRE_LINK_RESP)).sequence_number == 7
        assert (await esme.expect(CommandId.GENERIC_NACK)).command_status == 0x02


# --- submit_sm ----------------------------------------------------------------------------------


async def test_a_message_is_answered_only_once_it_is_on_disk() -> None:
    async with serving() as north, bound(north.port) as esme:
        sequence_number = esme.write_submit("+" + TO)
        await passes(esme)  # and so no answer yet
        submission, recipient = north.submitter.submissions[0]
        assert (submission.text, recipient) == ("hello", "+" + TO)
        assert submission.door is Door.SMPP
        assert submission.credential is north.credential

        message = north.submitter.answer()
        pdu = await esme.expect(CommandId.SUBMIT_SM_RESP)
        assert (pdu.command_status, pdu.sequence_number) == (0, sequence_number)
        assert decode_message_id(pdu.body) == f"{message.key:016x}"


@pytest.mark.parametrize("code", RefusalCode)
async def test_refusals_at_once_and_after_the_commit(code: RefusalCode) -> None:
    status = mapping.REFUSAL_STATUS[code]
    async with serving() as north, bound(north.port) as esme:
        esme.write_submit(TO)
        await eventually(lambda: north.submitter.waiting)
        north.submitter.answer(Refusal(code))
        pdu = await esme.expect(CommandId.SUBMIT_SM_RESP)
        assert (pdu.command_status, pdu.body) == (status, b"")

        north.submitter.refusal = Refusal(code)
        assert await esme.submit(TO) == (status, "")
        await passes(esme)


@pytest.mark.parametrize("id_format", ["hex", "decimal", "uuid"])
async def test_the_forms_of_the_message_id(id_format: str) -> None:
    async with serving() as north, bound(north.port) as esme:
        north.credential.message_id_format = id_format
        esme.write_submit(TO)
        await eventually(lambda: north.submitter.waiting)
        key = north.submitter.answer().key
        written = {
            "hex": f"{key:016x}", "decimal": str(key), "uuid": PUBLIC_IDS.encode("message", key),
        }  # fmt: skip
        pdu = await esme.expect(CommandId.SUBMIT_SM_RESP)
        assert decode_message_id(pdu.body) == written[id_format]


def long_short_message(length: int) -> bytes:
    return submit_body()[:-6] + bytes((length,)) + b"a" * length


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (long_short_message(255), 0x01),
        (submit_body()[:-1], 0x01),  # sm_length is past the PDU
        (submit_body() + b"more", 0x01),
        (submit_body() + encode_tlv(Tag.MESSAGE_PAYLOAD, b"x"), 0x01),
        (submit_body(to=b"1" * 21), 0x0B),
        (submit_body(source=b"1" * 21), 0x0A),
        (submit_body()[:8], 0x02),
        (b"", 0x02),
        (b"123456" + submit_body(), 0x15),
        (b"\0\5\0A\0\1\1371\0\0\0\0" + b"1" * 17 + b"\0\0\1\0\0\0\5hello", 0x61),
        (b"\0\5\0A\0\1\1371\0\0\0\0" + b"later\0\0\1\0\0\0\5hello", 0x61),
        (b"\0\5\0A\0\1\1371\0\0\0\0\0" + b"later\0\1\0\0\0\5hello", 0x62),
        (b"\0\5\0A\0\1\1371\0\0\0\4\0\0\1\0\0\0\5hello", 0x06),
        (b"\0\5\0A\0\1\1371\0\0\0\0\0\0\1\0\x08\0\2\xd8\0", 0x45),
    ],
)
async def test_bad_messages_are_refused_and_the_session_goes_on(body: bytes, status: int) -> None:
    async with serving() as north, bound(north.port) as esme:
        esme.write(submit_pdu(500, body))
        pdu = await esme.read()
        assert pdu == (CommandId.SUBMIT_SM_RESP, status, 500, b"")
        assert not north.submitter.submissions
        await passes(esme)


async def taken(body: bytes) -> Submission:
    """What admission is asked for by this submit_sm."""
    async with serving() as north, bound(north.port) as esme:
        esme.write(submit_pdu(500, body))
        await passes(esme)
        assert len(north.submitter.submissions) == 1
        return north.submitter.submissions[0][0]


async def test_a_message_of_254_octets_and_a_payload_of_more() -> None:
    assert (await taken(long_short_message(254))).text == "a" * 254
    payload = encode_tlv(Tag.MESSAGE_PAYLOAD, b"a" * 5000)
    assert (await taken(submit_body()[:-6] + b"\0" + payload)).text == "a" * 5000


async def test_a_commercial_at_is_no_end_of_a_string() -> None:
    assert (await taken(submit_body()[:-6] + b"\5\0b\0d\0")).text == "@b@d@"


async def test_a_message_with_a_header_is_one_part() -> None:
    octets = b"\x05\x00\x03\x2a\x02\x01half"
    body = b"\0\5\0A\0\1\1371\0\x40\0\0\0\0\1\0\0\0" + bytes((len(octets),)) + octets
    assert (await taken(body)).opaque == (octets, 0, 0x40, b"")


async def test_a_defect_behind_the_door_costs_one_message_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as north, bound(north.port) as esme:
        north.submitter.error = KeyError("a defect")
        assert await esme.submit(TO) == (CommandStatus.RSYSERR, "")
        assert [record.message for record in caplog.records] == ["link.failed"]
        await passes(esme)


# --- the window ---------------------------------------------------------------------------------


async def test_beyond_the_window_we_stop_reading_and_go_on_after_an_answer() -> None:
    async with serving() as north:
        north.credential.window = 2
        async with bound(north.port) as esme:
            numbers = [esme.write_submit(TO) for _ in range(5)]
            esme.write(encode_header(CommandId.ENQUIRE_LINK, 0, 999))
            await eventually(lambda: len(north.submitter.waiting) == 3)
            await settle(200)
            assert len(north.submitter.waiting) == 3

            for _ in range(2):
                north.submitter.answer()
                await eventually(lambda: len(north.submitter.waiting) == 3)
            north.submitter.answer()  # there is room now: what waited behind is read on
            got = [(await esme.read() or (0, 0, 0))[2] for _ in range(4)]
            assert got == [*numbers[:3], 999]
            for number in numbers[3:]:
                north.submitter.answer()
                assert (await esme.read() or (0, 0, 0))[2] == number


async def test_who_keeps_to_the_window_is_heard_while_it_is_full() -> None:
    """However long the store takes: his enquire_link must be answered, or he hangs up."""
    async with serving() as north:
        north.credential.window = 2
        async with bound(north.port) as esme:
            for _ in range(2):
                esme.write_submit(TO)
            await eventually(lambda: len(north.submitter.waiting) == 2)
            await passes(esme)


async def test_a_slow_store_is_no_reason_to_think_the_peer_dead() -> None:
    clock = SocketClock()
    async with serving(clock=clock) as north:
        north.credential.window = 1
        async with bound(north.port) as esme:
            for _ in range(2):
                esme.write_submit(TO)
            await eventually(lambda: len(north.submitter.waiting) == 2)
            clock.advance(300.0)
            for _ in range(2):
                north.submitter.answer()
                assert (await esme.expect(CommandId.SUBMIT_SM_RESP)).command_status == 0
            await passes(esme)


async def test_an_answer_after_the_connection_is_gone_is_nobodys() -> None:
    async with serving() as north:
        async with bound(north.port) as esme:
            esme.write_submit(TO)
            await eventually(lambda: north.submitter.waiting)
        await eventually(lambda: not north.server.links)
        north.submitter.answer()


async def test_a_peer_that_does_not_read_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "WRITE_HIGH_OCTETS", 4096)
    monkeypatch.setattr(link_module, "WRITE_LIMIT_OCTETS", 65_536)
    async with serving() as north, bound(north.port) as esme:
        link = next(iter(north.server.links))
        question = encode_header(0x7777, 0, 1) * 4000
        while link in north.server.links:
            esme.write(question)
            await settle(5)
        assert link.close_reason == "the peer does not read"


async def test_a_stranger_that_does_not_read_is_hung_up_on_sooner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_module, "WRITE_HIGH_OCTETS", 4096)
    async with serving() as north, connect(north.port) as esme:
        await eventually(lambda: north.server.links)
        link = next(iter(north.server.links))
        question = encode_header(CommandId.ENQUIRE_LINK, 0, 1) * 4000
        while link in north.server.links:
            esme.write(question)
            await settle(5)
        assert link.close_reason == "the peer does not read"


# --- unbind and stop ----------------------------------------------------------------------------


async def test_an_unbind_is_answered_after_the_outstanding_messages() -> None:
    async with serving() as north, bound(north.port) as esme:
        first, second = esme.write_submit(TO), esme.write_submit(TO)
        esme.write(encode_header(CommandId.UNBIND, 0, 77) + submit_pdu(78, submit_body()))
        late = await esme.read()
        assert late == (CommandId.SUBMIT_SM_RESP, CommandStatus.RINVBNDSTS, 78, b"")
        north.submitter.answer()
        north.submitter.answer()

        got = [(await esme.read() or (0, 0))[:3] for _ in range(3)]
        assert got == [
            (CommandId.SUBMIT_SM_RESP, 0, first),
            (CommandId.SUBMIT_SM_RESP, 0, second),
            (CommandId.UNBIND_RESP, 0, 77),
        ]
        assert await esme.read() is None
        assert len(north.submitter.submissions) == 2


async def test_stop_unbinds_and_waits_for_outstanding_answers() -> None:
    async with serving() as north, bound(north.port) as esme:
        sequence_number = esme.write_submit(TO)
        await eventually(lambda: north.submitter.waiting)
        stopping = north.tasks.spawn(north.server.stop(5.0), "stop")
        unbind = await esme.expect(CommandId.UNBIND)
        esme.write(encode_header(CommandId.UNBIND_RESP, 0, unbind.sequence_number))
        await passes(esme)

        north.submitter.answer()
        assert (await esme.expect(CommandId.SUBMIT_SM_RESP)).sequence_number == sequence_number
        assert await esme.read() is None
        await eventually(lambda: not north.server.links)
        north.clock.advance(1.0)
        await stopping


async def test_stop_does_not_wait_for_ever() -> None:
    async with serving() as north, bound(north.port) as esme, connect(north.port) as stranger:
        await eventually(lambda: len(north.server.links) == 2)
        stopping = north.tasks.spawn(north.server.stop(1.0), "stop")
        await esme.expect(CommandId.UNBIND)
        assert await stranger.read() is None
        await north.clock.advance_async(1.1)
        await stopping
        assert await esme.read() is None


async def test_a_disabled_credential_loses_its_links() -> None:
    async with serving() as north, bound(north.port) as esme:
        north.server.drop(north.credential)
        pdu = await esme.expect(CommandId.UNBIND)
        assert await esme.submit(TO) == (CommandStatus.RINVBNDSTS, "")
        esme.write(encode_header(CommandId.UNBIND_RESP, 0, pdu.sequence_number))
        assert await esme.read() is None


# --- timers -------------------------------------------------------------------------------------


async def test_session_init() -> None:
    clock = SocketClock()
    async with serving(clock=clock) as north, connect(north.port) as esme:
        assert await esme.submit(TO) == (CommandStatus.RINVBNDSTS, "")  # no bind is no bind
        clock.advance(29.0)
        assert await esme.submit(TO) == (CommandStatus.RINVBNDSTS, "")
        clock.advance(1.0)
        assert await esme.read() is None


async def test_a_silent_peer_is_asked_and_kept_when_it_answers() -> None:
    clock = SocketClock()
    async with serving(clock=clock) as north, bound(north.port) as esme:
        for _ in range(3):
            clock.advance(30.0)
            pdu = await esme.expect(CommandId.ENQUIRE_LINK)
            esme.write(encode_header(CommandId.ENQUIRE_LINK_RESP, 0, pdu.sequence_number))
            await passes(esme)
        clock.advance(9.0)
        await passes(esme)


async def test_a_half_open_connection_is_closed() -> None:
    clock = SocketClock()
    async with serving(clock=clock) as north, bound(north.port) as esme:
        clock.advance(30.0)
        await esme.expect(CommandId.ENQUIRE_LINK)
        clock.advance(10.0 + TICK_S)
        assert await esme.read() is None
        assert not north.notifications.done


async def test_inactivity_counts_messages_only() -> None:
    clock = SocketClock()
    timers = Timers(enquire_link_s=0, inactivity_s=60)
    async with serving(ServerOptions(timers=timers), clock) as north, bound(north.port) as esme:
        north.submitter.answers_at_once = True
        clock.advance(40.0)
        await esme.submit(TO)
        clock.advance(40.0)
        await passes(esme)
        clock.advance(20.0)
        assert await esme.read() is None


async def test_a_peer_that_does_not_finish_the_unbind() -> None:
    clock = SocketClock()
    async with serving(ServerOptions(timers=SILENT), clock) as north, bound(north.port) as esme:
        north.server.drop(north.credential)
        await esme.expect(CommandId.UNBIND)
        clock.advance(9.0)
        await settle()
        assert next(iter(north.server.links)).session.state is State.UNBINDING
        clock.advance(1.0)
        assert await esme.read() is None


async def test_a_close_that_the_peer_does_not_read_ends_all_the_same() -> None:
    clock = SocketClock()
    async with serving(ServerOptions(timers=SILENT), clock) as north, bound(north.port) as esme:
        link = next(iter(north.server.links))
        while link.can_write:
            link.send(bytes(1 << 16))
            await settle(3)
        link.close("a test")
        await settle(50)
        assert link in north.server.links
        clock.advance(CLOSE_LIMIT_S + TICK_S)
        await eventually(lambda: link not in north.server.links)
        assert esme is not None


async def test_the_port_of_a_server_that_does_not_listen() -> None:
    async with serving() as north:
        north.server.stop_listening()
        with pytest.raises(RuntimeError, match="does not listen"):
            _ = north.server.port


def test_a_plain_submit_is_what_the_encoder_writes() -> None:
    pdu = encode_submit_sm(2, 5, 0, b"ACME", 1, 1, TO.encode(), 0, 0, b"", b"", 1, 0, b"hello")
    assert pdu == submit_pdu(2, submit_body())
