"""The customer's side of the path over SMPP: N connections with a window each, counted to the end.

Message number n goes to destination 467 and eight digits, under sequence_number n + 1, so that an
answer or a receipt finds its message without a dictionary.
"""

import asyncio
import re
import struct
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import cast

from benchmarks.latency import Percentiles, slots, summarize
from protocols.smpp.codec import encode_bind, encode_header, encode_submit_sm, frame
from protocols.smpp.constants import RESP, CommandId

SENDER = "10000"
DESTINATION_PREFIX = "467"  # and eight digits: possible mobile numbers of one country
TEXT = "Your one-time code is 493817. It is valid for ten minutes."

_SUBMIT_SM_RESP = int(CommandId.SUBMIT_SM_RESP)
_DELIVER_SM = int(CommandId.DELIVER_SM)
_BIND_SEQUENCE = 0x7FFFFFFF
_UNBIND_SEQUENCE = 0x7FFFFFFE
_TICK_S = 0.001
_WATCH_S = 0.25

_SEQUENCE = struct.Struct(">I")
_DELIVER_RESPONSE = struct.Struct(">IIIIx")
_DELIVER_SM_RESP = int(CommandId.DELIVER_SM_RESP)
# The source_addr of a receipt is the message's destination; stat is the last word but two.
_RECEIPT = re.compile(rb"[^\0]*\0..\+?467(\d{8})\0.* stat:([A-Z]+) ", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class EsmeOptions:
    """What to send; `rate_per_s` 0 = as fast as the windows go, `offset` the first number's.

    `priority_flag` is that of SMPP v3.4 5.2.14.
    """

    port: int
    system_id: str
    password: str
    connections: int
    window: int
    count: int
    rate_per_s: int
    offset: int
    with_receipts: bool
    timeout_s: float
    sender: str = SENDER
    priority_flag: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EsmeReport:
    """What came back.

    `strays` are second answers, second receipts and receipts of no message of ours or not DELIVRD;
    `started_at` and `ended_at` are CLOCK_MONOTONIC in seconds, `cpu_s` is the load's own CPU.
    """

    accepted: int
    statuses: dict[str, int]
    unanswered: int
    delivered: int
    strays: int
    started_at: float
    ended_at: float
    cpu_s: float
    response_ms: Percentiles
    receipt_ms: Percentiles


def submit_format(with_receipt: bool, sender: str = SENDER, priority_flag: int = 0) -> bytes:
    """A submit_sm as a `%` format: four octets of sequence_number, the destination's digits."""
    sequence_number, digits = b"\xfe\xfe\xfe\xfe", b"\xfd" * 8
    pdu = encode_submit_sm(
        int.from_bytes(sequence_number, "big"),
        source_ton=3,
        source_npi=0,
        source_addr=sender.encode("ascii"),
        dest_ton=1,
        dest_npi=1,
        destination_addr=DESTINATION_PREFIX.encode("ascii") + digits,
        esm_class=0,
        priority_flag=priority_flag,
        schedule_delivery_time=b"",
        validity_period=b"",
        registered_delivery=int(with_receipt),
        data_coding=0,
        short_message=TEXT.encode("ascii"),
    )
    return pdu.replace(b"%", b"%%").replace(sequence_number, b"%b").replace(digits, b"%08d")


class EsmeLoad:
    """The whole load and what is known of each message."""

    def __init__(self, options: EsmeOptions) -> None:
        self.options = options
        self.sent_at = slots(options.count)
        self.response_s = slots(options.count)
        self.receipt_s = slots(options.count)
        self.statuses: Counter[int] = Counter()
        self.delivered = 0
        self.strays = 0
        self.next_number = 0
        self.links: list[EsmeLink] = []
        self._format = submit_format(options.with_receipts, options.sender, options.priority_flag)
        self._done = asyncio.Event()

    async def run(self) -> EsmeReport:
        """Binds, sends everything, waits for what is due, unbinds.

        Raises:
            ConnectionError: a connection or a bind was refused.
        """
        async with asyncio.timeout(self.options.timeout_s):
            await self._bind_all()
        cpu_s, started_at = time.process_time(), monotonic()
        if self.options.rate_per_s:
            self._tick(started_at)
        else:
            for link in self.links:
                link.fill()
        await self._watch()
        ended_at, cpu_s = monotonic(), time.process_time() - cpu_s
        for link in self.links:
            link.unbind()
        return self._report(started_at, ended_at, cpu_s)

    async def _bind_all(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self.options.connections):
            _, link = await loop.create_connection(
                lambda: EsmeLink(self), "127.0.0.1", self.options.port
            )
            self.links.append(link)
            status = await link.bound
            if status:
                raise ConnectionError(f"the bind was refused with 0x{status:08x}")

    # -- what is sent ----------------------------------------------------------------------------

    def take(self, most: int) -> range:
        """The next numbers, at most `most`, stamped as sent now."""
        first = self.next_number
        self.next_number = last = min(first + most, self.options.count)
        now = monotonic()
        for number in range(first, last):
            self.sent_at[number] = now
        return range(first, last)

    def _tick(self, started_at: float) -> None:
        """Hands what is due since the last tick to the connections in turn.

        The time of sending is the one the pace asks for: what waits for a full window, or for a
        late tick, waits inside its latency and not beside it.
        """
        rate, links = self.options.rate_per_s, self.links
        due = min(int((monotonic() - started_at) * rate) + 1, self.options.count)
        for number in range(self.next_number, due):
            self.sent_at[number] = started_at + number / rate
            links[number % len(links)].backlog.append(number)
        touched = {number % len(links) for number in range(self.next_number, due)}
        self.next_number = due
        for index in touched:
            links[index].fill()
        if due < self.options.count and not self._done.is_set():
            asyncio.get_running_loop().call_later(_TICK_S, self._tick, started_at)

    def encode(self, numbers: Iterable[int]) -> bytes:
        """The submit_sm of `numbers`, one after the other."""
        form, pack, offset = self._format, _SEQUENCE.pack, self.options.offset
        return b"".join([form % (pack(number + 1), offset + number) for number in numbers])

    # -- when it ends ----------------------------------------------------------------------------

    @property
    def answered(self) -> int:
        """submit_sm with a response, whatever it said."""
        return self.statuses.total()

    def check_done(self) -> None:
        """Ends the run once every answer and every receipt is there."""
        if self.answered < self.options.count:
            return
        if not self.options.with_receipts or self.delivered >= self.statuses[0]:
            self._done.set()

    async def _watch(self) -> None:
        """Waits for the end; gives up when nothing came for `timeout_s`."""
        progress, since = -1, monotonic()
        while not self._done.is_set():
            seen = self.answered + self.delivered
            if seen != progress:
                progress, since = seen, monotonic()
            elif monotonic() - since > self.options.timeout_s:
                self._done.set()
            try:
                async with asyncio.timeout(_WATCH_S):
                    await self._done.wait()
            except TimeoutError:
                continue

    def _report(self, started_at: float, ended_at: float, cpu_s: float) -> EsmeReport:
        return EsmeReport(
            accepted=self.statuses[0],
            statuses={f"0x{status:08x}": n for status, n in sorted(self.statuses.items())},
            unanswered=self.options.count - self.answered,
            delivered=self.delivered,
            strays=self.strays,
            started_at=started_at,
            ended_at=ended_at,
            cpu_s=cpu_s,
            response_ms=summarize(self.response_s),
            receipt_ms=summarize(self.receipt_s),
        )


class EsmeLink(asyncio.Protocol):
    """One bind; `backlog` is what the pace wants sent and the window has not let out."""

    _transport: asyncio.Transport

    def __init__(self, load: EsmeLoad) -> None:
        self._load = load
        self._room = load.options.window
        self._is_paced = bool(load.options.rate_per_s)
        self._rest = b""
        self.backlog: deque[int] = deque()
        self.bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Binds at once."""
        self._transport = cast(asyncio.Transport, transport)
        options = self._load.options
        self._transport.write(
            encode_bind(
                CommandId.BIND_TRANSCEIVER,
                _BIND_SEQUENCE,
                options.system_id,
                options.password,
                system_type="",
            )
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """What was on its way stays unanswered."""
        if not self.bound.done():
            self.bound.set_exception(ConnectionError("the connection closed before the bind"))

    def unbind(self) -> None:
        """Says goodbye; the process ends anyway."""
        self._transport.write(encode_header(CommandId.UNBIND, 0, _UNBIND_SEQUENCE))

    def fill(self) -> None:
        """Sends as much as the window has room for."""
        if self._room and (pdus := self._next()):
            self._transport.write(pdus)

    def _next(self) -> bytes:
        numbers: range | list[int]
        if self._is_paced:
            backlog = self.backlog
            numbers = [backlog.popleft() for _ in range(min(self._room, len(backlog)))]
        else:
            numbers = self._load.take(self._room)
        self._room -= len(numbers)
        return self._load.encode(numbers)

    def data_received(self, data: bytes) -> None:
        """Counts what came, answers it and refills the window, in one write."""
        now, load = monotonic(), self._load
        pdus, self._rest = frame(self._rest + data if self._rest else data)
        out: list[bytes] = []
        accepted = 0
        for command_id, command_status, sequence_number, body in pdus:
            if command_id == _SUBMIT_SM_RESP:
                number = sequence_number - 1
                if load.response_s[number]:
                    load.strays += 1
                    continue
                load.response_s[number] = now - load.sent_at[number]
                self._room += 1
                if command_status:
                    load.statuses[command_status] += 1
                else:
                    accepted += 1
            elif command_id == _DELIVER_SM:
                out.append(_DELIVER_RESPONSE.pack(17, _DELIVER_SM_RESP, 0, sequence_number))
                self._receipt(body, now)
            else:
                self._session_pdu(command_id, command_status, sequence_number, out)
        load.statuses[0] += accepted
        if self._room and (refill := self._next()):
            out.append(refill)
        if out:
            self._transport.write(b"".join(out))
        load.check_done()

    def _receipt(self, body: bytes, now: float) -> None:
        load = self._load
        match = _RECEIPT.match(body)
        number = -1 if match is None else int(match[1]) - load.options.offset
        if (
            match is None
            or match[2] != b"DELIVRD"
            or not 0 <= number < load.options.count
            or load.receipt_s[number]
        ):
            load.strays += 1
            return
        load.receipt_s[number] = now - load.sent_at[number]
        load.delivered += 1

    def _session_pdu(
        self, command_id: int, command_status: int, sequence_number: int, out: list[bytes]
    ) -> None:
        if command_id == CommandId.BIND_TRANSCEIVER_RESP:
            self.bound.set_result(command_status)
        elif not command_id & RESP:
            out.append(encode_header(command_id | RESP, 0, sequence_number))
