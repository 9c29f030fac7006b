"""How many parts may be outstanding at a provider that cannot take its whole window.

Additive increase, multiplicative decrease: halved when the provider throttles or does not answer,
one more for every window that it answers.  Times are seconds of a monotonic clock.
"""

_SETTLE_S = 0.2  # further complaints about one window do not shrink it again


class AdaptiveWindow:
    """`limit` None: the wire's own window holds."""

    __slots__ = ("_shrunk_at", "limit")

    def __init__(self) -> None:
        self.limit: float | None = None
        self._shrunk_at = -_SETTLE_S

    def shrink(self, outstanding: int, now: float) -> None:
        """The provider cannot keep up with `outstanding` parts."""
        if now - self._shrunk_at < _SETTLE_S:
            return
        self._shrunk_at = now
        current = outstanding if self.limit is None else min(self.limit, outstanding)
        self.limit = max(1.0, current / 2)

    def answered(self, capacity: int) -> None:
        """A part was taken; `capacity` is the wire's own window."""
        if self.limit is not None:
            self.limit += 1.0 / self.limit
            if self.limit >= capacity:
                self.limit = None

    def room(self, room: int, outstanding: int) -> int:
        """What of the wire's `room` may be used."""
        if self.limit is None:
            return room
        return min(room, int(self.limit) - outstanding)
