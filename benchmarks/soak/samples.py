"""What is read off the running gateway every few seconds."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.soak.histogram import Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One moment; `at_s` from the start of the run, `life` the gateway's start it belongs to.

    Counts since the sample before: `accepted`, `cpu_s` and the histograms; None for a sample whose
    predecessor belongs to another life.
    """

    at_s: float
    life: int
    rss_mib: float
    fds: int
    threads: int
    database_mib: float
    wal_mib: float
    accepted: int
    cpu_s: float | None
    response: Histogram
    receipt: Histogram
    ping_ms: float
    queued: int
    in_memory: int
    awaiting: int
    pending: int

    def as_json(self) -> dict[str, object]:
        """Flat, with percentiles for histograms."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        for name in ("response", "receipt"):
            histogram = fields.pop(name)
            fields[f"{name}_p50_ms"] = histogram.percentile_ms(50)
            fields[f"{name}_p99_ms"] = histogram.percentile_ms(99)
        return fields


def fd_count(pid: int) -> int:
    """Open file descriptors of a process; 0 when it is gone."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def thread_count(pid: int) -> int:
    """Threads of a process; 0 when it is gone."""
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return 0
