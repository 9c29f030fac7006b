"""The pace of one provider: its contracted rate, and a slower one while it asks us to slow down.

Additive increase, multiplicative decrease.  A complaint now and then does not count: carriers also
throttle single numbers, and that says nothing of our speed.  Times are seconds of a monotonic
clock, rates parts per second; a contracted rate of 0 means no limit.
"""

from gateway.policy.throttle import take, wait_s

BURST_S = 0.1  # how much of a second's rate may leave at once
FIRST_PAUSE_S, MOST_PAUSE_S = 0.1, 5.0
_DECREASE = 0.5
_INCREASE_PER_S = 0.1  # of the rate at which the provider began to throttle
_SETTLE_S = 0.2  # further throttle answers of one window do not slow us down again
_PERSISTS_S = 2.0  # "slow down" again so soon after a pause: the next one is twice as long
# Only more complaints than this part of what left in the last second or two slow us down; or, where
# little leaves, more than a few, which are also more than a larger part.
_SPORADIC = 0.02
FEW, _SPORADIC_IF_FEW = 3, 0.1
_FREE_AFTER = 2.0  # an unlimited provider is unlimited again at this multiple of that rate


class Pace:
    """Answers: may `parts` leave now, and if not, when."""

    __slots__ = (
        "_bucket", "_complaints", "_complaints_before", "_contracted", "_counted",
        "_counted_before", "_counted_since", "_is_stuck", "_pause_s", "_paused_until",
        "_throttled_at", "_throttled_rate", "_updated_at", "current",
    )  # fmt: skip

    def __init__(self, contracted_per_s: float) -> None:
        self._contracted = float(contracted_per_s)
        self.current = self._contracted  # 0 = no limit
        self._bucket = [0.0, 0.0]
        self._paused_until = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._is_stuck = False  # throttled, and nothing was taken since
        self._throttled_at = 0.0
        self._throttled_rate = 0.0
        self._updated_at = 0.0
        self._counted = self._complaints = 0  # since `_counted_since`
        self._counted_since = 0.0
        self._counted_before = self._complaints_before = 0  # in the second before

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

    def throttled(self, now: float) -> bool:
        """The provider answered "slow down".  False: too rarely for us to do so."""
        self._roll(now)
        self._complaints += 1
        if not self._is_stuck and self._is_sporadic():
            return False
        quiet_s = now - max(self._paused_until, self._throttled_at)
        if self._throttled_at and now - self._throttled_at < _SETTLE_S:
            self._paused_until = max(self._paused_until, now + self._pause_s)
            return True
        if self._is_stuck and quiet_s < _PERSISTS_S:
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
        self._is_stuck = True
        self._bucket = [0.0, now]
        return True

    def taken(self) -> None:
        """The provider took a part since it throttled: the next pause is a short one again."""
        self._is_stuck = False

    def _recover(self, now: float) -> None:
        gained = (now - self._updated_at) * _INCREASE_PER_S * self._throttled_rate
        self._updated_at = now
        self.current += gained
        limit = self._contracted or self._throttled_rate * _FREE_AFTER
        if self.current >= limit:
            self.current = self._contracted

    def _is_sporadic(self) -> bool:
        """Whether so few complaints say nothing of our speed."""
        left = self._counted + self._counted_before
        complaints = self._complaints + self._complaints_before
        return complaints <= max(_SPORADIC * left, min(FEW, _SPORADIC_IF_FEW * left))

    def _count(self, parts: int, now: float) -> None:
        if now - self._counted_since > 1.0:
            self._roll(now)
        self._counted += parts

    def _roll(self, now: float) -> None:
        """Begins to count anew after a second; what is older than two is forgotten."""
        age_s = now - self._counted_since
        if age_s > 1.0:
            is_recent = age_s < 2.0
            self._counted_before = self._counted * is_recent
            self._complaints_before = self._complaints * is_recent
            self._counted, self._complaints, self._counted_since = 0, 0, now
