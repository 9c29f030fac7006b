"""Whether the store takes writes, asked seldom however often readiness is."""

import asyncio
from typing import Protocol

from gateway.ports import Clock
from gateway.runtime.supervisor import Supervisor

EVERY_S = 1.0
TIMEOUT_S = 2.0


class WritableStore(Protocol):
    """The one thing asked of the journal, which makes a commit when none is under way."""

    async def writable(self) -> bool:
        """Whether a write reaches the disk now."""


class StoreProbe:
    """At most one probe at a time and one per `EVERY_S`; a probe costs a commit."""

    def __init__(self, store: WritableStore, clock: Clock, supervisor: Supervisor) -> None:
        self._store = store
        self._clock = clock
        self._supervisor = supervisor
        self._probe: asyncio.Task[bool] | None = None
        self._probed_at = 0.0

    async def is_writable(self) -> bool:
        """The last answer, or a new one when it is old; False when none comes in `TIMEOUT_S`."""
        now = self._clock.monotonic()
        probe = self._probe
        if probe is None or (probe.done() and now - self._probed_at >= EVERY_S):
            self._probed_at = now
            probe = self._probe = self._supervisor.spawn(self._store.writable(), name="store-probe")
        # A probe that hangs is left to itself: the next request waits for the same one.
        await asyncio.wait({probe}, timeout=TIMEOUT_S)
        return probe.done() and not probe.cancelled() and probe.result()
