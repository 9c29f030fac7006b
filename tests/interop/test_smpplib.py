"""smpplib, an independent ESME in Python, against our SMSC."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm

from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from tests.support.esme import LIMIT_S, PASSWORD
from tests.support.smpp_peers import North, eventually, serving

TEXT = "Ein längerer Text mit € und [Klammern], der in mehr als einen Teil zerfällt. " * 4


class SmpplibEsme:
    """smpplib's blocking client; its calls are made in threads."""

    def __init__(self, port: int) -> None:
        self.client = smpplib.client.Client(
            "127.0.0.1", port, timeout=LIMIT_S, allow_unknown_opt_params=True
        )
        self.responses: list[Any] = []
        self.deliveries: list[Any] = []
        self.client.set_message_sent_handler(lambda pdu: self.responses.append(pdu))
        self.client.set_message_received_handler(lambda pdu: self.deliveries.append(pdu))

    async def bind(self, how: str = "bind_transceiver", password: str = PASSWORD) -> None:
        def connect() -> None:
            self.client.connect()
            getattr(self.client, how)(system_id="esme", password=password)

        await asyncio.to_thread(connect)

    async def send(self, **fields: Any) -> None:
        await asyncio.to_thread(
            self.client.send_message,
            source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
            source_addr="ACME",
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
            dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
            destination_addr="37120000001",
            registered_delivery=True,
            **fields,
        )

    async def read_until(self, condition: Callable[[], object]) -> None:
        def read() -> None:
            while not condition():
                self.client.read_once()

        await asyncio.wait_for(asyncio.to_thread(read), LIMIT_S)

    async def leave(self) -> None:
        def leave() -> None:
            self.client.unbind()
            self.client.disconnect()

        await asyncio.to_thread(leave)


def ended(message: Message, north: North) -> Message:
    message.state = MessageState.DELIVERED
    message.final_at_ms = north.clock.now_ms()
    return message


async def test_a_message_and_its_receipt() -> None:
    async with serving() as north:
        esme = SmpplibEsme(north.port)
        await esme.bind()
        await esme.send(short_message=b"hello")
        await eventually(lambda: north.submitter.waiting)
        message = north.submitter.answer()
        await esme.read_until(lambda: esme.responses)
        message_id = f"{message.key:016x}".encode()
        assert esme.responses[0].message_id == message_id

        assert north.server.notify(ended(message, north))
        await esme.read_until(lambda: esme.deliveries)
        receipt = esme.deliveries[0]
        assert receipt.receipted_message_id.rstrip(b"\0") == message_id
        assert receipt.message_state == 2
        assert receipt.short_message.startswith(b"id:" + message_id + b" sub:001 dlvrd:001 ")
        assert (receipt.source_addr, receipt.destination_addr) == (b"37120000001", b"ACME")
        await eventually(lambda: north.notifications.done == [message])
        await esme.leave()
        await eventually(lambda: not north.server.links)


@pytest.mark.parametrize("text", ["hello", "5 € [neto]", "Привет 😀", TEXT])
async def test_its_texts_and_parts_are_read(text: str) -> None:
    parts, data_coding, esm_class = smpplib.gsm.make_parts(text)
    async with serving() as north:
        north.submitter.answers_at_once = True
        esme = SmpplibEsme(north.port)
        await esme.bind("bind_transmitter")
        for part in parts:
            await esme.send(short_message=part, data_coding=data_coding, esm_class=esm_class)
        await esme.read_until(lambda: len(esme.responses) == len(parts))

        submissions = [submission for submission, _ in north.submitter.submissions]
        if len(parts) == 1:
            assert submissions[0].text == text
        else:
            assert [s.opaque.octets for s in submissions if s.opaque] == parts
        await esme.leave()


async def test_a_wrong_password() -> None:
    async with serving() as north:
        esme = SmpplibEsme(north.port)
        with pytest.raises(smpplib.exceptions.PDUError, match="14"):
            await esme.bind("bind_receiver", password="wrong")
        await asyncio.to_thread(esme.client.disconnect)


async def test_it_is_unbound_when_we_stop() -> None:
    async with serving() as north:
        esme = SmpplibEsme(north.port)
        await esme.bind("bind_receiver")
        stopping = north.tasks.spawn(north.server.stop(30.0), "stop")
        await asyncio.wait_for(asyncio.to_thread(esme.client.read_once), LIMIT_S)
        # It knows the request and answers it with a disconnection.
        await asyncio.to_thread(esme.client.disconnect)
        await eventually(lambda: not north.server.links)
        await north.clock.advance_async(0.1)
        await stopping
