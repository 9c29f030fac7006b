"""Rows of figures, their verdicts, and how both are shown."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.latency import Percentiles
from benchmarks.shapes import Budget, Case, budget_of, is_within

NO_FIGURE = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run gave.  CPU is microseconds per message; `receipt_ms` None without receipts.

    `lost` counts messages without a good answer, without a submit at the carrier or without a
    receipt; `doubled` those the carrier got twice and receipts that nobody should have got.
    """

    count: int
    cpu_us: float
    per_s: float
    response_ms: Percentiles
    receipt_ms: Percentiles | None
    rss_mib: float
    lost: int
    doubled: int
    statuses: dict[str, int]
    load_cpu_us: float
    sink_cpu_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A case with its figures, or with the reason why there are none.

    `ratio` is to the null relay under the same load in the same run.
    """

    case: Case
    figures: Figures | None
    ratio: float | None = None
    failure: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether it was measured and every message arrived exactly once."""
        return self.figures is not None and not self.figures.lost and not self.figures.doubled

    @property
    def verdict(self) -> str:
        """FAILED, LOST n, DOUBLED n, OK, OVER, or a dash for a row without a budget."""
        figures, budget = self.figures, budget_of(self.case)
        if figures is None:
            return "FAILED"
        if figures.lost:
            return f"LOST {figures.lost}"
        if figures.doubled:
            return f"DOUBLED {figures.doubled}"
        if budget is None:
            return NO_FIGURE
        return "OK" if is_within(budget, figures.cpu_us, self.ratio) else "OVER"


_HEAD = (
    "shape", "store", "until", "CPU us", "budget", "verdict", "x null", "msg/s",
    "response p50", "p99 ms", "receipt p50", "p99 ms", "RSS MiB",
)  # fmt: skip
_TEXT_COLUMNS = 3  # the first ones are aligned left


def render_table(rows: Sequence[Row]) -> str:
    """The rows as aligned text, then the reasons of those that failed."""
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = ["  ".join(_aligned(line, widths)).rstrip() for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += [f"{row.case.name}: {row.failure}" for row in rows if row.failure]
    return "\n".join(lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if column < _TEXT_COLUMNS else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]


def _cells(row: Row) -> tuple[str, ...]:
    case, figures = row.case, row.figures
    head = (case.shape.name, str(case.subject), str(case.mode))
    if figures is None:
        return (*head, NO_FIGURE, _budget(budget_of(case)), row.verdict, *[NO_FIGURE] * 7)
    return (
        *head,
        f"{figures.cpu_us:.1f}",
        _budget(budget_of(case)),
        row.verdict,
        NO_FIGURE if row.ratio is None else f"{row.ratio:.1f}",
        f"{figures.per_s:,.0f}",
        *_latency(figures.response_ms),
        *_latency(figures.receipt_ms),
        f"{figures.rss_mib:.0f}",
    )


def _latency(percentiles: Percentiles | None) -> tuple[str, str]:
    if percentiles is None:
        return NO_FIGURE, NO_FIGURE
    return f"{percentiles['p50']:.1f}", f"{percentiles['p99']:.1f}"


def _budget(budget: Budget | None) -> str:
    if budget is None:
        return NO_FIGURE
    return f"{budget.cpu_us:.0f}" + (f" or {budget.ratio:.0f}x" if budget.ratio else "")


def as_json(rows: Sequence[Row], measured_at: str) -> dict[str, Any]:
    """Everything that is known, for machines; `measured_at` is ISO 8601."""
    return {
        "measured_at": measured_at,
        "machine": machine(),
        "rows": [
            {
                "shape": row.case.shape.name,
                "store": str(row.case.subject),
                "until": str(row.case.mode),
                "verdict": row.verdict,
                "ratio": row.ratio,
                "failure": row.failure,
                "figures": None if row.figures is None else asdict(row.figures),
            }
            for row in rows
        ],
    }


def machine() -> dict[str, object]:
    """What a figure must not be quoted without."""
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
