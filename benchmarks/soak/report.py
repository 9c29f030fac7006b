"""The verdict as a table, and everything known as JSON."""

from dataclasses import asdict
from typing import Any

from benchmarks.report import machine
from benchmarks.soak.plan import Plan
from benchmarks.soak.run import Outcome
from benchmarks.soak.verdict import UNJUDGED, Row

_HEAD = ("what", "found", "limit", "verdict")


def render(outcome: Outcome, plan: Plan, rows: list[Row]) -> str:
    """What happened, then the verdict."""
    findings = outcome.findings
    minutes = plan.duration_s / 60
    lines = [
        f"{minutes:.1f} minutes, {findings.submitted:,} submitted, {findings.accepted:,} accepted "
        f"({outcome.rate_per_s:,.0f}/s), {findings.refused:,} refused, "
        f"{findings.unanswered:,} without an answer",
        "faults: " + ", ".join(f"{kind} {count}" for kind, count in outcome.faults.items()),
        f"starts after a kill: {len(outcome.restart_s)}, "
        f"at most {max(outcome.restart_s, default=0):.1f} s",
        f"settled {outcome.drained_in_s:.0f} s after the last submit; "
        f"{outcome.rows.purged:,} of {outcome.rows.stored:,} messages purged by then",
        "fates: " + ", ".join(f"{word} {count:,}" for word, count in findings.fates.items()),
        f"notices repeated: {findings.repeated_notices:,}",
        *(f"{what}: ...{', ...'.join(found)}" for what, found in findings.examples.items()),
        _stretches(plan),
        "",
        *_table(rows),
    ]
    if not all(row.is_good for row in rows if row.name == "ledger"):
        lines += ["", outcome.ledger_words]
    return "\n".join(lines)


def _stretches(plan: Plan) -> str:
    if plan.baseline is None or plan.last_calm is None:
        return "too short to compare anything"
    baseline, last = (
        f"{stretch.start_s / 60:.1f} to {stretch.end_s / 60:.1f}"
        for stretch in (plan.baseline, plan.last_calm)
    )
    judged = "" if plan.is_judged else "; too short to be judged"
    return f"compared: minutes {baseline} with {last}, one life of the gateway{judged}"


def _table(rows: list[Row]) -> list[str]:
    cells = [_HEAD, *((row.name, row.found, row.limit, row.verdict) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines.append("verdict: " + ("good" if all(row.is_good for row in rows) else "BAD"))
    if any(row.verdict == UNJUDGED for row in rows):
        lines[-1] += f" ({UNJUDGED}: not judged)"
    return lines


def as_json(outcome: Outcome, plan: Plan, rows: list[Row], measured_at: str) -> dict[str, Any]:
    """For machines; `measured_at` is ISO 8601."""
    return {
        "measured_at": measured_at,
        "machine": machine(),
        "plan": asdict(plan),
        "verdict": [asdict(row) for row in rows],
        "ending": asdict(outcome.ending),
        "faults": outcome.faults,
        "refusals": outcome.refusals,
        "restart_s": outcome.restart_s,
        "drained_in_s": outcome.drained_in_s,
        "ledger": outcome.ledger_words,
        "samples": [sample.as_json() for sample in outcome.samples],
    }
