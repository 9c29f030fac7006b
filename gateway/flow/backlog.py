"""What waits in memory per account and priority class, and what stays on disk.

Theory of operation.  Committed messages go straight from memory to dispatch.  When an (account,
class) has `MOST_IN_MEMORY` waiting, its further messages stay on disk only: the backlog *overflows*
and from then on everything of that account and class is read back in order of (due time, key) past
a cursor, half a bound at a time, until the disk has nothing left that is due.  What is left on disk
before the cursor (a scheduled message moved it ahead) turns it back.  A restart is the same: every
class with queued rows starts as overflowing with its cursor at zero.

Messages scheduled further ahead than `AHEAD_MS` wait on disk whatever the room in memory: a timer
makes the backlog overflow for the moment that reading them takes.

A row may be read that memory still holds, or whose newest change is not on disk yet.  Both are
known by key: `live` holds every waiting or attempted message, and whoever reads rows does so inside
`watched`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.domain.commit_group import StoredMessage
from gateway.domain.errors import StoreUnavailable
from gateway.domain.keys import key_time_ms
from gateway.domain.message import Message
from gateway.ports import Clock, MessageStore, Timer

RETRY_READ_S = 1.0
AHEAD_MS = 60_000
_MOST_TIMER_S = 3600.0


class Backlog:
    """One account's waiting messages of one class."""

    __slots__ = (
        "account_id", "count", "cursor", "dropped", "later_ms", "overflowing", "priority",
        "reading", "timer",
    )  # fmt: skip

    def __init__(self, account_id: int, priority: int) -> None:
        self.account_id = account_id
        self.priority = priority
        self.count = 0  # in memory, waiting
        self.overflowing = False
        self.cursor = (0, 0)  # (due_at_ms, key) of the last row taken from disk
        # The first position left on disk since the last read began.
        self.dropped: tuple[int, int] | None = None
        self.reading = False
        self.later_ms = 0  # due time of the first scheduled row on disk, while `timer` runs
        self.timer: Timer | None = None

    def drop(self, position: tuple[int, int]) -> None:
        """Leaves a row on disk: the next read begins before it."""
        if not self.overflowing:
            self.overflowing = True
            self.cursor = position
        elif self.dropped is None or position < self.dropped:
            self.dropped = position

    def turn_back(self) -> None:
        """Before a read: to the first row that was left behind."""
        if self.dropped is not None and self.dropped < self.cursor:
            self.cursor = self.dropped
        self.dropped = None


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
        self._read_at_once = max(1, most_in_memory // 2)
        self._reserved = 0  # rows that reads under way may bring
        self._by_class: dict[tuple[int, int], Backlog] = {}
        self._starved: deque[Backlog] = deque()  # not read because memory was full
        self._watches: list[set[int]] = []
        self.live: dict[int, Message] = {}

    def enter(self, message: Message, now_ms: int) -> bool:
        """Whether a freshly committed message may be in memory; else disk keeps it.

        It does not wait yet: call `waits` when it has to.
        """
        backlog = self._by_class.get((message.account.id, message.priority)) or self.of(message)
        live = self.live
        if (
            backlog.overflowing
            or backlog.count >= self._most
            or len(live) + self._reserved >= self._most_overall
        ):
            backlog.drop((message.due_at_ms, message.key - 1))
            self.refill(backlog)
            return False
        if message.due_at_ms > now_ms + AHEAD_MS and message.due_at_ms > key_time_ms(message.key):
            self._wait_for(backlog, message.due_at_ms)
            return False
        live[message.key] = message
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

    def waits(self, message: Message) -> None:
        """It waits for its first attempt, or again after one."""
        self.of(message).count += 1

    def leave(self, message: Message) -> None:
        """It is no longer queued nor attempted."""
        self.live.pop(message.key, None)
        for keys in self._watches:
            keys.add(message.key)
        if self._starved:
            self._feed_starved()

    def ended(self, message: Message) -> None:
        """It got its final state while it waited, on disk or in memory, or between two answers."""
        if message.key in self.live and not message.in_flight:
            self.taken(message)
        self.leave(message)

    def counts(self) -> dict[tuple[int, int], tuple[int, bool]]:
        """(account id, class) -> (waiting in memory, more on disk)."""
        return {key: (b.count, b.overflowing) for key, b in self._by_class.items()}

    @contextmanager
    def watched(self) -> Iterator[set[int]]:
        """Keys whose rows, read inside the block, may be older than what memory knows.

        Those with an uncommitted change when the block begins, and those that leave meanwhile.
        """
        keys = self._uncommitted_keys()
        self._watches.append(keys)
        try:
            yield keys
        finally:
            self._watches = [watch for watch in self._watches if watch is not keys]

    def _is_full(self) -> bool:
        return len(self.live) + self._reserved >= self._most_overall

    # -- reading back ----------------------------------------------------------------------------

    async def recover(self) -> None:
        """After a start: every class with queued rows is read from its beginning."""
        for account_id, priority in await self._store.queues():
            backlog = self._by_class[(account_id, priority)] = Backlog(account_id, priority)
            backlog.overflowing = True
            self.refill(backlog)

    def refill(self, backlog: Backlog) -> None:
        """Starts a read when the backlog has run half empty."""
        if backlog.reading or backlog.count > self._most // 2:
            return
        if self._is_full():
            if backlog not in self._starved:
                self._starved.append(backlog)
            return
        backlog.reading = True
        self._reserved += self._read_at_once
        self._spawn(self._read(backlog), name=f"refill-{backlog.account_id}-{backlog.priority}")

    async def _read(self, backlog: Backlog) -> None:
        backlog.turn_back()
        horizon_ms = self._clock.now_ms() + AHEAD_MS
        which = (backlog.account_id, backlog.priority)
        later_ms = None
        try:
            with self.watched() as unsettled:
                rows = await self._store.queued(
                    *which, backlog.cursor, horizon_ms, self._read_at_once
                )
                is_last = len(rows) < self._read_at_once
                if is_last:
                    later_ms = await self._store.next_due_ms(*which, (horizon_ms, 0))
        except StoreUnavailable:
            self._clock.call_later(RETRY_READ_S, self._read_again, backlog)
            return
        finally:
            self._reserved -= self._read_at_once
        for row in rows:
            backlog.cursor = (row.due_at_ms, row.key)
            if row.key not in self.live and row.key not in unsettled:
                self._readmit(backlog, row)
        backlog.reading = False
        if is_last and backlog.dropped is None:
            backlog.overflowing = False
        else:
            self.refill(backlog)
        if later_ms is not None:
            self._wait_for(backlog, later_ms)
        self._feed_starved()

    def _feed_starved(self) -> None:
        while self._starved and not self._is_full():
            self.refill(self._starved.popleft())

    def _readmit(self, backlog: Backlog, row: StoredMessage) -> None:
        message = self._admit(row)
        if message is not None:
            backlog.count += 1
            self.live[row.key] = message

    def _read_again(self, backlog: Backlog) -> None:
        backlog.reading = False
        self.refill(backlog)

    # -- scheduled -------------------------------------------------------------------------------

    def _wait_for(self, backlog: Backlog, due_ms: int) -> None:
        """Reads the rows that are due at `due_ms` a little before that time."""
        if backlog.timer is not None:
            if backlog.later_ms <= due_ms:
                return
            backlog.timer.cancel()
        backlog.later_ms = due_ms
        wait_s = (due_ms - AHEAD_MS // 2 - self._clock.now_ms()) / 1000
        backlog.timer = self._clock.call_later(
            min(_MOST_TIMER_S, max(0.0, wait_s)), self._come_due, backlog
        )

    def _come_due(self, backlog: Backlog) -> None:
        backlog.timer = None
        backlog.drop((backlog.later_ms, 0))
        self.refill(backlog)
