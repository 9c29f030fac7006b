"""Percentiles of durations that were collected in an array, one slot per message."""

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import TypedDict


class Percentiles(TypedDict):
    """Milliseconds; all zero when nothing was measured."""

    p50: float
    p99: float
    max: float


def slots(count: int) -> "array[float]":
    """One slot per message, 0.0 = not measured; no object is made while the load runs."""
    return array("d", bytes(8 * count))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest-rank percentile of an ascending sequence: a value that was really measured.

    Raises:
        ValueError: an empty sequence.
    """
    if not ordered:
        raise ValueError("no percentile of nothing")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def summarize(durations_s: Iterable[float]) -> Percentiles:
    """p50, p99 and maximum in milliseconds of the slots that are filled."""
    ordered = sorted(value for value in durations_s if value)
    if not ordered:
        return {"p50": 0.0, "p99": 0.0, "max": 0.0}
    return {
        "p50": round(percentile(ordered, 50) * 1000, 2),
        "p99": round(percentile(ordered, 99) * 1000, 2),
        "max": round(ordered[-1] * 1000, 2),
    }
