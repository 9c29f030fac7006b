"""The pace of one provider: its contracted rate, and a slower one while it asks us to slow down.

Additive increase, multiplicative decrease.  Times are seconds of a monotonic clock, rates parts per
second; a contracted rate of 0 means no limit.
"""

from gateway.policy.throttle import take, wait_s

BURST_S = 0.1  # how much of a second's rate may leave at once
FIRST_PAUSE_S, MOST_PAUSE_S = 0.1, 5.0
_DECREASE = 0.5
_INCREASE_PER_S = 0.1  # of the rate at which the provider began to throttle
_SETTLE_S = 0.2  # further throttle answers of one window do not slow us down again
_PERSISTS_S = 2.0  # "slow down" again so soon after a pause: the next one is twice as long
_FREE_AFTER = 2.0  # an unlimited provider is unlimited again at this multiple of that rate


class Pace:
    """Answers: may `parts` leave now, and if not, when."""

    __slots__ = (
        "_bucket", "_contracted", "_counted", "_counted_since", "_pause_s", "_paused_until",
        "_throttled_at", "_throttled_rate", "_updated_at", "current",
    )  # fmt: skip

    def __init__(self, contracted_per_s: float) -> None:
        self._contracted = float(contracted_per_s)
        self.current = self._contracted  # 0 = no limit
        self._bucket = [0.0, 0.0]
        self._paused_until = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._throttled_at = 0.0
        self._throttled_rate = 0.0
        self._updated_at = 0.0
        self._counted = 0
        self._counted_since = 0.0

    @property
    def is_slowed(self) -> bool:
        """Whether the provider made us slower than the contract."""
        return self.current != self._contracted

    def delay_s(self, parts: int, now: float) -> float:
        """0.0 when `parts` may leave now (they are counted as left), else the wait."""
        if self.current == self._contracted:
            if not self.current:
                self._count(parts, now)
                return 0.0
        else:
            self._recover(now)
        if now < self._paused_until:
            return self._paused_until - now
        rate = self.current
        if rate and not take(self._bucket, rate, max(1.0, rate * BURST_S), parts, now):
            return max(0.001, wait_s(self._bucket, rate, min(parts, max(1.0, rate * BURST_S))))
        self._count(parts, now)
        return 0.0

    def throttled(self, now: float) -> None:
        """The provider answered "slow down"."""
        quiet_s = now - max(self._paused_until, self._throttled_at)
        if self._throttled_at and now - self._throttled_at < _SETTLE_S:
            self._paused_until = max(self._paused_until, now + self._pause_s)
            return
        if self._throttled_at and quiet_s < _PERSISTS_S:
            self._pause_s = min(MOST_PAUSE_S, self._pause_s * 2)
        else:
            self._pause_s = FIRST_PAUSE_S
        self._paused_until = max(self._paused_until, now + self._pause_s)
        elapsed = max(0.05, now - self._counted_since)
        rate = self.current or self._counted / elapsed
        if not self.is_slowed:
            self._throttled_rate = max(1.0, rate)
        self.current = max(1.0, rate * _DECREASE)
        self._throttled_at = self._updated_at = now
        self._bucket = [0.0, now]

    def _recover(self, now: float) -> None:
        gained = (now - self._updated_at) * _INCREASE_PER_S * self._throttled_rate
        self._updated_at = now
        self.current += gained
        limit = self._contracted or self._throttled_rate * _FREE_AFTER
        if self.current >= limit:
            self.current = self._contracted

    def _count(self, parts: int, now: float) -> None:
        if now - self._counted_since > 1.0:
            self._counted, self._counted_since = 0, now
        self._counted += parts
