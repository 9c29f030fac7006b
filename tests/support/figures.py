"""Figures of a benchmark row that nothing is wrong with."""

from benchmarks.latency import Percentiles
from benchmarks.report import Figures

LATENCY: Percentiles = {"p50": 1.25, "p99": 9.75, "max": 12.0}


def figures(**changes: object) -> Figures:
    fields = {
        "count": 1000, "cpu_us": 25.0, "per_s": 31234.5, "response_ms": LATENCY,
        "receipt_ms": None, "rss_mib": 81.6, "lost": 0, "doubled": 0, "statuses": {"0x0": 1000},
        "load_cpu_us": 1.0, "sink_cpu_us": 1.0,
    }  # fmt: skip
    return Figures(**{**fields, **changes})
