"""The yardstick: an SMPP relay that parses, forwards and answers, and does nothing else.

No storage, no policy, no receipts.  What the gateway costs is told as a multiple of this, measured
in the same run.  It stands alone on purpose: a codec of ours that gets faster or slower must not
move the yardstick.

    python -m benchmarks.null_relay --upstream-port PORT
"""

import argparse
import asyncio
import re
import struct
from typing import cast

import uvloop

from benchmarks import control

_HEADER = struct.Struct(">IIII")  # SMPP v3.4 3.2
_SUBMIT_SM, _SUBMIT_SM_RESP = 0x00000004, 0x80000004
_BIND_TRANSCEIVER, _BIND_TRANSCEIVER_RESP = 0x00000009, 0x80000009
_BINDS = frozenset({0x00000001, 0x00000002, _BIND_TRANSCEIVER})
_ENQUIRE_LINK, _UNBIND = 0x00000015, 0x00000006
_RESP = 0x80000000
_BIND_BODY = b"null\0null\0\0\x34\0\0\0"

# 4.4.1: every mandatory field apart, each within its limit, as a gateway would have to read them.
_SUBMIT_BODY = re.compile(
    rb"([^\0]{0,5})\0(.)(.)([^\0]{0,20})\0(.)(.)([^\0]{0,20})\0(.)(.)(.)([^\0]{0,16})\0"
    rb"([^\0]{0,16})\0(.)(.)(.)(.)(.)",
    re.DOTALL,
)
_SUBMIT_FORMAT = b"%b\0%b%b%b\0%b%b%b\0%b%b%b%b\0%b\0%b%b%b%b%b%b"


class _Stream(asyncio.Protocol):
    """Cuts PDUs and gathers what a loop turn writes into one write."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._rest = b""
        self._out: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        start, size = 0, len(data)
        while size - start >= 16:
            length, command_id, command_status, sequence_number = _HEADER.unpack_from(data, start)
            if length < 16:
                raise ValueError(f"command_length {length} is shorter than a header")
            end = start + length
            if end > size:
                break
            self.pdu_received(command_id, command_status, sequence_number, data[start + 16 : end])
            start = end
        self._rest = data[start:]

    def pdu_received(
        self, command_id: int, command_status: int, sequence_number: int, body: bytes
    ) -> None:
        """One PDU."""
        raise NotImplementedError

    def send(self, pdu: bytes) -> None:
        """Writes at the end of this loop turn."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(pdu)

    def _flush(self) -> None:
        self.transport.write(b"".join(self._out))
        self._out.clear()


class Upstream(_Stream):
    """The one bind at the carrier; `pending` is who waits for which sequence_number."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: dict[int, tuple[Customer, int]] = {}
        self.sequence_number = 1
        self.bound: asyncio.Future[int] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Binds at once."""
        super().connection_made(transport)
        self.send(_HEADER.pack(16 + len(_BIND_BODY), _BIND_TRANSCEIVER, 0, 1) + _BIND_BODY)

    def pdu_received(
        self, command_id: int, command_status: int, sequence_number: int, body: bytes
    ) -> None:
        """Hands an answer back under the sequence_number of its asker."""
        if command_id == _SUBMIT_SM_RESP:
            customer, theirs = self.pending.pop(sequence_number)
            header = _HEADER.pack(16 + len(body), _SUBMIT_SM_RESP, command_status, theirs)
            customer.send(header + body)
        elif command_id == _BIND_TRANSCEIVER_RESP:
            self.bound.set_result(command_status)
        elif command_id == _ENQUIRE_LINK:
            self.send(_HEADER.pack(16, command_id | _RESP, 0, sequence_number))


class Customer(_Stream):
    """A connection of the load."""

    def __init__(self, upstream: Upstream) -> None:
        super().__init__()
        self._upstream = upstream

    def pdu_received(
        self, command_id: int, command_status: int, sequence_number: int, body: bytes
    ) -> None:
        """Forwards a submit_sm; binds, unbind and enquire_link are granted."""
        if command_id == _SUBMIT_SM:
            self._forward(sequence_number, body)
        elif command_id in _BINDS:
            self.send(_HEADER.pack(21, command_id | _RESP, 0, sequence_number) + b"null\0")
        elif command_id in (_ENQUIRE_LINK, _UNBIND):
            self.send(_HEADER.pack(16, command_id | _RESP, 0, sequence_number))

    def _forward(self, sequence_number: int, body: bytes) -> None:
        match = _SUBMIT_BODY.match(body)
        if match is None:
            raise ValueError("the load sent a submit_sm that cannot be read")
        upstream = self._upstream
        ours = upstream.sequence_number = upstream.sequence_number + 1
        upstream.pending[ours] = (self, sequence_number)
        body = _SUBMIT_FORMAT % (*match.groups(), body[match.end() :])
        upstream.send(_HEADER.pack(16 + len(body), _SUBMIT_SM, 0, ours) + body)


async def _relay(upstream_port: int) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        _, upstream = await loop.create_connection(Upstream, "127.0.0.1", upstream_port)
        status = await upstream.bound
    if status:
        raise ConnectionError(f"the sink refused the bind with 0x{status:08x}")
    server = await loop.create_server(lambda: Customer(upstream), "127.0.0.1", 0)
    control.say({"port": server.sockets[0].getsockname()[1]})
    await control.answer_until_end(lambda: {"pending": len(upstream.pending)})


def main() -> None:
    """Runs until stdin ends."""
    parser = argparse.ArgumentParser(description="SMPP relay without storage, policy or receipts")
    parser.add_argument("--upstream-port", type=int, required=True)
    uvloop.run(_relay(parser.parse_args().upstream_port))


if __name__ == "__main__":
    main()
