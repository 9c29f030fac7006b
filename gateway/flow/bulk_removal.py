"""Removes intakes that became no bulk: refused, left by their customer, or cut off by a crash."""

import asyncio
from collections import deque

from gateway.domain.errors import StoreUnavailable
from gateway.ports import BulkStore, Clock

STEP = 2_000  # recipients per transaction
PAUSE_S = 0.05  # between two of them: the traffic goes first
RETRY_S = 1.0


class BulkRemoval:
    """Service for the supervisor: `run`."""

    def __init__(self, store: BulkStore, clock: Clock, *, first_key: int) -> None:
        """Intakes with keys below `first_key` were left by an earlier run."""
        self._store = store
        self._clock = clock
        self._first_key = first_key
        self._keys: deque[int] = deque()
        self._something_came = asyncio.Event()

    def add(self, key: int) -> None:
        """An intake that is over and became no bulk."""
        self._keys.append(key)
        self._something_came.set()

    async def run(self) -> None:
        """Service: what earlier runs left first, then whatever comes."""
        leftovers_known = False
        while True:
            try:
                if not leftovers_known:
                    self._keys.extend(await self._store.intakes(self._first_key))
                    leftovers_known = True
                await self.remove_all()
            except StoreUnavailable:
                await self._clock.sleep(RETRY_S)
                continue
            self._something_came.clear()
            await self._something_came.wait()

    async def remove_all(self) -> None:
        """Everything that is to be removed now, in small steps.

        Raises:
            StoreUnavailable: the rest is still to be removed.
        """
        while self._keys:
            while not await self._store.remove_intake(self._keys[0], STEP):
                await self._clock.sleep(PAUSE_S)
            self._keys.popleft()
