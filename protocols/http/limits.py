"""Request limits: fixed windows that start with their first request.

Requests per minute and account: every credential and every REST door of an account counts in the
same window; the limit is the account's own (`requests_per_min`, 0 = none) or, when it has none, the
one the vendor documents.  Beside it a vendor may limit an endpoint by itself: `take_of`.
"""

import math
from collections.abc import Hashable
from typing import NamedTuple

from gateway.domain.account import Account
from gateway.ports import Clock

WINDOW_S = 60.0


class Allowance(NamedTuple):
    """What is left of an account's window after one more request.

    `retry_after_s` is 0 when the request may pass, else the whole seconds (1 or more) until it may.
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

    __slots__ = ("_clock", "_swept_at", "_windows")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[Hashable, _Window] = {}
        self._swept_at = clock.monotonic()

    def take(self, account: Account, default_per_min: int) -> Allowance | None:
        """Counts one request of `account` unless it is over the limit; None when there is none."""
        limit = account.requests_per_min
        if limit is None:
            limit = default_per_min
        return self.take_of(account.id, limit, WINDOW_S) if limit else None

    def take_of(self, whose: Hashable, limit: int, window_s: float) -> Allowance:
        """Counts one request of `whose`, such as (door, endpoint, account), unless over `limit`."""
        now = self._clock.monotonic()
        window = self._windows.get(whose)
        if window is None or now >= window.ends_at:
            self._sweep(now)
            window = self._windows[whose] = _Window(now + window_s)
        if window.used >= limit:
            return Allowance(limit, 0, math.ceil(window.ends_at - now))
        window.used += 1
        return Allowance(limit, limit - window.used, 0)

    def _sweep(self, now: float) -> None:
        """Forgets windows that are over: some are named by addresses, of which there are many."""
        if now - self._swept_at >= WINDOW_S:
            self._swept_at = now
            self._windows = {k: w for k, w in self._windows.items() if w.ends_at > now}
