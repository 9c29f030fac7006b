"""The carrier at the end of the path: answers every submit_sm at once and sends receipts.

Every submit_sm gets an id of its own; with --receipts whoever asks for one gets a DELIVRD receipt
(Appendix B text and TLVs) right behind the answer, at most RECEIPT_WINDOW unanswered per bind.

    python -m benchmarks.sink [--receipts] [--port PORT] [--record FILE]

--record appends a line to FILE for each submit_sm: CLOCK_MONOTONIC in seconds, source, destination.
"""

import argparse
import asyncio
import contextlib
import re
import struct
import time
from collections import deque
from pathlib import Path
from time import monotonic
from typing import BinaryIO, cast

import uvloop

from benchmarks import control
from protocols.smpp.codec import encode_bind_resp, encode_header, frame
from protocols.smpp.constants import INTERFACE_VERSION, RESP, CommandId

RECEIPT_WINDOW = 100  # unanswered deliver_sm per bind

# Plain ints: comparing an IntEnum costs more than the rest of a dispatch.
_SUBMIT_SM = int(CommandId.SUBMIT_SM)
_SUBMIT_SM_RESP = int(CommandId.SUBMIT_SM_RESP)
_DELIVER_SM_RESP = int(CommandId.DELIVER_SM_RESP)
_BINDS = frozenset(
    {CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER}
)

# Only what a receipt needs: addresses and registered_delivery (SMPP v3.4 4.4.1).
_SUBMIT_BODY = re.compile(rb"[^\0]*\0..([^\0]*)\0..([^\0]*)\0...[^\0]*\0[^\0]*\0(.)....", re.DOTALL)
_RESPONSE = struct.Struct(">IIII8sx")  # message_id: 8 hexadecimal digits and a NUL
_DELIVER_HEADER = struct.Struct(">IIII")
_DELIVER_SM = int(CommandId.DELIVER_SM)
# Source TON 1, NPI 1, esm_class 4 (5.2.12: receipt); sm_length is fixed as every id has 8 digits.
_RECEIPT_TEXT = (
    b"id:%b sub:001 dlvrd:001 submit date:%b done date:%b stat:DELIVRD err:000 text:Benchmark"
)
_RECEIPT_TEXT_LENGTH = len(_RECEIPT_TEXT % (b"00000000", b"0000000000", b"0000000000"))
# TLVs 5.3.2.12 receipted_message_id and 5.3.2.35 message_state = DELIVERED.
_DELIVER_BODY = (
    b"\0\1\1%b\0\0\0%b\0\4\0\0\0\0\0\0\0\0"
    + bytes((_RECEIPT_TEXT_LENGTH,))
    + _RECEIPT_TEXT
    + b"\0\x1e\0\x09%b\0\x04\x27\0\1\2"
)


class Sink:
    """What arrived, over all connections; `last_submit_at` is CLOCK_MONOTONIC in seconds."""

    def __init__(self, with_receipts: bool, record: BinaryIO | None = None) -> None:
        self.with_receipts = with_receipts
        self.record = record
        self.binds = 0
        self.submits = 0
        self.receipts = 0
        self.receipts_answered = 0
        self.receipts_refused = 0
        self.last_submit_at = 0.0
        self.destinations: set[bytes] = set()

    def counts(self) -> dict[str, object]:
        """The answer on the control line.  `doubled` submits had a destination seen before."""
        return {
            "binds": self.binds,
            "submits": self.submits,
            "doubled": self.submits - len(self.destinations),
            "receipts": self.receipts,
            "receipts_answered": self.receipts_answered,
            "receipts_refused": self.receipts_refused,
            "last_submit_at": self.last_submit_at,
        }


class SinkLink(asyncio.Protocol):
    """One connection of the gateway or the relay."""

    _transport: asyncio.Transport

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rest = b""
        self._waiting: deque[tuple[bytes, bytes, bytes]] = deque()
        self._outstanding = 0
        self._sequence_number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing to say before the bind."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answers all that came, then sends receipts as far as the window goes, in one write."""
        sink = self._sink
        pdus, self._rest = frame(self._rest + data if self._rest else data)
        out: list[bytes] = []
        submits = sink.submits
        for command_id, command_status, sequence_number, body in pdus:
            if command_id == _SUBMIT_SM:
                sink.submits += 1
                out.append(self._submit(sequence_number, body))
            elif command_id == _DELIVER_SM_RESP:
                self._outstanding -= 1
                sink.receipts_answered += 1
                if command_status:
                    sink.receipts_refused += 1
            elif not command_id & RESP:
                out.append(self._session_pdu(command_id, sequence_number))
        if sink.submits != submits:
            sink.last_submit_at = monotonic()
        if self._waiting and self._outstanding < RECEIPT_WINDOW:
            self._add_receipts(out)
        if out:
            self._transport.write(b"".join(out))

    def _submit(self, sequence_number: int, body: bytes) -> bytes:
        sink = self._sink
        match = _SUBMIT_BODY.match(body)
        if match is None:
            raise ValueError(f"a submit_sm that cannot be read: {body.hex()}")
        source_addr, destination_addr, registered_delivery = match.groups()
        sink.destinations.add(destination_addr)
        if sink.record is not None:
            sink.record.write(b"%.6f %b %b\n" % (monotonic(), source_addr, destination_addr))
        message_id = b"%08x" % sink.submits
        if sink.with_receipts and registered_delivery != b"\0":
            self._waiting.append((message_id, source_addr, destination_addr))
        return _RESPONSE.pack(25, _SUBMIT_SM_RESP, 0, sequence_number, message_id)

    def _add_receipts(self, out: list[bytes]) -> None:
        count = min(RECEIPT_WINDOW - self._outstanding, len(self._waiting))
        date = time.strftime("%y%m%d%H%M", time.gmtime()).encode("ascii")
        for _ in range(count):
            message_id, sender, recipient = self._waiting.popleft()
            self._sequence_number += 1
            body = _DELIVER_BODY % (recipient, sender, message_id, date, date, message_id)
            out.append(
                _DELIVER_HEADER.pack(16 + len(body), _DELIVER_SM, 0, self._sequence_number) + body
            )
        self._outstanding += count
        self._sink.receipts += count

    def _session_pdu(self, command_id: int, sequence_number: int) -> bytes:
        if command_id in _BINDS:
            self._sink.binds += 1
            return encode_bind_resp(
                command_id | RESP, sequence_number, 0, "sink", INTERFACE_VERSION
            )
        return encode_header(command_id | RESP, 0, sequence_number)


async def _serve(port: int, sink: Sink) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SinkLink(sink), "127.0.0.1", port)
    control.say({"port": server.sockets[0].getsockname()[1]})
    await control.answer_until_end(sink.counts)


def main() -> None:
    """Runs until stdin ends."""
    parser = argparse.ArgumentParser(description="SMSC that answers at once")
    parser.add_argument("--receipts", action="store_true", help="send receipts to those who ask")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--record", type=Path, help="file that gets a line for each submit_sm")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        record = options.record and stack.enter_context(options.record.open("ab", buffering=0))
        uvloop.run(_serve(options.port, Sink(options.receipts, record)))


if __name__ == "__main__":
    main()
