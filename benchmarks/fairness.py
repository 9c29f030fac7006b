"""Fairness: a single urgent message beside another account's mountain, and two equal accounts.

Account *bulk* holds `count` messages for a carrier of CARRIER_RATE parts per second.  First account
*urgent* sends single messages of the highest priority now and then: how long from its
submit_sm_resp until the carrier has the message?  Then account *equal* queues messages of the same
class as bulk's: what share of the carrier does it get while both wait?
"""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from benchmarks import configuration
from benchmarks.configuration import PASSWORD, Customer
from benchmarks.daemon import free_ports, serving, wait_until_bound
from benchmarks.esme import DESTINATION_PREFIX, EsmeLoad, EsmeOptions
from benchmarks.latency import Percentiles, summarize
from benchmarks.process import BenchmarkError, module, started

COUNT = 500_000
CARRIER_RATE = 1000  # parts per second
PROBES = 200
PROBE_RATE = 25  # per second: one every 40 ms
URGENT = 3  # priority_flag
EQUAL_COUNT = 20_000
SHARE_S = 5.0
BUDGET_MS = 50.0
SHARE_TOLERANCE = 0.10  # of one account's share to the other's

_FILL_TIMEOUT_S = 300.0
_ARRIVAL_TIMEOUT_S = 10.0
_CARRIER_WINDOW = 400
_PROBE_OFFSET, _EQUAL_OFFSET = 90_000_000, 80_000_000
_POLL_S = 0.1

_BULK = Customer(name="bulk", sender="20001", token="token-of-bulk", system_id="bulk")
_EQUAL = Customer(name="equal", sender="20002", token="token-of-equal", system_id="equal")
_URGENT = Customer(name="urgent", sender="20003", token="token-of-urgent", system_id="urgent")


class Arrival(NamedTuple):
    """A submit_sm at the carrier; `at` is CLOCK_MONOTONIC in seconds."""

    at: float
    sender: str
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """What was measured.

    `wait_ms` is from the customer's answer to the carrier, 0 when the carrier was first; `way_ms`
    from its submit_sm.  `share` is equal's part of what bulk and equal sent together.
    """

    count: int
    probes: int
    missing: int
    response_ms: Percentiles
    wait_ms: Percentiles
    way_ms: Percentiles
    sent_per_s: float
    share: float

    @property
    def is_prompt(self) -> bool:
        """Whether the urgent messages kept their budget."""
        return self.wait_ms["p99"] <= BUDGET_MS

    @property
    def is_fair(self) -> bool:
        """Whether the two equal accounts got the same, within the tolerance."""
        return is_equal_share(self.share)

    @property
    def is_sound(self) -> bool:
        """Whether every urgent message was accepted and arrived."""
        return not self.missing


def is_equal_share(share: float) -> bool:
    """Whether `share` of two accounts differs from the other's by at most the tolerance."""
    larger = max(share, 1 - share)
    return 1 - larger >= (1 - SHARE_TOLERANCE) * larger


def parse_arrivals(lines: Iterable[str]) -> list[Arrival]:
    """The lines of `benchmarks.sink --record`."""
    arrivals = []
    for line in lines:
        at, sender, destination = line.split()
        arrivals.append(Arrival(float(at), sender, destination))
    return arrivals


def share_of(arrivals: Iterable[Arrival], sender: str, other: str) -> float:
    """The part of `sender` in what both sent; 0 when neither did."""
    counts = Counter(arrival.sender for arrival in arrivals)
    both = counts[sender] + counts[other]
    return counts[sender] / both if both else 0.0


async def measure(directory: Path | None, count: int) -> Fairness:
    """Runs the whole scenario on SQLite.

    Raises:
        BenchmarkError: a process failed, or not everything was accepted.
    """
    with tempfile.TemporaryDirectory(prefix="postern-bench-", dir=directory) as name:
        return await _Scenario(Path(name), count).run()


class _Scenario:
    def __init__(self, directory: Path, count: int) -> None:
        self._directory = directory
        self._count = count
        self._record = directory / "arrivals"
        self._http_port, self._smpp_port = free_ports(2)

    async def run(self) -> Fairness:
        async with contextlib.AsyncExitStack() as stack:
            sink = await stack.enter_async_context(
                started("sink", module("sink", f"--record={self._record}"), self._directory)
            )
            file = self._directory / "postern.toml"
            file.write_text(
                configuration.render(
                    http_port=self._http_port,
                    smpp_port=self._smpp_port,
                    carrier_port=int((await sink.read())["port"]),
                    carrier_window=_CARRIER_WINDOW,
                    carrier_rate=CARRIER_RATE,
                    store_url=f"sqlite:///{self._directory}/postern.db",
                    customers=(_BULK, _EQUAL, _URGENT),
                )
            )
            gateway = await stack.enter_async_context(
                serving(file, self._directory, self._smpp_port, self._http_port)
            )
            await wait_until_bound(sink, gateway)
            await self._fill(_BULK, self._count, 0)
            probes = await self._probe()
            arrivals = await self._until_arrived(sum(1 for sent in probes.response_s if sent))
            sent_per_s, share = await self._share()
        return _figures(self._count, probes, arrivals, sent_per_s, share)

    async def _fill(self, customer: Customer, count: int, offset: int) -> None:
        arguments = (
            "rest",
            f"--port={self._http_port}",
            f"--token={customer.token}",
            f"--sender={customer.sender}",
            "--connections=2",
            "--per-request=1000",
            f"--count={count}",
            f"--offset={offset}",
        )
        async with started("load", module("load", *arguments), self._directory) as load:
            accepted = (await load.read(_FILL_TIMEOUT_S))["accepted"]
        if accepted != count:
            raise BenchmarkError(f"{customer.name}: {accepted} of {count} messages were accepted")

    async def _probe(self) -> EsmeLoad:
        probes = EsmeLoad(
            EsmeOptions(
                port=self._smpp_port,
                system_id=_URGENT.system_id,
                password=PASSWORD,
                connections=1,
                window=100,
                count=PROBES,
                rate_per_s=PROBE_RATE,
                offset=_PROBE_OFFSET,
                with_receipts=False,
                timeout_s=_ARRIVAL_TIMEOUT_S,
                sender=_URGENT.sender,
                priority_flag=URGENT,
            )
        )
        await probes.run()
        return probes

    async def _until_arrived(self, count: int) -> list[Arrival]:
        """The arrivals of the urgent messages, once there are `count` or no more come."""
        deadline = monotonic() + _ARRIVAL_TIMEOUT_S
        while True:
            urgent = [each for each in self._arrivals() if each.sender == _URGENT.sender]
            if len(urgent) >= count or monotonic() > deadline:
                return urgent
            await asyncio.sleep(_POLL_S)

    async def _share(self) -> tuple[float, float]:
        """Messages per second of both accounts, and equal's share, while both wait."""
        await self._fill(_EQUAL, EQUAL_COUNT, _EQUAL_OFFSET)
        since = monotonic() + SHARE_S / 10
        await asyncio.sleep(SHARE_S * 1.1)
        during = [each for each in self._arrivals() if since <= each.at < since + SHARE_S]
        return len(during) / SHARE_S, share_of(during, _EQUAL.sender, _BULK.sender)

    def _arrivals(self) -> list[Arrival]:
        text = self._record.read_text()
        return parse_arrivals(text[: text.rfind("\n") + 1].splitlines())


def _figures(
    count: int, probes: EsmeLoad, arrivals: Sequence[Arrival], sent_per_s: float, share: float
) -> Fairness:
    first_digit = len(DESTINATION_PREFIX)
    wait_s, way_s = [], []
    for arrival in arrivals:
        number = int(arrival.destination.lstrip("+")[first_digit:]) - _PROBE_OFFSET
        way_s.append(arrival.at - probes.sent_at[number])
        # The carrier may have it before the customer has read its answer.
        wait_s.append(max(1e-6, way_s[-1] - probes.response_s[number]))
    return Fairness(
        count=count,
        probes=PROBES,
        missing=PROBES - len(arrivals),
        response_ms=summarize(probes.response_s),
        wait_ms=summarize(wait_s),
        way_ms=summarize(way_s),
        sent_per_s=round(sent_per_s, 1),
        share=round(share, 4),
    )


def render(fairness: Fairness) -> str:
    """Some lines for people."""
    wait, way, response = fairness.wait_ms, fairness.way_ms, fairness.response_ms
    prompt = "OK" if fairness.is_prompt else "OVER"
    fair = "OK" if fairness.is_fair else "UNFAIR"
    lines = [
        f"fair: one account holds {fairness.count:,} messages, the carrier takes "
        f"{CARRIER_RATE:,} parts/s",
        f"  {fairness.probes} urgent messages of another account, answer to carrier: "
        f"p50 {wait['p50']:.1f}, p99 {wait['p99']:.1f}, max {wait['max']:.1f} ms; "
        f"budget p99 {BUDGET_MS:.0f}: {prompt}",
        f"  submit_sm to carrier: p50 {way['p50']:.1f}, p99 {way['p99']:.1f} ms; "
        f"answer p50 {response['p50']:.1f}, p99 {response['p99']:.1f} ms",
        f"  two equal accounts: {fairness.share:.1%} and {1 - fairness.share:.1%} of "
        f"{fairness.sent_per_s:,.0f}/s: {fair}",
    ]
    if fairness.missing:
        lines.append(f"  LOST {fairness.missing}")
    return "\n".join(lines)
