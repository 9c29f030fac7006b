"""Reads the gateway every few seconds and says now and then how it does."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from benchmarks.soak.audit import StoreWatch
from benchmarks.soak.book import Book
from benchmarks.soak.gateway import Gateway, total
from benchmarks.soak.histogram import Histogram
from benchmarks.soak.samples import Sample, fd_count, thread_count

MOST_INTERVAL_S, SAMPLES_AT_LEAST = 5.0, 12
PROGRESS_S = 30.0


class Sampler:
    """`samples` of one run, which begins when this is made."""

    def __init__(
        self, book: Book, store: StoreWatch, duration_s: float, say: Callable[[str], None]
    ) -> None:
        self.samples: list[Sample] = []
        self._book = book
        self._store = store
        self._interval_s = min(MOST_INTERVAL_S, duration_s / SAMPLES_AT_LEAST)
        self._say = say
        self._started_at = monotonic()

    @property
    def _now_s(self) -> float:
        return monotonic() - self._started_at

    async def run(self, gateway: Gateway) -> None:
        """Samples and shows progress until cancelled."""
        shown_at_s, since = 0.0, 0
        before = _Counts(0, self._book.accepted, 0.0)
        while True:
            await asyncio.sleep(self._interval_s)
            sample, before = await self._sample(gateway, before)
            if sample is not None:
                self.samples.append(sample)
            if self._now_s - shown_at_s >= PROGRESS_S:
                self._say(progress_line(self.samples[since:]))
                shown_at_s, since = self._now_s, len(self.samples)

    async def _sample(self, gateway: Gateway, before: "_Counts") -> tuple[Sample | None, "_Counts"]:
        """A sample, or None when the gateway was killed meanwhile; and the counts it ended with."""
        if not gateway.is_running:
            return None, before
        child, life = gateway.child, gateway.lives
        ping_s, metrics = await gateway.ping_s(), await gateway.metrics()
        size = await self._store.size()
        if not gateway.is_running or gateway.lives != life:
            return None, before
        now = _Counts(life, self._book.accepted, child.cpu_s())
        response, receipt = self._book.take_times()
        sample = Sample(
            at_s=round(self._now_s, 1),
            life=life,
            rss_mib=round(child.rss_mib(), 1),
            fds=fd_count(child.pid),
            threads=thread_count(child.pid),
            database_mib=round(size.database / 2**20, 1),
            wal_mib=round(size.wal / 2**20, 1),
            accepted=now.accepted - before.accepted,
            cpu_s=now.cpu_s - before.cpu_s if before.life == life else None,
            response=response,
            receipt=receipt,
            ping_ms=round(ping_s * 1000, 1),
            queued=int(total(metrics, "postern_provider_queued")),
            in_memory=int(total(metrics, "postern_messages_in_memory")),
            awaiting=int(total(metrics, "postern_provider_awaiting_receipts")),
            pending=int(total(metrics, "postern_journal_pending")),
        )
        return sample, now


class _Counts(NamedTuple):
    """What a sample counts from."""

    life: int
    accepted: int
    cpu_s: float


def progress_line(samples: list[Sample]) -> str:
    """Some samples as one line; the newest for what is a state."""
    if not samples:
        return "the gateway is not running"
    last = samples[-1]
    response = Histogram.merged(sample.response for sample in samples)
    receipt = Histogram.merged(sample.receipt for sample in samples)
    timed = [sample for sample in samples if sample.cpu_s is not None]
    accepted = sum(sample.accepted for sample in timed)
    cpu_us = sum(sample.cpu_s or 0.0 for sample in timed) * 1e6 / max(accepted, 1)
    return (
        f"RSS {last.rss_mib:.0f} MiB, {last.fds} fds, {last.threads} threads, "
        f"{cpu_us:.0f} us/message, "
        f"answer p50/p99 {response.percentile_ms(50):.1f}/{response.percentile_ms(99):.1f} ms, "
        f"receipt {receipt.percentile_ms(50):.0f}/{receipt.percentile_ms(99):.0f} ms, "
        f"loop {max(sample.ping_ms for sample in samples):.0f} ms, "
        f"queued {last.queued}, awaiting {last.awaiting}, "
        f"database {last.database_mib:.0f} MiB, WAL {last.wal_mib:.0f}"
    )
