"""Durations in buckets 2 % wide: small, and two of them can be added."""

import math
from collections import Counter
from collections.abc import Iterable

_STEP = math.log(1.02)
_LEAST_S = 1e-5


class Histogram:
    """How often each duration was seen."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()

    def add(self, duration_s: float) -> None:
        """Counts one."""
        self._buckets[int(math.log(max(duration_s, _LEAST_S) / _LEAST_S) / _STEP)] += 1

    @property
    def count(self) -> int:
        """How many were counted."""
        return self._buckets.total()

    def percentile_ms(self, percent: float) -> float:
        """Nearest rank, up to 2 % too high; 0 when nothing was counted."""
        rank = max(1, math.ceil(self.count * percent / 100))
        for bucket, count in sorted(self._buckets.items()):
            rank -= count
            if rank <= 0:
                return round(_LEAST_S * math.exp((bucket + 1) * _STEP) * 1000, 2)
        return 0.0

    @classmethod
    def merged(cls, histograms: Iterable["Histogram"]) -> "Histogram":
        """All of them as one."""
        whole = cls()
        for histogram in histograms:
            whole._buckets.update(histogram._buckets)
        return whole
