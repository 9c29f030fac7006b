"""Housekeeping that no message triggers: validity, receipt windows, retention.

Each service walks the store in small pages on the reading connections and changes messages through
the same flows as traffic does, so memory and disk never disagree.
"""

import logging
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from itertools import islice

from gateway.domain.account import Account, Credential
from gateway.domain.commit_group import StoredMessage
from gateway.domain.errors import StoreUnavailable
from gateway.domain.keys import EPOCH_MS, first_key_at
from gateway.domain.lifecycle import MessageState, is_final
from gateway.domain.message import Message, Part
from gateway.flow.backlog import Backlogs
from gateway.flow.dispatcher import Dispatcher
from gateway.flow.fates import Fates
from gateway.flow.journal import Journal
from gateway.flow.lane import owed_receipts
from gateway.flow.queries import IDEMPOTENCY_KEEP_MS
from gateway.flow.restore import restored
from gateway.ports import Clock, MessageStore, Retention

log = logging.getLogger("postern.maintenance")

EXPIRY_S = 2.0
RECEIPT_WINDOW_S = 30.0  # at most: a short window is looked at more often
LOOK_AGAIN_S = 86_400.0  # at old keys: messages scheduled for long after they were accepted
UNSETTLED_MS = 60_000
RETENTION_S = 300.0  # at most: a short retention is looked at more often
LOOKS_PER_TERM = 4  # how often while one such window or retention lasts
SHORTEST_WAIT_S = 1.0
DEFAULT_WINDOW_MS = 3 * 86_400_000
PAGE = 500
PURGE_PAGE = 1000
PURGE_PAUSE_S = 0.05
AWAITED_AT_ONCE = 5_000  # per provider and look
KEYS_AT_ONCE = first_key_at(EPOCH_MS + 3_600_000)  # an hour of keys per query


class ReceiptWindows:
    """How long each provider's receipts may take."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def of(self, provider_id: int | None) -> int:
        """Window of one provider in milliseconds; the longest when it is not known any more."""
        lane = self._dispatcher.lanes.get(provider_id or 0)
        if lane is None:
            return self.longest_ms()
        return lane.spec.receipt_window_s * 1000

    def longest_ms(self) -> int:
        """The longest window of all."""
        return max(self._all(), default=DEFAULT_WINDOW_MS)

    def shortest_ms(self) -> int:
        """The shortest window of all."""
        return min(self._all(), default=DEFAULT_WINDOW_MS)

    def _all(self) -> list[int]:
        return [lane.spec.receipt_window_s * 1000 for lane in self._dispatcher.lanes.values()]


class Maintenance:
    """Services for the supervisor: `expire`, `close_receipt_windows`, `purge`."""

    def __init__(
        self,
        store: MessageStore,
        retention: Retention,
        journal: Journal,
        dispatcher: Dispatcher,
        fates: Fates,
        backlogs: Backlogs,
        clock: Clock,
        *,
        accounts: dict[int, Account],
        credentials: dict[int, Credential],
        receipt_windows: "ReceiptWindows",
        retention_s: float,
    ) -> None:
        self._store = store
        self._retention = retention
        self._journal = journal
        self._dispatcher = dispatcher
        self._fates = fates
        self._backlogs = backlogs
        self._clock = clock
        self._accounts = accounts
        self._credentials = credentials
        self._receipt_windows = receipt_windows
        self._retention_s = round(retention_s)
        # Keys up to here have been looked at for their receipt window.
        self._looked_at = 0
        self._look_again_at = 0.0
        self._unripe: list[tuple[int, int]] = []  # heap of (ripe at, key)
        # What must have seen the messages before they go.
        self.before_purge: Callable[[], Awaitable[None]] = _nothing

    # -- validity --------------------------------------------------------------------------------

    async def expire(self) -> None:
        """Service: ends queued messages whose validity is over, wherever they wait."""
        while True:
            await self._clock.sleep(EXPIRY_S)
            try:
                await self.expire_once()
            except StoreUnavailable:
                continue

    async def expire_once(self) -> None:
        """One walk over what is queued and out of date."""
        after = 0
        while True:
            self._journal.require_store()
            with self._backlogs.watched() as unsettled:
                rows = await self._store.expired(self._clock.now_ms(), after, PAGE)
            for row in rows:
                after = row.key
                if row.key not in unsettled:
                    self._expire_row(row)
            if len(rows) < PAGE:
                return

    def _expire_row(self, row: StoredMessage) -> None:
        message = self._backlogs.live.get(row.key) or self._restored(row)
        if message.state == MessageState.QUEUED and not message.in_flight:
            self._dispatcher.expire(message)

    # -- receipt windows -------------------------------------------------------------------------

    async def close_receipt_windows(self) -> None:
        """Service: messages whose receipt did not come in time end as `unknown`."""
        while True:
            try:
                await self.close_receipt_windows_once()
            except StoreUnavailable:
                log.warning("receipt_windows.postponed")
            shortest_s = self._receipt_windows.shortest_ms() / 1000
            await self._clock.sleep(_wait_s(RECEIPT_WINDOW_S, shortest_s))

    async def close_receipt_windows_once(self) -> None:
        """Looks once at every row that has just passed out of the shortest window.

        Rows that were sent long after they were accepted are not ripe yet: they wait in a heap.
        """
        now_ms = self._clock.now_ms()
        self._journal.require_store()
        self._close_awaited(now_ms)
        if self._clock.monotonic() >= self._look_again_at:
            self._looked_at = 0
            self._look_again_at = self._clock.monotonic() + LOOK_AGAIN_S
            self._unripe.clear()
        ripe_key = first_key_at(now_ms - self._receipt_windows.shortest_ms())
        while self._looked_at < ripe_key:
            self._journal.require_store()
            # There may be years without a message.
            next_key = await self._store.next_key(self._looked_at)
            if not 0 < next_key < ripe_key:
                self._looked_at = ripe_key
                break
            self._looked_at = next_key - 1
            upto = min(ripe_key, self._looked_at + KEYS_AT_ONCE)
            with self._backlogs.watched() as unsettled:
                rows = await self._store.in_flight(self._looked_at, upto, PAGE)
            for row in rows:
                self._close_window(row, now_ms, unsettled)
            self._looked_at = rows[-1].key if len(rows) == PAGE else upto
        while self._unripe and self._unripe[0][0] <= now_ms:
            key = self._unripe[0][1]
            self._journal.require_store()
            with self._backlogs.watched() as unsettled:
                row_now = await self._store.message(key)
            heappop(self._unripe)  # only now: the store may have failed
            if row_now is not None:
                self._close_window(row_now, now_ms, unsettled)

    def _close_awaited(self, now_ms: int) -> None:
        """What memory awaits, oldest first.

        A walk by key alone would pass a message that still waits, and miss it once it is sent.
        """
        for lane in self._dispatcher.lanes.values():
            lane.ended.age(self._clock.monotonic())
            sent_before_ms = now_ms - lane.spec.receipt_window_s * 1000
            ripe: list[tuple[str, Message | Part, Message]] = []
            for id, target in islice(lane.awaiting.items(), AWAITED_AT_ONCE):
                message = target if isinstance(target, Message) else target.message
                if message.sent_at_ms > sent_before_ms:
                    break
                ripe.append((id, target, message))
            for id, target, message in ripe:
                if message.changed:
                    continue  # the store does not know it as it is yet
                if message.state == MessageState.SENT:
                    self._fates.finish(message, MessageState.UNKNOWN, message.error)
                elif is_final(message.state):
                    del lane.awaiting[id]  # a late receipt finds it through the store
                else:
                    # Parts of it are still to be sent; it waits behind those that are in time.
                    lane.awaiting[id] = lane.awaiting.pop(id, target)

    def held(self, message: Message) -> None:
        """A message of a `hold` provider has no answer: its window begins."""
        ripe_at_ms = self._clock.now_ms() + self._receipt_windows.of(message.provider_id)
        heappush(self._unripe, (ripe_at_ms, message.key))

    def _close_window(self, row: StoredMessage, now_ms: int, unsettled: set[int]) -> None:
        if row.state not in (MessageState.SENT, MessageState.ATTEMPTED):
            return
        ripe_at_ms = (row.sent_at_ms or row.due_at_ms) + self._receipt_windows.of(row.provider_id)
        if ripe_at_ms > now_ms:
            heappush(self._unripe, (ripe_at_ms, row.key))
            return
        message = None
        if row.key not in unsettled and row.key not in self._backlogs.live:
            message = self._awaiting(row)
        if message is None or message.changed:
            heappush(self._unripe, (now_ms + UNSETTLED_MS, row.key))
        elif message.state in (MessageState.SENT, MessageState.ATTEMPTED):
            self._fates.finish(message, MessageState.UNKNOWN, message.error)
            self._await_late(message)

    def _awaiting(self, row: StoredMessage) -> Message | None:
        """The live object when a lane still waits with it, else the row restored.

        None when its receipt came while the row was read.
        """
        message = self._restored(row)
        lane = self._dispatcher.lanes.get(row.provider_id or 0)
        if lane is None:
            return message
        for target in owed_receipts(message):
            id = target.provider_message_id
            if id in lane.ended and id not in lane.awaiting:
                return None
        return lane.holder_of(message) or message

    def _await_late(self, message: Message) -> None:
        """A receipt that comes yet finds this object, and no other made of the same row."""
        lane = self._dispatcher.lanes.get(message.provider_id or 0)
        if lane is not None:
            for target in owed_receipts(message):
                lane.await_receipt(target.provider_message_id or "", target)

    # -- retention -------------------------------------------------------------------------------

    async def purge(self) -> None:
        """Service: removes what is past its age, in small steps."""
        while True:
            await self._clock.sleep(_wait_s(RETENTION_S, self._retention_s))
            try:
                await self.purge_once()
            except StoreUnavailable:
                log.warning("purge.postponed")

    async def purge_once(self) -> None:
        """Finished messages and bulks, ledger lines, idempotent answers, receipts of strangers."""
        await self.before_purge()
        now_ms = self._clock.now_ms()
        retention = self._retention
        finished_before_ms = now_ms - self._retention_s * 1000
        parked_before_ms = now_ms - self._receipt_windows.longest_ms()
        for purge, before in (
            (retention.purge_finished, first_key_at(finished_before_ms)),
            (retention.purge_bulks, first_key_at(finished_before_ms)),
            (retention.close_ledger, finished_before_ms),
            (retention.purge_answers, now_ms - IDEMPOTENCY_KEEP_MS),
            (retention.purge_parked_receipts, parked_before_ms),
        ):
            while await purge(before, PURGE_PAGE) == PURGE_PAGE:
                await self._clock.sleep(PURGE_PAUSE_S)
        for lane in self._dispatcher.lanes.values():
            lane.forget_parked(parked_before_ms)

    def _restored(self, row: StoredMessage) -> Message:
        return restored(row, self._accounts, self._credentials)


async def _nothing() -> None:
    pass


def _wait_s(longest_s: float, term_s: float) -> float:
    """Between two looks at what lasts `term_s`, in seconds."""
    return min(longest_s, max(SHORTEST_WAIT_S, term_s / LOOKS_PER_TERM))
