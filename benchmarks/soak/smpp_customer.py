"""An ESME that keeps its binds, whatever happens to the gateway, and writes the book."""

import asyncio
import contextlib
from functools import partial
from time import monotonic
from typing import cast

from benchmarks.soak import numbers
from benchmarks.soak.book import Book
from benchmarks.soak.configuration import PASSWORD
from benchmarks.soak.traffic import Customer, Mixer
from protocols.smpp.codec import (
    decode_message_id,
    decode_sm,
    encode_bind,
    encode_deliver_sm_resp,
    encode_header,
    frame,
)
from protocols.smpp.constants import RESP, CommandId
from protocols.smpp.receipt_text import parse

RECONNECT_S = 0.2
BIND_TIMEOUT_S = 5.0
MOST_BEHIND_S = 1.0  # of its pace that a customer makes up for after it could not send

_BINDS = {
    "trx": CommandId.BIND_TRANSCEIVER,
    "tx": CommandId.BIND_TRANSMITTER,
    "rx": CommandId.BIND_RECEIVER,
}
_TO_BE_REFUSED = -1  # in place of a message number


class SmppCustomer:
    """All binds of one system_id.  `send_due` is called in short intervals by the run's ticker."""

    def __init__(
        self, customer: Customer, port: int, rate_per_s: float, book: Book, mixer: Mixer
    ) -> None:
        self.customer = customer
        self.links: list[CustomerLink] = []
        self.book = book
        self._port = port
        self._rate_per_s = rate_per_s
        self._mixer = mixer
        self._due = 0.0
        self._sent_until = monotonic()
        self._turn = 0
        self._is_here = asyncio.Event()
        self._is_here.set()

    # -- binds -----------------------------------------------------------------------------------

    async def keep_bound(self, kind: str) -> None:
        """Binds, and again whenever the bind ends, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._is_here.wait()
            link = CustomerLink(self, kind)
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(BIND_TIMEOUT_S):
                    await loop.create_connection(partial(_same, link), "127.0.0.1", self._port)
                    await link.bound
                await link.lost.wait()
            link.abort()
            await asyncio.sleep(RECONNECT_S)

    async def come_and_go(self) -> None:
        """Unbinds again and again, as far as the customer does, until cancelled."""
        customer = self.customer
        while customer.away_s:
            await asyncio.sleep(customer.here_s)
            self._is_here.clear()
            for link in self.links:
                link.unbind()
            try:
                await asyncio.sleep(customer.away_s)
            finally:
                self._is_here.set()

    async def stop_reading(self, lasts_s: float) -> None:
        """Leaves everything unread for a while."""
        deaf = list(self.links)
        for link in deaf:
            link.pause_reading()
        try:
            await asyncio.sleep(lasts_s)
        finally:
            for link in deaf:
                link.resume_reading()

    # -- messages --------------------------------------------------------------------------------

    def send_due(self) -> None:
        """Sends what its pace asks for, as far as binds and windows go."""
        now = monotonic()
        most = self._rate_per_s * MOST_BEHIND_S
        self._due = min(most, self._due + (now - self._sent_until) * self._rate_per_s)
        self._sent_until = now
        links = [link for link in self.links if link.may_send]
        while self._due >= 1 and links:
            self._turn += 1
            link = links[self._turn % len(links)]
            self._send(link)
            self._due -= 1
            if not link.may_send:
                links.remove(link)

    def _send(self, link: "CustomerLink") -> None:
        kind = self._mixer.kind()
        schedule_s = self._mixer.schedule_s(kind)
        number, recipient = _TO_BE_REFUSED, ""
        if kind.is_good:
            number = self.book.open(
                parts=kind.parts,
                wants_notice=kind.wants_receipt,
                is_timed=not schedule_s and not self.customer.away_s,
            )
            recipient = numbers.recipient(number, self._mixer.area())
        sequence_number = link.take_turn(number)
        link.write(kind.encode(sequence_number, recipient, schedule_s))


def _same(link: "CustomerLink") -> "CustomerLink":
    """As a factory of protocols."""
    return link


class CustomerLink(asyncio.Protocol):
    """One bind."""

    _transport: asyncio.Transport | None = None

    def __init__(self, owner: SmppCustomer, kind: str) -> None:
        self._owner = owner
        self._kind = kind
        self._rest = b""
        self._sequence_number = 0
        self._unanswered: dict[int, int] = {}
        self._is_unbinding = False
        self.bound: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()

    # -- life ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Binds at once."""
        self._transport = cast(asyncio.Transport, transport)
        system_id = self._owner.customer.system_id
        self.write(encode_bind(_BINDS[self._kind], self._next(), system_id, PASSWORD, ""))

    def connection_lost(self, exc: Exception | None) -> None:
        """What was on its way stays unanswered."""
        self._transport = None
        self.lost.set()
        if self in self._owner.links:
            self._owner.links.remove(self)
        if not self.bound.done():
            self.bound.set_exception(ConnectionError("closed before the bind"))

    def abort(self) -> None:
        """Ends the connection if there is one."""
        if self.bound.done() and not self.bound.cancelled():
            self.bound.exception()  # looked at: nobody else may be there to do so
        if self._transport is not None:
            self._transport.abort()

    def unbind(self) -> None:
        """Asks to part; the gateway answers and closes."""
        self._is_unbinding = True
        self.write(encode_header(CommandId.UNBIND, 0, self._next()))

    def pause_reading(self) -> None:
        """Lets the gateway's octets pile up."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Reads what has piled up."""
        if self._transport is not None:
            self._transport.resume_reading()

    # -- out -------------------------------------------------------------------------------------

    @property
    def may_send(self) -> bool:
        """Whether it can take one more submit_sm."""
        return (
            self._kind != "rx"
            and self._transport is not None
            and not self._is_unbinding
            and len(self._unanswered) < self._owner.customer.window
        )

    def take_turn(self, number: int) -> int:
        """The sequence_number under which message `number` is going to be answered."""
        sequence_number = self._next()
        self._unanswered[sequence_number] = number
        return sequence_number

    def write(self, pdu: bytes) -> None:
        """Writes, or drops it when the connection is gone."""
        if self._transport is not None:
            self._transport.write(pdu)

    def _next(self) -> int:
        self._sequence_number += 1
        return self._sequence_number

    # -- in --------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Answers, receipts and the session's own PDUs."""
        pdus, self._rest = frame(self._rest + data)
        out: list[bytes] = []
        for command_id, command_status, sequence_number, body in pdus:
            if command_id == CommandId.SUBMIT_SM_RESP:
                self._answered(sequence_number, command_status, body)
            elif command_id == CommandId.DELIVER_SM:
                self._receipt(body)
                out.append(encode_deliver_sm_resp(sequence_number, 0))
            elif command_id & RESP:
                self._responded(command_id, command_status)
            else:
                out.append(encode_header(command_id | RESP, 0, sequence_number))
        if out:
            self.write(b"".join(out))

    def _answered(self, sequence_number: int, command_status: int, body: bytes) -> None:
        book = self._owner.book
        number = self._unanswered.pop(sequence_number, None)
        reason = f"0x{command_status:08x}"
        if number is None:
            book.strangers += 1
        elif number == _TO_BE_REFUSED:
            book.refused_as_expected(command_status != 0, reason)
        elif command_status:
            book.refuse(number, reason)
        else:
            book.accept(number, int(decode_message_id(body), 16), is_timed=True)

    def _receipt(self, body: bytes) -> None:
        sm = decode_sm(body)
        text = parse(sm.short_message)
        if text is None:
            self._owner.book.strangers += 1
        else:
            self._owner.book.notice(sm.source_addr, text.stat, int(text.id, 16))

    def _responded(self, command_id: int, command_status: int) -> None:
        if self.bound.done() or command_id != _BINDS[self._kind] | RESP:
            return
        if command_status:
            self.bound.set_exception(ConnectionError(f"bind refused: 0x{command_status:08x}"))
        else:
            self._owner.links.append(self)
            self.bound.set_result(None)
