"""Blocking recipients: written to the store, then live in the same turn of the loop.

A message that waits when its recipient is blocked is not recalled: the list is asked at admission.
"""

from collections.abc import Collection

from gateway.policy.blocklist import Blocklist
from gateway.ports import BlockedStore

PAGE = 10_000


class Blocking:
    """The blocklist on disk and in memory.  `blocklist` is what admission asks."""

    def __init__(self, store: BlockedStore) -> None:
        self._store = store
        self.blocklist = Blocklist()

    async def load(self) -> None:
        """Reads the whole list, a page at a time.  Raises StoreUnavailable."""
        after = (-1, 0)
        while True:
            page = await self._store.page(after, PAGE)
            for account_id, number in page:
                self.blocklist.add(account_id, (number,))
            if len(page) < PAGE:
                return
            after = page[-1]

    async def block(self, account_id: int, numbers: Collection[int]) -> int:
        """Blocks some thousand numbers for an account, 0 = for all; how many were not before.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        added = {n for n in numbers if not self.blocklist.has(account_id, n)}
        if added:
            await self._store.block(account_id, added)
            self.blocklist.add(account_id, added)
        return len(added)

    async def unblock(self, account_id: int, numbers: Collection[int]) -> int:
        """Takes some thousand entries out; how many there were.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        removed = {n for n in numbers if self.blocklist.has(account_id, n)}
        if removed:
            await self._store.unblock(account_id, removed)
            self.blocklist.remove(account_id, removed)
        return len(removed)

    async def page(self, after: tuple[int, int], limit: int) -> list[tuple[int, int]]:
        """Entries past `after`: (account id or 0, number), in that order."""
        return await self._store.page(after, limit)
