"""How long the open commit group waits for more rows: adaptive, and only while waiting pays.

A wait is worth its latency when several more rows will come in it.  The arrival rate says so,
except for closed-loop clients, whose next row waits for our answer: those are found out by waiting
in vain, and then left alone for a growing number of groups.
"""

from gateway.ports import Clock

FULL_GROUP = 64  # rows; past it a wait gains nothing
MOST_S = 0.005
TICK_S = 0.001
WORTH_ROWS = 3.0  # expected in MOST_S; below it the wait cannot pay
MOST_SKIPS = 64


class Linger:
    """Decides for one journal; times in seconds, rows are those that force a commit."""

    __slots__ = (
        "_clock",
        "_closed_at",
        "_rate",
        "_rows_before",
        "_skips",
        "_tick",
        "_until",
        "_vain",
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rate = 0.0  # rows per second, smoothed over groups
        self._closed_at = clock.monotonic()
        self._until = 0.0
        self._tick = TICK_S
        self._rows_before = 0
        self._vain = 0  # waits in a row that brought nothing
        self._skips = 0  # groups still to pass without a wait

    def is_full(self, rows: int) -> bool:
        """Whether the group is large enough to go at once."""
        return rows >= FULL_GROUP

    def begin(self, rows: int) -> float:
        """Seconds to wait before writing a group that has `rows` now; 0 = write it."""
        if rows >= FULL_GROUP or self._rate * MOST_S < WORTH_ROWS:
            return 0.0
        if self._skips:
            self._skips -= 1
            return 0.0
        self._rows_before = rows
        self._tick = min(MOST_S, max(TICK_S, 2.0 / self._rate))
        self._until = self._clock.monotonic() + MOST_S
        return self._tick

    def again(self, rows: int) -> float:
        """Called when the wait is over: seconds to wait on, 0 = write now."""
        if rows <= self._rows_before:
            # Nothing came in a whole tick: everything known is already waiting.
            self._vain = min(self._vain + 1, 6)
            self._skips = min(MOST_SKIPS, 1 << self._vain)
            return 0.0
        self._vain = 0
        self._rows_before = rows
        left = self._until - self._clock.monotonic()
        if rows >= FULL_GROUP or left <= TICK_S / 4:
            return 0.0
        return min(self._tick, left)

    def closed(self, rows: int) -> None:
        """A group with `rows` was closed: learn the arrival rate."""
        now = self._clock.monotonic()
        elapsed = now - self._closed_at
        self._closed_at = now
        if elapsed > 0.0:
            weight = min(1.0, elapsed / 0.02)  # about 20 ms of memory
            self._rate += weight * (rows / elapsed - self._rate)
