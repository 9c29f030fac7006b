"""A small ESME for tests of SMSCs: one connection, every answer awaited with a limit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from protocols.smpp.codec import (
    ShortMessage,
    decode_message_id,
    decode_sm,
    encode_bind,
    encode_deliver_sm_resp,
    encode_header,
    encode_submit_sm,
    frame,
)
from protocols.smpp.constants import RESP, CommandId

LIMIT_S = 10.0
PASSWORD = "secret"


class Pdu(NamedTuple):
    command_id: int
    command_status: int
    sequence_number: int
    body: bytes


class Esme:
    """Requests get ascending sequence numbers; PDUs that nobody asked for yet are kept in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._pdus: list[Pdu] = []
        self._last_sequence = 0

    def next_sequence(self) -> int:
        self._last_sequence += 1
        return self._last_sequence

    def write(self, octets: bytes) -> None:
        self._writer.write(octets)

    async def read(self) -> Pdu | None:
        """The next PDU from the socket, None at its end."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                pdus, self._rest = frame(self._rest)
                self._pdus += [Pdu(*pdu) for pdu in pdus]
                if self._pdus:
                    return self._pdus.pop(0)
                try:
                    octets = await self._reader.read(65_536)
                except ConnectionError:
                    return None
                if not octets:
                    return None
                self._rest += octets

    async def expect(self, command_id: int) -> Pdu:
        """The next PDU of this kind; others stay for later."""
        passed: list[Pdu] = []
        while True:
            pdu = await self.read()
            assert pdu is not None, f"the connection ended before {CommandId(command_id).name}"
            if pdu.command_id == command_id:
                self._pdus[:0] = passed
                return pdu
            passed.append(pdu)

    async def request(self, command_id: int) -> Pdu:
        """A request without a body and its response."""
        self.write(encode_header(command_id, 0, self.next_sequence()))
        return await self.expect(command_id | RESP)

    async def bind(
        self,
        command_id: int = CommandId.BIND_TRANSCEIVER,
        system_id: str = "esme",
        password: str = PASSWORD,
        interface_version: int = 0x34,
    ) -> int:
        """The bind's command_status."""
        sequence_number = self.next_sequence()
        self.write(
            encode_bind(command_id, sequence_number, system_id, password, "", interface_version)
        )
        return (await self.expect(command_id | RESP)).command_status

    def write_submit(
        self,
        to: str,
        octets: bytes = b"hello",
        *,
        registered_delivery: int = 1,
        esm_class: int = 0,
        data_coding: int = 0,
        tlvs: bytes = b"",
    ) -> int:
        """submit_sm without waiting; its sequence_number."""
        sequence_number = self.next_sequence()
        self.write(
            encode_submit_sm(
                sequence_number, 5, 0, b"POSTERN", 1, 1, to.encode(), esm_class, 0, b"", b"",
                registered_delivery, data_coding, octets, tlvs,
            )
        )  # fmt: skip
        return sequence_number

    async def submit(
        self, to: str, octets: bytes = b"hello", **fields: int | bytes
    ) -> tuple[int, str]:
        """command_status and message_id of a submit_sm."""
        sequence_number = self.write_submit(to, octets, **fields)  # type: ignore[arg-type]
        pdu = await self.expect(CommandId.SUBMIT_SM_RESP)
        assert pdu.sequence_number == sequence_number
        return pdu.command_status, decode_message_id(pdu.body)

    async def receipt(self, answer: int | None = 0) -> ShortMessage:
        """The next deliver_sm, answered with `answer`; None leaves it unanswered."""
        pdu = await self.expect(CommandId.DELIVER_SM)
        if answer is not None:
            self.write(encode_deliver_sm_resp(pdu.sequence_number, answer))
        return decode_sm(pdu.body)

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):  # the SMSC was faster
            await self._writer.wait_closed()


@asynccontextmanager
async def connect(port: int, host: str = "127.0.0.1") -> AsyncIterator[Esme]:
    """An ESME that is not bound yet."""
    esme = Esme(*await asyncio.open_connection(host, port))
    try:
        yield esme
    finally:
        await esme.close()


@asynccontextmanager
async def bound(
    port: int, command_id: int = CommandId.BIND_TRANSCEIVER, system_id: str = "esme"
) -> AsyncIterator[Esme]:
    """An ESME whose bind was accepted."""
    async with connect(port) as esme:
        assert await esme.bind(command_id, system_id) == 0
        yield esme
