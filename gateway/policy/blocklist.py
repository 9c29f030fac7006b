"""The blocklist in memory: recipients that nobody, or one account, may not send to.

One set in many shards, so that adding to a list of millions never stops the loop for the time it
takes to grow one large table.  An entry is the number with the account's id above its digits: 15
digits fit in 50 bits (ITU-T E.164 6.2.1).
"""

from collections.abc import Iterable

EVERYBODY = 0  # in the place of an account's id
_ACCOUNT_SHIFT = 50
_SHARDS = 1024
_SHARD_MASK = _SHARDS - 1


class Blocklist:
    """Numbers are integers of their E.164 digits.  `size` counts entries; 0 = ask no further."""

    __slots__ = ("_shards", "size")

    def __init__(self) -> None:
        self._shards: tuple[set[int], ...] = tuple(set() for _ in range(_SHARDS))
        self.size = 0

    def blocked(self, account_id: int, digits: str) -> bool:
        """Whether `account_id` may not send to the E.164 `digits`."""
        if not self.size:
            return False
        number = int(digits)
        shard = self._shards[number & _SHARD_MASK]
        return number in shard or account_id << _ACCOUNT_SHIFT | number in shard

    def has(self, account_id: int, number: int) -> bool:
        """Whether this very entry is there."""
        return account_id << _ACCOUNT_SHIFT | number in self._shards[number & _SHARD_MASK]

    def add(self, account_id: int, numbers: Iterable[int]) -> None:
        """Blocks them for `account_id`, or for EVERYBODY."""
        prefix = account_id << _ACCOUNT_SHIFT
        for number in numbers:
            shard = self._shards[number & _SHARD_MASK]
            before = len(shard)
            shard.add(prefix | number)
            self.size += len(shard) - before

    def remove(self, account_id: int, numbers: Iterable[int]) -> None:
        """No longer, as far as this account, or EVERYBODY, is concerned."""
        prefix = account_id << _ACCOUNT_SHIFT
        for number in numbers:
            shard = self._shards[number & _SHARD_MASK]
            before = len(shard)
            shard.discard(prefix | number)
            self.size += len(shard) - before
