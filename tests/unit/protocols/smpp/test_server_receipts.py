"""The server as `ports.Notifier`: receipts to whatever bind of the system_id can take them."""

import pytest

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from protocols.smpp import link as link_module
from protocols.smpp.codec import (
    decode_sm,
    decode_tlvs,
    encode_deliver_sm_resp,
    encode_header,
)
from protocols.smpp.constants import CommandId, CommandStatus
from protocols.smpp.link import TICK_S
from protocols.smpp.server import POSTPONE_S, ServerOptions
from protocols.smpp.session import Timers
from tests.support.clock import settle
from tests.support.esme import Esme, Pdu, bound, connect
from tests.support.smpp_peers import North, SocketClock, eventually, serving
from tests.support.upstream import make_message

SILENT = Timers(session_init_s=0, enquire_link_s=0, inactivity_s=0, response_s=10)


def owed(north: North, key: int = 0x1A2B3C) -> Message:
    """A final fate that the customer is to be told of."""
    message = make_message(key=key)
    message.credential = north.credential
    message.state = MessageState.DELIVERED
    message.final_at_ms = north.clock.now_ms()
    return message


async def delivered(esme: Esme) -> Pdu:
    return await esme.expect(CommandId.DELIVER_SM)


async def test_a_receipt_comes_as_the_message_went() -> None:
    async with serving() as north, bound(north.port) as esme:
        message = await north.fate(esme, "+37120000001")
        assert north.server.notify(message)
        pdu = await delivered(esme)
        sm = decode_sm(pdu.body)
        message_id = f"{message.key:016x}".encode()

        assert (sm.source_addr, sm.source_addr_ton, sm.source_addr_npi) == ("+37120000001", 1, 1)
        assert (sm.destination_addr, sm.dest_addr_ton, sm.dest_addr_npi) == ("POSTERN", 5, 0)
        assert (sm.esm_class, sm.data_coding, sm.registered_delivery) == (4, 0, 0)
        assert sm.short_message.startswith(b"id:" + message_id + b" sub:001 dlvrd:001 submit date:")
        assert sm.short_message.endswith(b" stat:DELIVRD err:000 text:hello")
        assert decode_tlvs(sm.tlvs) == [(0x001E, message_id + b"\0"), (0x0427, b"\x02")]

        assert not north.notifications.done
        esme.write(encode_deliver_sm_resp(pdu.sequence_number, 0))
        await eventually(lambda: north.notifications.done == [message])
        assert not north.notifications.again


@pytest.mark.parametrize("id_format", ["hex", "decimal", "uuid"])
async def test_the_id_of_a_receipt_is_the_one_of_the_response(id_format: str) -> None:
    async with serving() as north, bound(north.port) as esme:
        north.credential.message_id_format = id_format
        esme.write_submit("37120000001")
        await eventually(lambda: north.submitter.waiting)
        message = north.submitter.answer()
        message_id = (await esme.expect(CommandId.SUBMIT_SM_RESP)).body
        message.state = MessageState.FAILED

        assert north.server.notify(message)
        sm = decode_sm((await delivered(esme)).body)
        assert sm.short_message.startswith(b"id:" + message_id[:-1] + b" ")
        assert decode_tlvs(sm.tlvs)[0] == (0x001E, message_id)


async def test_a_peer_older_than_the_tlvs_gets_none() -> None:
    async with serving() as north, connect(north.port) as esme:
        assert await esme.bind(interface_version=0x33) == 0
        assert north.server.notify(owed(north))
        assert not decode_sm((await delivered(esme)).body).tlvs


# --- which bind ---------------------------------------------------------------------------------


async def test_receipts_go_to_the_receiving_binds_in_turn() -> None:
    async with (
        serving() as north,
        bound(north.port, CommandId.BIND_TRANSMITTER) as transmitter,
        bound(north.port, CommandId.BIND_RECEIVER) as receiver,
        bound(north.port) as transceiver,
    ):
        for key in range(1, 5):
            assert north.server.notify(owed(north, key))
        for esme in (receiver, transceiver, receiver, transceiver):
            await delivered(esme)
        pdu = await transmitter.request(CommandId.ENQUIRE_LINK)
        assert pdu.command_id == CommandId.ENQUIRE_LINK_RESP  # and no deliver_sm before it


async def test_nobody_to_tell() -> None:
    async with serving() as north:
        message = owed(north)
        assert not north.server.notify(message)
        async with bound(north.port, CommandId.BIND_TRANSMITTER):
            assert not north.server.notify(message)
        other = north.add("other")
        async with bound(north.port, system_id="other") as esme:
            assert not north.server.notify(message)
            message.credential = other
            assert north.server.notify(message)
            await delivered(esme)
        message.credential = None
        assert not north.server.notify(message)


async def test_a_receiving_bind_is_news_and_a_transmitter_is_none() -> None:
    async with serving() as north, bound(north.port, CommandId.BIND_TRANSMITTER):
        assert not north.notifications.room_changes
        async with bound(north.port, CommandId.BIND_RECEIVER):
            assert north.notifications.room_changes == 1


async def test_no_receipt_over_a_link_that_leaves() -> None:
    async with serving() as north, bound(north.port) as leaving, bound(north.port) as staying:
        leaving.write(encode_header(CommandId.UNBIND, 0, 9))
        await leaving.expect(CommandId.UNBIND_RESP)
        for key in (1, 2):
            assert north.server.notify(owed(north, key))
            await delivered(staying)


async def test_no_receipt_over_a_link_that_we_unbind() -> None:
    async with serving() as north, bound(north.port) as esme:
        north.server.drop(north.credential)
        await esme.expect(CommandId.UNBIND)
        assert not north.server.notify(owed(north))


# --- the delivery window --------------------------------------------------------------------------


async def test_the_delivery_window_is_kept_and_its_first_room_is_news() -> None:
    async with serving(ServerOptions(delivery_window=2)) as north, bound(north.port) as esme:
        news = north.notifications.room_changes
        assert [north.server.notify(owed(north, key)) for key in (1, 2, 3)] == [True, True, False]
        first = await delivered(esme)
        esme.write(encode_deliver_sm_resp(first.sequence_number, 0))
        await eventually(lambda: north.notifications.done)
        assert north.notifications.room_changes == news + 1
        assert north.server.notify(owed(north, 3))


async def test_a_peer_that_does_not_read_gets_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_module, "WRITE_HIGH_OCTETS", 4096)
    options = ServerOptions(delivery_window=1_000_000, timers=SILENT)
    async with serving(options) as north, bound(north.port) as esme:
        given, waited = 0, 0
        while waited < 50:
            if north.server.notify(owed(north, given + 1)):
                given, waited = given + 1, 0
            else:
                waited += 1
            await settle(1)
        news = north.notifications.room_changes

        for _ in range(given):
            await delivered(esme)
        await eventually(lambda: north.notifications.room_changes > news)
        assert north.server.notify(owed(north, given + 1))


# --- what becomes of it ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0x08, 0x14, 0x58, 0x64])
async def test_a_customer_that_cannot_now_is_asked_later(status: int) -> None:
    async with serving() as north, bound(north.port) as esme:
        message = owed(north)
        north.server.notify(message)
        pdu = await delivered(esme)
        esme.write(encode_deliver_sm_resp(pdu.sequence_number, status))
        await eventually(lambda: north.notifications.again == [(message, POSTPONE_S)])
        assert not north.notifications.done


@pytest.mark.parametrize("status", [0x01, 0x65, 0x66, 0x45, 0x400])
async def test_a_customer_that_does_not_want_it_has_seen_it(status: int) -> None:
    async with serving() as north, bound(north.port) as esme:
        message = owed(north)
        north.server.notify(message)
        pdu = await delivered(esme)
        esme.write(encode_header(CommandId.DELIVER_SM_RESP, status, pdu.sequence_number))
        await eventually(lambda: north.notifications.done == [message])


async def test_a_generic_nack_stands_for_the_response() -> None:
    async with serving() as north, bound(north.port) as esme:
        message = owed(north)
        north.server.notify(message)
        pdu = await delivered(esme)
        esme.write(
            encode_header(CommandId.GENERIC_NACK, CommandStatus.RINVCMDID, pdu.sequence_number)
        )
        await eventually(lambda: north.notifications.done == [message])


async def test_a_response_without_a_request_is_nothing() -> None:
    async with serving() as north, bound(north.port) as esme:
        esme.write(encode_deliver_sm_resp(4711, 0))
        await esme.request(CommandId.ENQUIRE_LINK)
        assert not north.notifications.done


async def test_unanswered_receipts_are_offered_again_in_their_order() -> None:
    clock = SocketClock()
    options = ServerOptions(timers=SILENT, delivery_timeout_s=30.0)
    async with serving(options, clock) as north, bound(north.port) as esme:
        messages = [owed(north, key) for key in (1, 2, 3)]
        for message in messages:
            north.server.notify(message)
        last = [await delivered(esme) for _ in messages][-1]
        clock.advance(29.0)
        assert not north.notifications.again
        clock.advance(1.0 + TICK_S)
        # The sink puts each one in front: the newest comes first.
        assert [message for message, _ in north.notifications.again] == messages[::-1]

        esme.write(encode_deliver_sm_resp(last.sequence_number, 0))  # better late than never
        await eventually(lambda: north.notifications.done == [messages[2]])


async def test_a_late_no_is_nothing_new() -> None:
    clock = SocketClock()
    options = ServerOptions(timers=SILENT, delivery_timeout_s=1.0)
    async with serving(options, clock) as north, bound(north.port) as esme:
        north.server.notify(owed(north))
        pdu = await delivered(esme)
        clock.advance(3.0)
        esme.write(encode_deliver_sm_resp(pdu.sequence_number, CommandStatus.RX_T_APPN))
        await esme.request(CommandId.ENQUIRE_LINK)
        assert len(north.notifications.again) == 1
        assert not north.notifications.done


async def test_a_lost_link_gives_back_what_it_had_in_order() -> None:
    async with serving() as north:
        messages = [owed(north, key) for key in (1, 2, 3)]
        async with bound(north.port) as esme:
            for message in messages:
                north.server.notify(message)
            pdu = await delivered(esme)
            esme.write(encode_deliver_sm_resp(pdu.sequence_number, 0))
            await eventually(lambda: north.notifications.done)
            news = north.notifications.room_changes
        await eventually(lambda: north.notifications.room_changes > news)
        assert north.notifications.again == [(messages[2], 0.0), (messages[1], 0.0)]
        assert not north.server.notify(messages[1])
