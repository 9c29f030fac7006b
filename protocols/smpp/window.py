"""Outstanding requests of one bind: what was sent and not answered yet.

One window per connection and direction; the link asks it for sequence numbers, tells it of every
request and response, and sweeps it for requests whose time is over.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

MAX_SEQUENCE_NUMBER = 0x7FFFFFFF  # SMPP v3.4 3.2
MAX_LATE = 10_000  # expired requests that a late answer may still settle

Item = TypeVar("Item")


class Window(Generic[Item]):
    """Requests awaiting their response, by sequence_number.  Items are never None.

    `limit` is advice, read through `room`: the other parts of a message that was begun may exceed
    it.  Deadlines must not decrease from one `offer` to the next, so that insertion order is the
    order of expiry.
    """

    __slots__ = ("_last_sequence", "_late", "limit", "pending")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # Public for its length alone, which the hot path asks for: a method costs five times that.
        self.pending: dict[int, tuple[Item, float]] = {}
        self._late: OrderedDict[int, Item] = OrderedDict()
        self._last_sequence = 0

    def __len__(self) -> int:
        return len(self.pending)

    @property
    def room(self) -> int:
        """Requests that still fit under the limit."""
        return max(0, self.limit - len(self.pending))

    def next_sequence(self) -> int:
        """The next free sequence_number: 1 to 0x7FFFFFFF, then 1 again, skipping those in use."""
        sequence = self._last_sequence + 1
        if sequence > MAX_SEQUENCE_NUMBER:
            sequence = 1
        while sequence in self.pending:
            sequence = sequence + 1 if sequence < MAX_SEQUENCE_NUMBER else 1
        self._last_sequence = sequence
        return sequence

    def offer(self, sequence_number: int, item: Item, deadline: float) -> None:
        """Notes a request that is being sent; `deadline` is on the clock that `expire` gets."""
        self.pending[sequence_number] = (item, deadline)

    def complete(self, sequence_number: int) -> Item | None:
        """Takes out the request this response answers; None when no request waits for it."""
        entry = self.pending.pop(sequence_number, None)
        return None if entry is None else entry[0]

    def expire(self, now: float) -> list[Item]:
        """Takes out the requests whose deadline has come, oldest first, and remembers them as late.

        One pass from the front and no restart: each new iteration would step again over the gaps
        that answered requests leave in the dict (it keeps up to twice the window of them).
        """
        expired = []
        for sequence_number, (_, deadline) in self.pending.items():
            if deadline > now:
                break
            expired.append(sequence_number)
        items = []
        for sequence_number in expired:
            item = self.pending.pop(sequence_number)[0]
            items.append(item)
            self._late[sequence_number] = item
            if len(self._late) > MAX_LATE:
                self._late.popitem(last=False)
        return items

    def late(self, sequence_number: int) -> Item | None:
        """Takes out the expired request that a late response answers; None when it is unknown."""
        return self._late.pop(sequence_number, None)

    def drain(self) -> list[Item]:
        """Takes out all outstanding requests, oldest first: the connection is gone."""
        items = [item for item, _ in self.pending.values()]
        self.pending.clear()
        return items
