"""What waits in memory per account and priority class, and what stays on disk beyond the bound.

Theory of operation.  Committed messages go straight from memory to dispatch.  When an (account,
class) has `MOST_IN_MEMORY` waiting, its further messages stay on disk only: the backlog *overflows*
and from then on everything of that account and class is read back in order of (due time, key) past
a cursor, half a bound at a time, until the disk has nothing left.  A restart is the same: every
class with queued rows starts as overflowing with its cursor at zero.

A row may be read that memory still holds, or whose newest change is not on disk yet.  Both are
known by key: `live` holds every waiting or attempted message, and while a read is under way the
keys that leave it are kept too.
"""

from collections.abc import Callable

from gateway.domain.commit_group import StoredMessage
from gateway.domain.errors import StoreUnavailable
from gateway.domain.message import Message
from gateway.ports import Clock, MessageStore

RETRY_READ_S = 1.0


class Backlog:
    """One account's waiting messages of one class."""

    __slots__ = ("account_id", "count", "cursor", "dropped", "overflowing", "priority", "reading")

    def __init__(self, account_id: int, priority: int) -> None:
        self.account_id = account_id
        self.priority = priority
        self.count = 0  # in memory, waiting
        self.overflowing = False
        self.cursor = (0, 0)  # (due_at_ms, key) of the last row taken from disk
        self.dropped = False  # left on disk since the last read began
        self.reading = False


class Backlogs:
    """All backlogs, and the reader that refills them."""

    def __init__(
        self,
        store: MessageStore,
        clock: Clock,
        *,
        spawn: Callable[..., object],
        uncommitted_keys: Callable[[], set[int]],
        admit: Callable[[StoredMessage], Message | None],
        most_in_memory: int = 10_000,
        most_overall: int = 200_000,
    ) -> None:
        self._store = store
        self._clock = clock
        self._spawn = spawn
        self._uncommitted_keys = uncommitted_keys
        self._admit = admit
        self._most = most_in_memory
        self._most_overall = most_overall
        self._by_class: dict[tuple[int, int], Backlog] = {}
        self._left: set[int] | None = None  # keys that left `live` during the reads under way
        self._reads = 0
        self.live: dict[int, Message] = {}

    def enter(self, message: Message) -> bool:
        """Whether the freshly committed message may wait in memory; else disk keeps it for later."""
        backlog = self.of(message)
        if backlog.overflowing or backlog.count >= self._most or self._is_full():
            if not backlog.overflowing:
                backlog.overflowing = True
                backlog.cursor = (message.due_at_ms, message.key - 1)
            backlog.dropped = True
            self.refill(backlog)
            return False
        backlog.count += 1
        self.live[message.key] = message
        return True

    def of(self, message: Message) -> Backlog:
        """The backlog a message belongs to."""
        key = (message.account.id, message.priority)
        backlog = self._by_class.get(key)
        if backlog is None:
            backlog = self._by_class[key] = Backlog(*key)
        return backlog

    def taken(self, message: Message) -> None:
        """It stopped waiting: an attempt begins, or it ended."""
        backlog = self.of(message)
        backlog.count -= 1
        if backlog.overflowing:
            self.refill(backlog)

    def returned(self, message: Message) -> None:
        """It waits again after an attempt."""
        self.of(message).count += 1

    def leave(self, message: Message) -> None:
        """It is no longer queued nor attempted."""
        if self.live.pop(message.key, None) is not None and self._left is not None:
            self._left.add(message.key)

    def counts(self) -> dict[tuple[int, int], tuple[int, bool]]:
        """(account id, class) -> (waiting in memory, more on disk)."""
        return {key: (b.count, b.overflowing) for key, b in self._by_class.items()}

    def _is_full(self) -> bool:
        return len(self.live) >= self._most_overall

    # -- reading back ----------------------------------------------------------------------------

    async def recover(self) -> None:
        """After a start: every class with queued rows is read from its beginning."""
        for account_id, priority in await self._store.queues():
            backlog = self._by_class[(account_id, priority)] = Backlog(account_id, priority)
            backlog.overflowing = True
            self.refill(backlog)

    def refill(self, backlog: Backlog) -> None:
        """Starts a read when the backlog has run half empty."""
        if backlog.reading or backlog.count > self._most // 2 or self._is_full():
            return
        backlog.reading = True
        self._spawn(self._read(backlog), name=f"refill-{backlog.account_id}-{backlog.priority}")

    async def _read(self, backlog: Backlog) -> None:
        if self._left is None:
            self._left = set()
        self._reads += 1
        stale = self._uncommitted_keys()
        backlog.dropped = False
        limit = max(1, self._most // 2)
        try:
            rows = await self._store.queued(
                backlog.account_id, backlog.priority, backlog.cursor, 1 << 62, limit
            )
        except StoreUnavailable:
            self._clock.call_later(RETRY_READ_S, self._read_again, backlog)
            return
        finally:
            left = self._left
            self._reads -= 1
            if not self._reads:
                self._left = None
        for row in rows:
            backlog.cursor = (row.due_at_ms, row.key)
            if row.key in self.live or row.key in stale or row.key in left:
                continue
            message = self._admit(row)
            if message is not None:
                backlog.count += 1
                self.live[row.key] = message
        backlog.reading = False
        if len(rows) < limit and not backlog.dropped:
            backlog.overflowing = False
        else:
            self.refill(backlog)

    def _read_again(self, backlog: Backlog) -> None:
        backlog.reading = False
        self.refill(backlog)
