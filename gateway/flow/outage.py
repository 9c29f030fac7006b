"""The times in which the store takes nothing: why, since when, and what they cost the customers."""

import logging

from gateway.ports import Clock

log = logging.getLogger("postern.journal")


class Outage:
    """One at a time; its beginning and its end are each logged once.

    `reason` is empty while the store takes writes.  `refused` counts the submissions refused so far
    because of it.
    """

    __slots__ = ("_clock", "_since", "reason", "refused")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = 0.0
        self.reason = ""
        self.refused = 0

    def begin(self, reason: str) -> None:
        """The store takes nothing; one that goes on may have another reason now."""
        is_new = not self.reason
        self.reason = reason
        if is_new:
            self._since = self._clock.monotonic()
            self.refused = 0
            log.error("store.unavailable", extra={"fields": {"reason": reason}})

    def end(self) -> None:
        """A commit went through."""
        lasted_s = round(self._clock.monotonic() - self._since, 3)
        fields = {"reason": self.reason, "lasted_s": lasted_s, "refused": self.refused}
        self.reason = ""
        log.info("store.recovered", extra={"fields": fields})
