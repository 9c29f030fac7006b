"""The driver: load, subject and sink as processes of their own, one fresh set for each row.

The subject's CPU clock is read before the load starts and after its last message has gone through.
A short warm-up, with destinations of its own, comes before.
"""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks import configuration
from benchmarks.daemon import free_ports, serving, wait_until_bound
from benchmarks.latency import Percentiles
from benchmarks.postgres import new_database
from benchmarks.process import BenchmarkError, Child, module, started
from benchmarks.report import Figures, Row
from benchmarks.shapes import Case, Door, Mode, Shape, Subject

WARM_UP_COUNT = 2_000
WARM_UP_OFFSET = 90_000_000
CARRIER_WINDOW = 400  # as wide as the widest load, so that the carrier is not what is measured
STANDSTILL_S = 15.0
LOAD_TIMEOUT_S = 300.0
# Updates that force no commit of their own are written up to 20 ms late.
SETTLE_S = 0.3
_POLL_S = 0.02

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and on what to measure.

    `directory` is where stores are made (None = the system's temporary directory: a RAM disk there
    would make commits free); `postgres_url` a server's, None when there is none.
    """

    directory: Path | None
    postgres_url: str | None
    progress: Progress

    async def rows(self, cases: Iterable[Case]) -> list[Row]:
        """Measures one case after the other; a failure is a row and stops nothing."""
        rows: list[Row] = []
        relay_cpu_us: dict[Shape, float] = {}
        for case in cases:
            self.progress(f"{case.name}: {case.count} messages")
            try:
                figures = await self._measure(case)
            except (BenchmarkError, OSError) as error:
                rows.append(Row(case=case, figures=None, failure=str(error)))
                self.progress(f"  FAILED: {error}")
                continue
            if case.subject is Subject.NULL_RELAY:
                relay_cpu_us[case.shape] = figures.cpu_us
            relay = relay_cpu_us.get(case.shape)
            row = Row(
                case=case,
                figures=figures,
                ratio=round(figures.cpu_us / relay, 2) if relay else None,
            )
            rows.append(row)
            self.progress(f"  {figures.cpu_us} us, {figures.per_s:.0f}/s, {row.verdict}")
        return rows

    async def _measure(self, case: Case) -> Figures:
        with tempfile.TemporaryDirectory(prefix="postern-bench-", dir=self.directory) as name:
            directory = Path(name)
            async with contextlib.AsyncExitStack() as stack:
                receipts = ["--receipts"] if case.mode is Mode.RECEIPT else []
                sink = await stack.enter_async_context(
                    started("sink", module("sink", *receipts), directory)
                )
                sink_port = int((await sink.read())["port"])
                if case.subject is Subject.NULL_RELAY:
                    subject, port = await stack.enter_async_context(_relay(sink_port, directory))
                else:
                    subject, port = await stack.enter_async_context(
                        self._gateway(case, sink, sink_port, directory)
                    )
                run = _Run(case, sink, subject, port, directory)
                await run.load(WARM_UP_COUNT, WARM_UP_OFFSET)
                return await run.measure()

    @contextlib.asynccontextmanager
    async def _gateway(
        self, case: Case, sink: Child, sink_port: int, directory: Path
    ) -> AsyncIterator[tuple[Child, int]]:
        """The gateway on an empty store, ready; with the port of the door that is measured."""
        smpp_port, http_port, closed_port = free_ports(3)
        async with contextlib.AsyncExitStack() as stack:
            store_url = f"sqlite:///{directory}/postern.db"
            if case.subject is Subject.POSTGRESQL:
                if self.postgres_url is None:
                    raise BenchmarkError("there is no PostgreSQL server")
                store_url = await stack.enter_async_context(new_database(self.postgres_url))
            file = directory / "postern.toml"
            file.write_text(
                configuration.render(
                    http_port=http_port,
                    smpp_port=smpp_port,
                    carrier_port=closed_port if case.mode is Mode.ACCEPT else sink_port,
                    carrier_window=CARRIER_WINDOW,
                    store_url=store_url,
                )
            )
            gateway = await stack.enter_async_context(
                serving(file, directory, smpp_port, http_port)
            )
            if case.mode is not Mode.ACCEPT:
                await wait_until_bound(sink, gateway)
            yield gateway, smpp_port if case.shape.door is Door.SMPP else http_port


@contextlib.asynccontextmanager
async def _relay(sink_port: int, directory: Path) -> AsyncIterator[tuple[Child, int]]:
    command = module("null_relay", "--upstream-port", str(sink_port))
    async with started("null relay", command, directory) as relay:
        yield relay, int((await relay.read())["port"])


@dataclass(frozen=True, slots=True)
class _Run:
    """One set of processes that stands ready."""

    case: Case
    sink: Child
    subject: Child
    port: int
    directory: Path

    async def load(self, count: int, offset: int) -> dict[str, Any]:
        """Runs a load of `count` messages to its end; returns its report."""
        shape = self.case.shape
        timeout_s = LOAD_TIMEOUT_S + (count / shape.rate_per_s if shape.rate_per_s else 0)
        arguments = load_arguments(self.case, self.port, count, offset)
        async with started("load", module("load", *arguments), self.directory) as load:
            return await load.read(timeout_s)

    async def measure(self) -> Figures:
        """The measured run."""
        count, subject, sink = self.case.count, self.subject, self.sink
        before = await self._quiet_sink(WARM_UP_COUNT)
        subject_cpu_s, sink_cpu_s = subject.cpu_s(), sink.cpu_s()
        report = await self.load(count, 0)
        after = await self._quiet_sink(int(before["submits"]) + int(report["accepted"]))
        await asyncio.sleep(SETTLE_S)
        if subject.has_ended:
            raise subject.failure("ended during the run")
        ended_at = max(report["ended_at"], after["last_submit_at"])
        return Figures(
            count=count,
            cpu_us=round((subject.cpu_s() - subject_cpu_s) * 1e6 / count, 2),
            per_s=round(count / (ended_at - report["started_at"]), 1),
            response_ms=_percentiles(report["response_ms"]),
            receipt_ms=(
                _percentiles(report["receipt_ms"]) if self.case.mode is Mode.RECEIPT else None
            ),
            rss_mib=round(subject.rss_mib(), 1),
            lost=lost(self.case, report, int(after["submits"]) - int(before["submits"])),
            doubled=int(after["doubled"]) + int(report.get("strays", 0)),
            statuses=report["statuses"],
            load_cpu_us=round(report["cpu_s"] * 1e6 / count, 2),
            sink_cpu_us=round((sink.cpu_s() - sink_cpu_s) * 1e6 / count, 2),
        )

    async def _quiet_sink(self, submits: int) -> dict[str, Any]:
        """The sink's counts once it has `submits`, or once nothing has come for a while."""
        counts = await self.sink.ask()
        if self.case.mode is Mode.ACCEPT:
            return counts
        seen, since = counts["submits"], monotonic()
        while counts["submits"] < submits and monotonic() - since < STANDSTILL_S:
            await asyncio.sleep(_POLL_S)
            counts = await self.sink.ask()
            if counts["submits"] != seen:
                seen, since = counts["submits"], monotonic()
        return counts


def load_arguments(case: Case, port: int, count: int, offset: int) -> list[str]:
    """Command line of `benchmarks.load` for a case."""
    shape = case.shape
    arguments = [
        str(shape.door),
        f"--port={port}",
        f"--connections={shape.connections}",
        f"--count={count}",
        f"--offset={offset}",
    ]
    if shape.door is Door.REST:
        return [
            *arguments,
            f"--api={shape.api}",
            f"--token={configuration.TOKEN}",
            f"--per-request={shape.per_request}",
        ]
    arguments += [
        f"--window={shape.window}",
        f"--rate={shape.rate_per_s}",
        f"--system-id={configuration.SYSTEM_ID}",
        f"--password={configuration.PASSWORD}",
    ]
    return [*arguments, "--receipts"] if case.mode is Mode.RECEIPT else arguments


def lost(case: Case, report: dict[str, Any], submits: int) -> int:
    """Messages that were not accepted, did not reach the carrier, or got no receipt."""
    accepted = int(report["accepted"])
    missing = case.count - accepted
    if case.mode is not Mode.ACCEPT:
        missing += max(0, accepted - submits)
    if case.mode is Mode.RECEIPT:
        missing += accepted - int(report["delivered"])
    return missing


def _percentiles(fields: dict[str, float]) -> Percentiles:
    return {"p50": fields["p50"], "p99": fields["p99"], "max": fields["max"]}


def say_progress(text: str) -> None:
    """A line on stderr."""
    print(text, file=sys.stderr, flush=True)


def is_sound(rows: Sequence[Row]) -> bool:
    """Whether every row was measured and nothing was lost or doubled."""
    return all(row.is_sound for row in rows)
