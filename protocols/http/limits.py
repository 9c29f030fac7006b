"""Requests per minute and account: a fixed window that starts with its first request.

Every token and every REST door of an account counts in the same window; the limit is the account's
own (`requests_per_min`, 0 = none) or, when it has none, the one the vendor documents.
"""

import math
from typing import NamedTuple

from gateway.domain.account import Account
from gateway.ports import Clock

WINDOW_S = 60.0


class Allowance(NamedTuple):
    """What is left of an account's window after one more request.

    `retry_after_s` is 0 when the request may pass, else the whole seconds (1-60) until it may.
    """

    limit: int
    remaining: int
    retry_after_s: int


class _Window:
    __slots__ = ("ends_at", "used")

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.used = 0


class RequestLimits:
    """The windows of all accounts; share one object among the doors."""

    __slots__ = ("_clock", "_windows")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[int, _Window] = {}

    def take(self, account: Account, default_per_min: int) -> Allowance | None:
        """Counts one request of `account` unless it is over the limit; None when there is none."""
        limit = account.requests_per_min
        if limit is None:
            limit = default_per_min
        if not limit:
            return None
        now = self._clock.monotonic()
        window = self._windows.get(account.id)
        if window is None or now >= window.ends_at:
            window = self._windows[account.id] = _Window(now + WINDOW_S)
        if window.used >= limit:
            return Allowance(limit, 0, math.ceil(window.ends_at - now))
        window.used += 1
        return Allowance(limit, limit - window.used, 0)
