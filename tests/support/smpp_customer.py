"""A blocking ESME on a socket, for what no SMPP library lets its user send."""

import socket
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

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

TIMEOUT_S = 10.0


class Pdu(NamedTuple):
    command_id: int
    command_status: int
    sequence_number: int
    body: bytes


class SmppCustomer:
    """One connection.  deliver_sm and enquire_link that come in meanwhile are answered."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=TIMEOUT_S)
        self._rest = b""
        self._pdus: list[Pdu] = []
        self._sequence = 0
        self.delivered: list[ShortMessage] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def send(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def read(self, timeout_s: float = TIMEOUT_S) -> Pdu | None:
        """The next PDU; None once the peer has closed.

        Raises:
            TimeoutError: nothing came.
        """
        end = time.monotonic() + timeout_s
        while not self._pdus:
            self._socket.settimeout(max(0.001, end - time.monotonic()))
            octets = self._socket.recv(65_536)
            if not octets:
                return None
            pdus, self._rest = frame(self._rest + octets)
            self._pdus += [Pdu(*pdu) for pdu in pdus]
        pdu = self._pdus.pop(0)
        if pdu.command_id == CommandId.DELIVER_SM:
            self.delivered.append(decode_sm(pdu.body))
            self.send(encode_deliver_sm_resp(pdu.sequence_number, 0))
        elif pdu.command_id == CommandId.ENQUIRE_LINK:
            self.send(encode_header(CommandId.ENQUIRE_LINK_RESP, 0, pdu.sequence_number))
        return pdu

    def request(self, octets: bytes, sequence_number: int) -> Pdu:
        """Sends a request and returns the response to it."""
        self.send(octets)
        while True:
            pdu = self.read()
            assert pdu is not None, "the server closed the connection"
            is_response = pdu.command_id & RESP
            if is_response and pdu.sequence_number == sequence_number:
                return pdu

    def bind(
        self, system_id: str, password: str, kind: CommandId = CommandId.BIND_TRANSCEIVER
    ) -> int:
        """The command_status of the answer."""
        sequence = self.next_sequence()
        return self.request(
            encode_bind(kind, sequence, system_id, password, ""), sequence
        ).command_status

    def submit_sm(
        self,
        sequence: int,
        recipient: str,
        octets: bytes,
        *,
        sender: str = "POSTERN",
        esm_class: int = 0,
        data_coding: int = 0,
        registered_delivery: int = 1,
        schedule_delivery_time: bytes = b"",
        validity_period: bytes = b"",
        tlvs: bytes = b"",
    ) -> bytes:
        """A submit_sm as octets, to a number in international form."""
        return encode_submit_sm(
            sequence, 5, 0, sender.encode(), 1, 1, recipient.encode(), esm_class, 0,
            schedule_delivery_time, validity_period, registered_delivery, data_coding, octets, tlvs,
        )  # fmt: skip

    def submit(self, recipient: str, octets: bytes, **fields: Any) -> tuple[int, str]:
        """Sends one message; the command_status and the message_id of the answer."""
        sequence = self.next_sequence()
        pdu = self.request(self.submit_sm(sequence, recipient, octets, **fields), sequence)
        return pdu.command_status, decode_message_id(pdu.body)

    def receipt(self, message_id: str, timeout_s: float = TIMEOUT_S) -> ShortMessage:
        """Waits for the receipt of one message."""
        end = time.monotonic() + timeout_s
        wanted = b"id:" + message_id.encode() + b" "
        while True:
            for sm in self.delivered:
                if sm.short_message.startswith(wanted):
                    return sm
            assert self.read(max(0.001, end - time.monotonic())) is not None, "connection closed"
