"""Receipts that came in one request: handed to the heart, until all of them are on disk."""

import asyncio
from collections.abc import Sequence

from gateway.domain.receipt import Receipt
from gateway.ports import ProviderSink


async def store_receipts(receipts: Sequence[Receipt], sink: ProviderSink) -> bool:
    """Whether all of them are on disk; the sink answers each, also when the store is gone."""
    if not receipts:
        return True
    waiting = _Waiting(len(receipts))
    for receipt in receipts:
        sink.receipt(receipt, waiting.stored, receipt)
    return await waiting.all_stored


class _Waiting:
    """Counts the answers of one request's receipts."""

    __slots__ = ("_left", "_ok", "all_stored")

    def __init__(self, count: int) -> None:
        self._left = count
        self._ok = True
        self.all_stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def stored(self, token: object, ok: bool) -> None:
        """The sink's word on one receipt."""
        self._left -= 1
        self._ok = self._ok and ok
        if self._left == 0 and not self.all_stored.done():  # done: whoever waited is gone
            self.all_stored.set_result(self._ok)
