"""Overflow and recovery: a backlog far beyond memory, a kill -9 on top, and the way back.

The carrier is down while `count` messages are queued over REST.  The daemon is killed and started
again: how soon does it accept, and what does the backlog cost in memory?  Then the carrier comes
up and takes everything.
"""

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from benchmarks import configuration
from benchmarks.configuration import CUSTOMER, PASSWORD
from benchmarks.daemon import free_ports, serving, wait_until_bound
from benchmarks.esme import EsmeLoad, EsmeOptions
from benchmarks.process import BenchmarkError, Child, module, started

COUNT = 1_000_000
BUDGET_S = 5.0  # from the start to the first accepted submit
MOST_DRAIN_S = 120.0

_FILL_TIMEOUT_S = 600.0
_ACCEPT_TIMEOUT_S = 120.0
_STANDSTILL_S = 15.0
_SETTLE_S = 2.0
_CARRIER_WINDOW = 400
_KNOCK_OFFSET = 99_000_000
_POLL_S = 0.1
_RETRY_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Overflow:
    """What was measured; memory is resident, in MiB.

    `drained` is what the carrier got, `receipts` what it has told about.
    `accepting_s` is from the start of the process to the first accepted submit_sm, `bound_s` from
    the carrier's start to the gateway's bind.  `stood_still`: the rest never came.
    """

    count: int
    fill_per_s: float
    empty_mib: float
    filled_mib: float
    store_mib: float
    accepting_s: float
    restarted_mib: float
    bound_s: float
    drained: int
    receipts: int
    doubled: int
    stood_still: bool
    drain_per_s: float
    drained_mib: float
    cpu_us: float

    @property
    def octets_per_message(self) -> float:
        """Memory of one queued message of the backlog."""
        return (self.filled_mib - self.empty_mib) * 2**20 / self.count

    @property
    def expected(self) -> int:
        """All messages that were accepted: the backlog and the one after the start."""
        return self.count + 1

    @property
    def is_sound(self) -> bool:
        """Whether nothing was lost or doubled, as far as it was drained in MOST_DRAIN_S."""
        return not self.doubled and not self.stood_still

    @property
    def is_quick(self) -> bool:
        """Whether the start kept its budget."""
        return self.accepting_s <= BUDGET_S


async def measure(directory: Path | None, count: int) -> Overflow:
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
        self._http_port, self._smpp_port, self._carrier_port = free_ports(3)
        self._file = directory / "postern.toml"

    async def run(self) -> Overflow:
        self._file.write_text(
            configuration.render(
                http_port=self._http_port,
                smpp_port=self._smpp_port,
                carrier_port=self._carrier_port,
                carrier_window=_CARRIER_WINDOW,
                store_url=f"sqlite:///{self._directory}/postern.db",
            )
        )
        ports = (self._smpp_port, self._http_port)
        async with serving(self._file, self._directory, *ports) as gateway:
            empty_mib = gateway.rss_mib()
            fill_per_s = await self._fill()
            await asyncio.sleep(_SETTLE_S)
            filled_mib = gateway.rss_mib()
            await gateway.kill()
        store_mib = sum(file.stat().st_size for file in self._directory.glob("postern.db*")) / 2**20
        since = monotonic()
        async with contextlib.AsyncExitStack() as stack:
            # Not waiting for its ports: the first submit that is accepted says that it is ready.
            gateway = await stack.enter_async_context(serving(self._file, self._directory))
            accepting_s = await self._first_accept(gateway) - since
            await asyncio.sleep(_SETTLE_S)
            restarted_mib = gateway.rss_mib()
            since = monotonic()
            sink = await stack.enter_async_context(
                started(
                    "sink",
                    module("sink", "--receipts", f"--port={self._carrier_port}"),
                    self._directory,
                )
            )
            await sink.read()
            await wait_until_bound(sink, gateway)
            bound_at, cpu_s = monotonic(), gateway.cpu_s()
            stood_still = await self._drain(sink)
            counts = await sink.ask()
            drained = int(counts["submits"])
            return Overflow(
                count=self._count,
                fill_per_s=round(fill_per_s, 1),
                empty_mib=round(empty_mib, 1),
                filled_mib=round(filled_mib, 1),
                store_mib=round(store_mib, 1),
                accepting_s=round(accepting_s, 2),
                restarted_mib=round(restarted_mib, 1),
                bound_s=round(bound_at - since, 2),
                drained=drained,
                receipts=int(counts["receipts_answered"]),
                doubled=int(counts["doubled"]),
                stood_still=stood_still,
                drain_per_s=round(drained / max(counts["last_submit_at"] - bound_at, 0.001), 1),
                drained_mib=round(gateway.rss_mib(), 1),
                cpu_us=round((gateway.cpu_s() - cpu_s) * 1e6 / max(drained, 1), 2),
            )

    async def _fill(self) -> float:
        arguments = (
            "rest",
            f"--port={self._http_port}",
            f"--token={CUSTOMER.token}",
            "--connections=2",
            "--per-request=1000",
            f"--count={self._count}",
        )
        since = monotonic()
        async with started("load", module("load", *arguments), self._directory) as load:
            accepted = (await load.read(_FILL_TIMEOUT_S))["accepted"]
        if accepted != self._count:
            raise BenchmarkError(f"{accepted} of {self._count} messages were accepted")
        return self._count / (monotonic() - since)

    async def _first_accept(self, gateway: Child) -> float:
        """When a submit_sm was accepted for the first time."""
        deadline = monotonic() + _ACCEPT_TIMEOUT_S
        while monotonic() < deadline and not gateway.has_ended:
            knock = EsmeLoad(
                EsmeOptions(
                    port=self._smpp_port,
                    system_id=CUSTOMER.system_id,
                    password=PASSWORD,
                    connections=1,
                    window=1,
                    count=1,
                    rate_per_s=0,
                    offset=_KNOCK_OFFSET,
                    with_receipts=False,
                    timeout_s=_ACCEPT_TIMEOUT_S,
                )
            )
            with contextlib.suppress(OSError):
                if (await knock.run()).accepted:
                    return monotonic()
            await asyncio.sleep(_RETRY_S)
        raise gateway.failure(f"accepted nothing within {_ACCEPT_TIMEOUT_S:.0f} s")

    async def _drain(self, sink: Child) -> bool:
        """Waits for messages and their receipts; whether some never came."""
        started_at = since = monotonic()
        seen = 0
        while monotonic() - started_at < MOST_DRAIN_S:
            counts = await sink.ask()
            answered = int(counts["receipts_answered"])
            if counts["submits"] + answered != seen:
                seen, since = int(counts["submits"]) + answered, monotonic()
            # The one submitted after the start asked for no receipt.
            if counts["submits"] > self._count and answered >= self._count:
                return False
            if monotonic() - since > _STANDSTILL_S:
                return True
            await asyncio.sleep(_POLL_S)
        return False


def render(overflow: Overflow) -> str:
    """Some lines for people."""
    quick = "OK" if overflow.is_quick else "OVER"
    lines = [
        f"backlog: {overflow.count:,} messages queued at {overflow.fill_per_s:,.0f}/s, the carrier "
        f"down; the store is {overflow.store_mib:.0f} MiB",
        f"  RSS {overflow.empty_mib:.0f} MiB empty, {overflow.filled_mib:.0f} MiB with the backlog:"
        f" {overflow.octets_per_message:.0f} octets per message",
        f"  after kill -9: accepting {overflow.accepting_s:.2f} s after the start, budget "
        f"{BUDGET_S:.0f}: {quick}; RSS {overflow.restarted_mib:.0f} MiB",
        f"  carrier up: bound after {overflow.bound_s:.1f} s, {overflow.drained:,} drained at "
        f"{overflow.drain_per_s:,.0f}/s, {overflow.cpu_us:.1f} us CPU each, "
        f"RSS {overflow.drained_mib:.0f} MiB",
    ]
    if overflow.doubled:
        lines.append(f"  DOUBLED {overflow.doubled}")
    what = "LOST" if overflow.stood_still else "not waited for"
    for name, count, expected in (
        ("messages", overflow.drained, overflow.expected),
        ("receipts", overflow.receipts, overflow.count),
    ):
        if count < expected:
            lines.append(f"  {name} {what}: {expected - count:,}")
    return "\n".join(lines)
