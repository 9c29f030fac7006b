"""One SMPP connection of a peer that outlives the daemon: framing, and numbers for its requests."""

import asyncio
from typing import cast

from protocols.smpp.codec import encode_header, frame
from protocols.smpp.constants import CommandId


class Wire(asyncio.Protocol):
    """Either end.  Everything is answered in `pdu_received`; enquire_link is answered here."""

    def __init__(self) -> None:
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self._last_sequence = 0
        self.is_open = False

    def pdu_received(
        self, command_id: int, command_status: int, sequence_number: int, body: bytes
    ) -> None:
        """Any PDU but enquire_link and its response."""
        raise NotImplementedError

    def opened(self) -> None:
        """The connection stands."""

    def lost(self) -> None:
        """It is gone."""

    def next_sequence(self) -> int:
        """For a request of ours."""
        self._last_sequence += 1
        return self._last_sequence

    def send(self, pdu: bytes) -> bool:
        """Writes one PDU; whether there was anybody to write to."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(pdu)
        return True

    def close(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.close()

    # -- asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True
        self.opened()

    def data_received(self, data: bytes) -> None:
        pdus, self._rest = frame(self._rest + data)
        for command_id, command_status, sequence_number, body in pdus:
            if command_id == CommandId.ENQUIRE_LINK:
                self.send(encode_header(CommandId.ENQUIRE_LINK_RESP, 0, sequence_number))
            elif command_id != CommandId.ENQUIRE_LINK_RESP:
                self.pdu_received(command_id, command_status, sequence_number, body)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self.lost()
