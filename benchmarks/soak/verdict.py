"""The judgement: was it flat, was it bounded, was nothing lost?

Pure: samples, plan, book and store counts in, rows of a table out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.soak.audit import Rows
from benchmarks.soak.book import Findings
from benchmarks.soak.histogram import Histogram
from benchmarks.soak.plan import Plan, Stretch
from benchmarks.soak.samples import Sample

RSS_LIMIT = FDS_LIMIT = 0.05
P99_LIMIT = 0.25
DATABASE_LIMIT = 0.25
MOST_WAL_MIB = 96.0  # the store begins its log again at 64 MiB, and a reader may delay that
OK, BAD, UNJUDGED = "OK", "BAD", "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the verdict."""

    name: str
    found: str
    limit: str
    verdict: str

    @property
    def is_good(self) -> bool:
        """Whether it does not speak against the run."""
        return self.verdict != BAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What the end of a run is judged by.

    `explained` are the sends after which a duplicate may follow: unknown outcomes, and messages
    that were on their way when the gateway was killed.
    """

    findings: Findings
    rows: Rows
    explained: int
    is_ledger_sound: bool
    exit_code: int
    is_drained: bool


def flatness(samples: Sequence[Sample], plan: Plan) -> list[Row]:
    """Memory, descriptors, latencies and disk: the last calm against the baseline."""
    baseline, last = _inside(samples, plan.baseline), _inside(samples, plan.last_calm)
    is_judged = plan.is_judged and bool(baseline) and bool(last)
    rows = [
        _trend("RSS, MiB", baseline, last, lambda s: s.rss_mib, RSS_LIMIT, is_judged),
        _trend("file descriptors", baseline, last, lambda s: s.fds, FDS_LIMIT, is_judged),
        _latency("answer p99, ms", baseline, last, lambda s: s.response, is_judged),
        _latency("receipt p99, ms", baseline, last, lambda s: s.receipt, is_judged),
        _trend(
            "database, MiB", baseline, last, lambda s: s.database_mib, DATABASE_LIMIT, is_judged
        ),
    ]
    wal = max((sample.wal_mib for sample in samples), default=0.0)
    rows.append(_row("WAL at most, MiB", f"{wal:.1f}", f"{MOST_WAL_MIB:.0f}", wal <= MOST_WAL_MIB))
    return rows


def books(ending: Ending) -> list[Row]:
    """Nothing lost, nothing doubled without a reason, everybody told, the money right."""
    findings, rows = ending.findings, ending.rows
    stored_at_most = findings.accepted + findings.unanswered
    is_stored = findings.accepted <= rows.stored <= stored_at_most
    return [
        _row(
            "messages stored",
            f"{rows.stored:,}",
            f"{findings.accepted:,} to {stored_at_most:,}",
            is_stored,
        ),
        _row("drained in time", "yes" if ending.is_drained else "no", "yes", ending.is_drained),
        _none("without a final state", rows.not_final),
        _none("notices owed in the store", rows.notices_owed),
        _none("accepted, at no carrier", findings.lost),
        _none("accepted, customer not told", findings.without_notice),
        _none("refused, yet at a carrier", findings.sent_though_refused),
        _none("told two fates", findings.changed_fates),
        _none("notices with a wrong id", findings.wrong_ids),
        _none("notices and arrivals of no message", findings.strangers),
        _none("accepted, though they had to be refused", findings.refusals_missed),
        _row(
            "duplicates at carriers",
            f"{findings.duplicates:,}",
            f"{ending.explained:,}",
            findings.duplicates <= ending.explained,
        ),
        _row("ledger", OK if ending.is_ledger_sound else "differs", OK, ending.is_ledger_sound),
        _row("exit code after SIGTERM", str(ending.exit_code), "0", ending.exit_code == 0),
    ]


def _inside(samples: Sequence[Sample], stretch: Stretch | None) -> list[Sample]:
    if stretch is None:
        return []
    return [sample for sample in samples if stretch.holds(sample.at_s)]


def _trend(
    name: str,
    baseline: Sequence[Sample],
    last: Sequence[Sample],
    value: Callable[[Sample], float],
    limit: float,
    is_judged: bool,
) -> Row:
    before = median(map(value, baseline)) if baseline else 0.0
    after = median(map(value, last)) if last else 0.0
    return _change(name, before, after, limit, is_judged)


def _latency(
    name: str,
    baseline: Sequence[Sample],
    last: Sequence[Sample],
    histogram: Callable[[Sample], Histogram],
    is_judged: bool,
) -> Row:
    before = Histogram.merged(map(histogram, baseline)).percentile_ms(99)
    after = Histogram.merged(map(histogram, last)).percentile_ms(99)
    return _change(name, before, after, P99_LIMIT, is_judged)


def _change(name: str, before: float, after: float, limit: float, is_judged: bool) -> Row:
    """Less is as good as the same: what is looked for is growth."""
    change = after / before - 1 if before else 0.0
    verdict = UNJUDGED
    if is_judged:
        verdict = OK if change <= limit else BAD
    return Row(
        name=name,
        found=f"{before:,.1f} -> {after:,.1f} ({change:+.1%})" if before else UNJUDGED,
        limit=f"+{limit:.0%}",
        verdict=verdict,
    )


def _row(name: str, found: str, limit: str, is_good: bool) -> Row:
    return Row(name=name, found=found, limit=limit, verdict=OK if is_good else BAD)


def _none(name: str, count: int) -> Row:
    return _row(name, f"{count:,}", "0", not count)
