"""A sample and an end of a soak that nothing is wrong with."""

from benchmarks.soak.audit import Rows
from benchmarks.soak.book import Findings
from benchmarks.soak.histogram import Histogram
from benchmarks.soak.samples import Sample
from benchmarks.soak.verdict import Ending

FINDINGS = Findings(
    submitted=120, accepted=100, refused=15, unanswered=5, refusals_missed=0, lost=0,
    without_notice=0, repeated_notices=0, changed_fates=0, wrong_ids=0, strangers=0,
    sent_though_refused=0, duplicates=0, fates={}, examples={},
)  # fmt: skip
ROWS = Rows(
    stored=102, purged=90, states={}, not_final=0, notices_owed=0, ledger_lines=1, events={}
)
ENDING = Ending(
    findings=FINDINGS, rows=ROWS, explained=0, is_ledger_sound=True, exit_code=0, is_drained=True
)


def times(ms: float) -> Histogram:
    histogram = Histogram()
    histogram.add(ms / 1000)
    return histogram


def sample(at_s: float, **changes: object) -> Sample:
    fields = {
        "at_s": at_s, "life": 1, "rss_mib": 100.0, "fds": 50, "threads": 9, "database_mib": 40.0,
        "wal_mib": 10.0, "accepted": 1, "cpu_s": 1.0, "response": times(5.0),
        "receipt": times(400.0), "ping_ms": 1.0, "queued": 0, "in_memory": 0, "awaiting": 0,
        "pending": 0,
    }  # fmt: skip
    return Sample(**{**fields, **changes})
