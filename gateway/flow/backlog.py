"""What waits in memory per account and priority class, and what stays on disk.

Theory of operation.  Committed messages go straight from memory to dispatch.  When an (account,
class) has `MOST_IN_MEMORY` waiting, its further messages stay on disk only: the backlog *overflows*
and from then on everything of that account and class is read back in order of (due time, key) past
a cursor, at most `READ_AT_ONCE` rows at a time, until the disk has nothing left that is due.  What
is left on disk before the cursor (a scheduled message moved it ahead) turns it back.  A restart is
the same: every class with queued rows starts as overflowing with its cursor at zero.

Messages that are due further ahead than `AHEAD_MS` wait on disk whatever the room in memory: a
timer makes the backlog overflow for the moment that reading them takes.

A provider that is down must hold up neither memory nor the account's other traffic.  A message none
of whose providers is open is *stranded*: it does not count as waiting, and only `most_stranded` of
a backlog stay in memory.  The rest is left behind on disk, with a note of how far back to turn when
one of those providers opens.  While nothing at all is open, reading stops.

A row may be read that memory still holds, or whose newest change is not on disk yet.  Both are
known by key: `live` holds every waiting or attempted message, and whoever reads rows does so inside
`watched`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from gateway.domain.commit_group import StoredMessage
from gateway.domain.errors import StoreUnavailable
from gateway.domain.keys import key_time_ms
from gateway.domain.message import Message
from gateway.ports import Clock, MessageStore, Timer

READ_AT_ONCE = 1_000  # rows, so that taking them in keeps the loop only for some milliseconds
RETRY_READ_S = 1.0
READ_UNSETTLED_S = 0.05  # until rows whose change was under way are looked at again
AHEAD_MS = 60_000
ANY_PROVIDER = 0  # what was left behind for want of any route
_MOST_TIMER_S = 3600.0


class Backlog:
    """One account's waiting messages of one class."""

    __slots__ = (
        "account_id", "behind", "count", "cursor", "dropped", "later_ms", "overflowing", "priority",
        "reading", "stranded", "timer",
    )  # fmt: skip

    def __init__(self, account_id: int, priority: int) -> None:
        self.account_id = account_id
        self.priority = priority
        self.count = 0  # in memory, waiting, and some provider could take them
        self.stranded = 0  # in memory, and none could
        # The first position left on disk by the id of a provider whose opening frees it.
        self.behind: dict[int, tuple[int, int]] = {}
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

    def leave_behind(self, provider_ids: Iterable[int], position: tuple[int, int]) -> None:
        """Leaves a row on disk until one of these providers opens."""
        for provider_id in provider_ids or (ANY_PROVIDER,):
            first = self.behind.get(provider_id)
            if first is None or position < first:
                self.behind[provider_id] = position

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
        """`most_in_memory` per account and class, half of it stranded; `most_overall` of all."""
        self._store = store
        self._clock = clock
        self._spawn = spawn
        self._uncommitted_keys = uncommitted_keys
        self._admit = admit
        self._most_stranded = max(1, most_in_memory // 2)
        self._most = max(1, most_in_memory - self._most_stranded)
        self._most_overall = most_overall
        self._read_at_once = max(1, min(READ_AT_ONCE, self._most // 2))
        self._reserved = 0  # rows that reads under way may bring
        self._by_class: dict[tuple[int, int], Backlog] = {}
        self._starved: deque[Backlog] = deque()  # not read because memory was full
        self._watches: list[set[int]] = []
        self.live: dict[int, Message] = {}
        # The dispatcher's: which providers would have to open for a row, None = one is; and
        # whether any is open at all.
        self.stranded_providers: Callable[[StoredMessage], list[int] | None] = lambda _row: None
        self.is_any_open: Callable[[], bool] = lambda: True

    def enter(self, message: Message, now_ms: int) -> bool:
        """Whether a freshly committed message may be in memory; else disk keeps it.

        It does not wait yet: call `waits` when it has to.
        """
        backlog = self._by_class.get((message.account.id, message.priority)) or self.of(message)
        live = self.live
        if (
            backlog.overflowing
            or backlog.count >= self._most
            # `_is_full`, without the call: every message comes by here.
            or len(live) + self._reserved >= self._most_overall
        ):
            backlog.drop((message.due_at_ms, message.key - 1))
            self.refill(backlog)
            return False
        if message.due_at_ms > now_ms + AHEAD_MS and message.due_at_ms > key_time_ms(message.key):
            self._await_due(backlog, message.due_at_ms)
            return False
        live[message.key] = message
        return True

    def of(self, message: Message) -> Backlog:
        """The backlog a message belongs to."""
        return self._of_class(message.account.id, message.priority)

    def _of_class(self, account_id: int, priority: int) -> Backlog:
        key = (account_id, priority)
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

    def put_off(self, message: Message) -> bool:
        """Whether a waiting message that is due much later now waits on disk.

        Its change goes to disk long before it is read back.
        """
        now_ms = self._clock.now_ms()
        if message.due_at_ms <= now_ms + AHEAD_MS or message.parts is not None:
            return False
        self.taken(message)
        self.live.pop(message.key, None)
        self._await_due(self.of(message), message.due_at_ms)
        return True

    def strand(self, message: Message, provider_ids: list[int]) -> bool:
        """None of these providers is open: whether the waiting message may stay in memory.

        One that is not on disk as it is, or has parts with a provider, always may.
        """
        backlog = self.of(message)
        backlog.count -= 1
        if (
            backlog.stranded < self._most_stranded
            or message.changed
            or message.parts is not None
            or message.tried is not None
        ):
            backlog.stranded += 1
            message.stranded = True
        else:
            self.live.pop(message.key, None)
            backlog.leave_behind(provider_ids, (message.due_at_ms, message.key - 1))
        if backlog.overflowing:
            self.refill(backlog)
        return message.stranded

    def rescued(self, message: Message) -> None:
        """A stranded message waits again: it is about to choose a provider."""
        if message.stranded:
            message.stranded = False
            backlog = self.of(message)
            backlog.stranded -= 1
            backlog.count += 1

    def stops_waiting(self, message: Message) -> None:
        """A message that waits, if it does, no longer does: it left or ended."""
        if message.key in self.live and not message.in_flight:
            self.rescued(message)
            self.taken(message)

    def opened(self, provider_id: int) -> None:
        """A provider opened: what was left behind for it is read back, and reading goes on."""
        for backlog in list(self._by_class.values()):
            first = backlog.behind.pop(provider_id, None)
            if first is not None:
                backlog.drop(first)
            if backlog.overflowing:
                self.refill(backlog)

    def reopened(self) -> None:
        """Routes or providers were replaced: everything left behind is looked at again."""
        for backlog in list(self._by_class.values()):
            for provider_id in list(backlog.behind):
                backlog.drop(backlog.behind.pop(provider_id))
            if backlog.overflowing:
                self.refill(backlog)

    def leave(self, message: Message) -> None:
        """It is no longer queued nor attempted."""
        self.live.pop(message.key, None)
        for keys in self._watches:
            keys.add(message.key)
        if self._starved:
            self._feed_starved()

    def ended(self, message: Message) -> None:
        """It got its final state while it waited, on disk or in memory, or between two answers."""
        self.stops_waiting(message)
        self.leave(message)

    def counts(self) -> dict[tuple[int, int], tuple[int, bool]]:
        """(account id, class) -> (waiting in memory, more on disk)."""
        return {
            key: (b.count + b.stranded, b.overflowing or bool(b.behind))
            for key, b in self._by_class.items()
        }

    def room(self, account_id: int, priority: int, most: int) -> int:
        """How many messages may be added to a class before `most` of it wait in memory.

        None while some of it waits on disk: that has its turn first.
        """
        backlog = self._of_class(account_id, priority)
        if backlog.overflowing or backlog.behind:
            return 0
        overall = self._most_overall - len(self.live) - self._reserved
        here = min(most, self._most) - backlog.count - backlog.stranded
        return max(0, min(here, overall))

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
            backlog = self._of_class(account_id, priority)
            backlog.overflowing = True
            self.refill(backlog)

    def adopt(self, row: StoredMessage) -> Message | None:
        """Takes in a queued row before its turn: a receipt of one of its parts came.

        Else the row would become two objects, each with half of what is known of its parts.
        """
        self._readmit(self._of_class(row.account_id, row.priority), row)
        return self.live.get(row.key)

    def refill(self, backlog: Backlog) -> None:
        """Starts a read when the backlog has run half empty."""
        if backlog.reading or backlog.count > self._most // 2:
            return
        if backlog.stranded >= self._most_stranded and not self.is_any_open():
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
        is_settled = self._take_rows(backlog, rows, unsettled)
        if not is_settled:
            self._clock.call_later(READ_UNSETTLED_S, self._read_again, backlog)
        else:
            backlog.reading = False
            if is_last and backlog.dropped is None:
                backlog.overflowing = False
            else:
                self.refill(backlog)
        if later_ms is not None:
            self._await_due(backlog, later_ms)
        self._feed_starved()

    def _take_rows(self, backlog: Backlog, rows: list[StoredMessage], unsettled: set[int]) -> bool:
        """Whether all of them were settled; those that were not are read once more."""
        is_settled = True
        room = self._most_stranded - backlog.stranded
        for row in rows:
            backlog.cursor = (row.due_at_ms, row.key)
            if row.key in self.live:
                continue
            if row.key in unsettled:
                # It has left, or is to be read as its change under way will leave it.
                is_settled = False
                backlog.drop((row.due_at_ms, row.key - 1))
                continue
            provider_ids = self.stranded_providers(row)
            if provider_ids is not None:
                room -= 1
                if room < 0:
                    backlog.leave_behind(provider_ids, (row.due_at_ms, row.key - 1))
                    continue
            self._readmit(backlog, row)
        return is_settled

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

    def _await_due(self, backlog: Backlog, due_ms: int) -> None:
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
