"""One request for two million recipients: what taking it in costs, and whom it holds up.

First alone, for a day ahead, so that nothing leaves meanwhile: CPU, memory, and what a page of its
recipients costs at the beginning and at the end.  Then once more, to be sent at once, beside a
steady SMPP load, while an enquire_link every few milliseconds, which is answered as soon as the
loop comes to it, tells how long it was busy with something else.  At last the messages leave for
some seconds.
"""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks import configuration
from benchmarks.configuration import CUSTOMER, PASSWORD
from benchmarks.daemon import free_ports, serving, wait_until_bound
from benchmarks.latency import Percentiles, summarize
from benchmarks.process import BenchmarkError, Child, module, started
from benchmarks.rest_client import parse_answer
from protocols.smpp.codec import encode_bind, encode_header
from protocols.smpp.constants import CommandId

COUNT = 2_000_000
BUDGET_CPU_S = 12.0
BUDGET_MIB = 250.0
BUDGET_STALL_MS = 20.0
BUDGET_LIVE_MS = 50.0
LIVE_RATE = 500  # messages per second over SMPP, meanwhile
PAGE = 100  # recipients
PAGES = 100  # how often each is asked for
FEED_S = 10.0  # how long the messages may leave

_ANSWER_TIMEOUT_S = 300.0
_SMALL_TIMEOUT_S = 30.0
_CARRIER_WINDOW = 400
_PIECE = 4_000  # numbers per write
_PULSE_S = 0.002
_HEADER_OCTETS = 16  # SMPP v3.4 3.2
_WATCH_S = 0.02
_WARM_UP = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCost:
    """One page of recipients: the client's median, and CPU of the gateway."""

    response_ms: float
    cpu_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCost:
    """What was measured.

    `cpu_s` and `extra_mib` (the peak above what the empty daemon had) are of the request alone,
    `live_ms` of submit_sm and `busy_ms` of the enquire_links while the second was taken in.
    `feed_per_s` and `feed_cpu_us` are of messages on their way to the carrier, receipts included.
    """

    count: int
    cpu_s: float
    took_s: float
    extra_mib: float
    first_page: PageCost
    last_page: PageCost
    live_count: int
    live_lost: int
    live_ms: Percentiles
    busy_ms: Percentiles
    feed_per_s: float
    feed_cpu_us: float

    @property
    def is_within_budget(self) -> bool:
        """Whether all four budgets of a request of COUNT were kept."""
        return (
            self.cpu_s <= BUDGET_CPU_S
            and self.extra_mib <= BUDGET_MIB
            and self.busy_ms["max"] <= BUDGET_STALL_MS
            and self.live_ms["p99"] <= BUDGET_LIVE_MS
        )

    @property
    def is_sound(self) -> bool:
        """Whether the live load was accepted whole."""
        return not self.live_lost


async def measure(directory: Path | None, count: int) -> BulkCost:
    """Runs the whole scenario on SQLite.

    Raises:
        BenchmarkError: a process failed, or a request was refused.
    """
    with tempfile.TemporaryDirectory(prefix="postern-bench-", dir=directory) as name:
        return await _Scenario(Path(name), count).run()


class _Scenario:
    def __init__(self, directory: Path, count: int) -> None:
        self._directory = directory
        self._count = count
        self._http_port, self._smpp_port = free_ports(2)

    async def run(self) -> BulkCost:
        async with contextlib.AsyncExitStack() as stack:
            sink = await stack.enter_async_context(
                started("sink", module("sink", "--receipts"), self._directory)
            )
            gateway = await stack.enter_async_context(
                self._gateway(int((await sink.read())["port"]))
            )
            await wait_until_bound(sink, gateway)
            client = await stack.enter_async_context(_connected(self._http_port))
            await client.send_bulk(render_body(_WARM_UP, is_for_later=True))
            alone = await self._alone(gateway, client)
            first = await self._page(gateway, client, alone.uuid, 0)
            last = await self._page(gateway, client, alone.uuid, self._count - PAGE)
            live, busy_ms = await self._beside_traffic(client, alone.took_s)
            feed_per_s, feed_cpu_us = await self._feed(gateway, sink)
        return BulkCost(
            count=self._count,
            cpu_s=round(alone.cpu_s, 2),
            took_s=round(alone.took_s, 2),
            extra_mib=round(alone.extra_mib, 1),
            first_page=first,
            last_page=last,
            live_count=int(live["count"]),
            live_lost=int(live["count"]) - int(live["accepted"]),
            live_ms=live["response_ms"],
            busy_ms=busy_ms,
            feed_per_s=round(feed_per_s, 1),
            feed_cpu_us=round(feed_cpu_us, 2),
        )

    @contextlib.asynccontextmanager
    async def _gateway(self, carrier_port: int) -> AsyncIterator[Child]:
        file = self._directory / "postern.toml"
        file.write_text(
            configuration.render(
                http_port=self._http_port,
                smpp_port=self._smpp_port,
                carrier_port=carrier_port,
                carrier_window=_CARRIER_WINDOW,
                store_url=f"sqlite:///{self._directory}/postern.db",
            )
        )
        async with serving(file, self._directory, self._smpp_port, self._http_port) as gateway:
            yield gateway

    async def _alone(self, gateway: Child, client: "_Client") -> "_Alone":
        body = render_body(self._count, is_for_later=True)
        before_mib, cpu_s, since = gateway.rss_mib(), gateway.cpu_s(), monotonic()
        seen_mib = [before_mib]
        async with _beside(_watch(gateway, seen_mib)):
            uuid = await client.send_bulk(body)
        took_s, cpu_s = monotonic() - since, gateway.cpu_s() - cpu_s
        return _Alone(uuid, cpu_s, took_s, max(*seen_mib, gateway.rss_mib()) - before_mib)

    async def _page(self, gateway: Child, client: "_Client", uuid: str, after: int) -> PageCost:
        path = f"/api/v2/sms/{uuid}/recipients?after={after}&limit={PAGE}"
        waits_s = []
        cpu_s = gateway.cpu_s()
        for _ in range(PAGES):
            since = monotonic()
            found = await client.get(path)
            waits_s.append(monotonic() - since)
            if len(found["data"]) != PAGE:
                raise BenchmarkError(f"a page of {len(found['data'])} recipients")
        cpu_us = (gateway.cpu_s() - cpu_s) * 1e6 / PAGES
        return PageCost(response_ms=summarize(waits_s)["p50"], cpu_us=round(cpu_us, 1))

    async def _beside_traffic(
        self, client: "_Client", took_s: float
    ) -> tuple[dict[str, Any], Percentiles]:
        """The load's report, and how long the small requests took."""
        body = render_body(self._count, is_for_later=False)
        count = max(LIVE_RATE, round(LIVE_RATE * took_s))
        arguments = (
            "smpp", f"--port={self._smpp_port}", f"--system-id={CUSTOMER.system_id}",
            f"--password={PASSWORD}", "--connections=2", "--window=50", f"--rate={LIVE_RATE}",
            f"--count={count}", "--offset=50000000",
        )  # fmt: skip
        async with (
            started("load", module("load", *arguments), self._directory) as load,
            _bound(self._smpp_port) as pulse,
        ):
            async with _beside(pulse.beat()):
                await client.send_bulk(body)
            report = await load.read(_ANSWER_TIMEOUT_S)
        return report | {"count": count}, summarize(pulse.waits_s)

    async def _feed(self, gateway: Child, sink: Child) -> tuple[float, float]:
        """Messages per second, and CPU microseconds of each."""
        before, cpu_s, since = await sink.ask(), gateway.cpu_s(), monotonic()
        await asyncio.sleep(min(FEED_S, FEED_S * self._count / COUNT + 1.0))
        after, took_s = await sink.ask(), monotonic() - since
        submits = int(after["submits"]) - int(before["submits"])
        return submits / took_s, (gateway.cpu_s() - cpu_s) * 1e6 / max(submits, 1)


@dataclass(frozen=True, slots=True)
class _Alone:
    uuid: str
    cpu_s: float
    took_s: float
    extra_mib: float


async def _watch(gateway: Child, seen_mib: list[float]) -> None:
    while True:
        seen_mib.append(gateway.rss_mib())
        await asyncio.sleep(_WATCH_S)


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Something that goes on for as long as the block."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class _Client:
    """One kept connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send_bulk(self, body: list[bytes]) -> str:
        """Sends one made by `render_body`; the id of what was accepted."""
        octets = sum(map(len, body))
        self._writer.write(self._request("POST", "/api/v2/sms/send", octets))
        for piece in body:
            self._writer.write(piece)
            await self._writer.drain()
        answer = await self._answer(_ANSWER_TIMEOUT_S)
        uuid: str = answer["uuid"]
        return uuid

    async def get(self, path: str) -> dict[str, Any]:
        """One query."""
        self._writer.write(self._request("GET", path))
        return await self._answer(_SMALL_TIMEOUT_S)

    def _request(self, method: str, path: str, octets: int = 0) -> bytes:
        body = f"Content-Type: application/json\r\nContent-Length: {octets}\r\n" if octets else ""
        return (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: {CUSTOMER.token}\r\n"
            f"{body}\r\n"
        ).encode()

    async def _answer(self, timeout_s: float) -> dict[str, Any]:
        received = b""
        answer = None
        async with asyncio.timeout(timeout_s):
            while answer is None:
                octets = await self._reader.read(65_536)
                if not octets:
                    raise BenchmarkError("the gateway closed the connection")
                received += octets
                answer = parse_answer(received)
        status, body = answer
        if status != 200:
            raise BenchmarkError(f"a request was refused with {status}: {body[:200]!r}")
        fields: dict[str, Any] = json.loads(body)
        return fields


@contextlib.asynccontextmanager
async def _connected(port: int) -> AsyncIterator[_Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield _Client(reader, writer)
    finally:
        writer.close()


class _Pulse:
    """A bind on which nothing is sent but enquire_link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._sequence_number = 0
        self.waits_s: list[float] = []

    async def bind(self) -> None:
        """Raises BenchmarkError when it is refused."""
        pdu = encode_bind(
            CommandId.BIND_TRANSMITTER, self._next(), CUSTOMER.system_id, PASSWORD, ""
        )
        status = await self._asked(pdu)
        if status:
            raise BenchmarkError(f"the bind was refused with {status:#x}")

    async def beat(self) -> None:
        """Until it is cancelled."""
        while True:
            since = monotonic()
            await self._asked(encode_header(CommandId.ENQUIRE_LINK, 0, self._next()))
            self.waits_s.append(monotonic() - since)
            await asyncio.sleep(_PULSE_S)

    def _next(self) -> int:
        self._sequence_number += 1
        return self._sequence_number

    async def _asked(self, pdu: bytes) -> int:
        """The command_status of its answer."""
        self._writer.write(pdu)
        async with asyncio.timeout(_SMALL_TIMEOUT_S):
            header = await self._reader.readexactly(_HEADER_OCTETS)
            await self._reader.readexactly(int.from_bytes(header[:4], "big") - _HEADER_OCTETS)
        return int.from_bytes(header[8:12], "big")


@contextlib.asynccontextmanager
async def _bound(port: int) -> AsyncIterator[_Pulse]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        pulse = _Pulse(reader, writer)
        await pulse.bind()
        yield pulse
    finally:
        writer.close()


def render_body(count: int, *, is_for_later: bool) -> list[bytes]:
    """A request for `count` recipients, in pieces: making it must not take the client's time."""
    fields = {"sender": CUSTOMER.sender, "content": "hello"}
    if is_for_later:
        later = datetime.now(UTC) + timedelta(days=1)
        fields["scheduledTime"] = later.isoformat(timespec="seconds")
    pieces = [(json.dumps(fields)[:-1] + ',"msisdns":[').encode()]
    for first in range(0, count, _PIECE):
        last = min(count, first + _PIECE)
        numbers = ",".join(f'"668{n:08d}"' for n in range(first, last))
        pieces.append((numbers + ("]}" if last == count else ",")).encode())
    return pieces


def render(cost: BulkCost) -> str:
    """Some lines for people."""
    verdict = "OK" if cost.is_within_budget else "OVER"
    first, last = cost.first_page, cost.last_page
    lines = [
        f"bulk: {cost.count:,} recipients in one request, {verdict}",
        f"  alone: {cost.cpu_s:.2f} s CPU (budget {BUDGET_CPU_S:.0f}), {cost.took_s:.2f} s, "
        f"{cost.extra_mib:.0f} MiB more (budget {BUDGET_MIB:.0f})",
        f"  beside {LIVE_RATE} messages/s over SMPP: their answers p99 {cost.live_ms['p99']:.1f} "
        f"ms (budget {BUDGET_LIVE_MS:.0f}), max {cost.live_ms['max']:.1f}; enquire_link p99 "
        f"{cost.busy_ms['p99']:.1f} ms, max {cost.busy_ms['max']:.1f} (budget "
        f"{BUDGET_STALL_MS:.0f})",
        f"  {PAGE} recipients at the beginning: {first.response_ms:.2f} ms, {first.cpu_us:.0f} us "
        f"CPU; at the end: {last.response_ms:.2f} ms, {last.cpu_us:.0f} us CPU",
        f"  sent: {cost.feed_per_s:,.0f}/s, {cost.feed_cpu_us:.1f} us CPU each",
    ]
    if cost.live_lost:
        lines.append(f"  LOST {cost.live_lost} of {cost.live_count} live messages")
    return "\n".join(lines)
