"""Notifications to SMPP customers: durable until acknowledged or out of date.

A final fate owed to a credential is a flag on the message's own row; the outbox here only orders
what memory holds.  Past `MOST_IN_MEMORY` the rest stays on disk and is read back, by key, when the
outbox has run empty; so is everything after a restart, when the customer binds.
"""

from collections import deque
from collections.abc import Callable

from gateway.domain.account import Account, Credential
from gateway.domain.commit_group import EventKind
from gateway.domain.errors import StoreUnavailable
from gateway.domain.lifecycle import Notified
from gateway.domain.message import Message
from gateway.flow.fates import Fates
from gateway.flow.journal import Journal
from gateway.flow.restore import restored
from gateway.ports import Clock, MessageStore, Notifier, Timer
from gateway.runtime.metrics import Counters

# Bound once: reaching a member through its class costs eight times a global.
_PENDING = Notified.PENDING
_DONE = Notified.DONE

MOST_IN_MEMORY = 10_000
READ_AT_ONCE = 1_000
RETRY_READ_S = 1.0
SWEEP_S = 600.0


class Outbox:
    """What one credential is still owed."""

    __slots__ = (
        "credential",
        "dropped",
        "keys",
        "left",
        "messages",
        "on_disk",
        "read_past",
        "reading",
        "timer",
    )

    def __init__(self, credential: Credential) -> None:
        self.credential = credential
        self.messages: deque[Message] = deque()
        self.keys: set[int] = set()  # of everything in memory, offered ones included
        self.left: set[int] = set()  # keys settled while a read is under way
        self.on_disk = True  # rows of an earlier run may be there
        self.dropped = False  # left on disk since the read from the beginning began
        self.read_past = 0
        self.reading = False
        self.timer: Timer | None = None


class Notifications:
    """`ports.NotificationSink`."""

    def __init__(
        self,
        store: MessageStore,
        journal: Journal,
        fates: Fates,
        clock: Clock,
        counters: Counters,
        *,
        spawn: Callable[..., object],
        accounts: dict[int, Account],
        credentials: dict[int, Credential],
    ) -> None:
        self._store = store
        self._journal = journal
        self._fates = fates
        self._clock = clock
        self._counters = counters
        self._spawn = spawn
        self._accounts = accounts
        self._credentials = credentials
        self._outboxes: dict[int, Outbox] = {}
        self.notifier: Notifier | None = None

    def offer(self, token: object, _stored: bool) -> None:
        """The final fate of a message is on disk: tell its customer."""
        message = token
        assert isinstance(message, Message)  # noqa: S101
        credential = message.credential
        if credential is None:
            return  # revoked since; the row stays owed until it is out of date
        outbox = self._outboxes.get(credential.id) or self._outbox(credential)
        if len(outbox.keys) >= MOST_IN_MEMORY:
            outbox.on_disk = outbox.dropped = True
            return
        if message.key in outbox.keys and message in outbox.messages:
            return  # it waits to be told an earlier state, and will be told this one
        outbox.keys.add(message.key)
        notifier = self.notifier
        if (
            outbox.messages
            or outbox.timer is not None
            or notifier is None
            or not notifier.notify(message)
        ):
            outbox.messages.append(message)

    def _outbox(self, credential: Credential) -> Outbox:
        outbox = self._outboxes.get(credential.id)
        if outbox is None:
            outbox = self._outboxes[credential.id] = Outbox(credential)
        return outbox

    def _pump(self, outbox: Outbox) -> None:
        notifier = self.notifier
        messages = outbox.messages
        if notifier is None or outbox.timer is not None:
            return
        while messages:
            message = messages[0]
            if message.notified != _PENDING:
                pass  # a late answer settled it while it waited to be offered again
            elif self._is_out_of_date(message):
                self._abandon(outbox, message)
            elif not notifier.notify(message):
                return
            messages.popleft()
        if outbox.on_disk and not outbox.reading:
            outbox.reading = True
            self._spawn(self._read(outbox), name=f"owed-{outbox.credential.name}")

    # -- ports.NotificationSink ------------------------------------------------------------------

    def notified(self, message: Message) -> None:
        """The customer has it."""
        self._counters.notifications["smpp", "delivered"] += 1
        message.notified = _DONE
        self._journal.mark_notified(message)
        self._settled(message)

    def postponed(self, message: Message, delay_s: float) -> None:
        """Not taken: offer it again, no sooner than `delay_s`."""
        self._counters.notifications["smpp", "postponed"] += 1
        if message.credential is None:
            return
        outbox = self._outbox(message.credential)
        outbox.messages.appendleft(message)
        if delay_s and outbox.timer is None:
            outbox.timer = self._clock.call_later(delay_s, self._timer_over, outbox)

    def room_changed(self, credential: Credential) -> None:
        """A receiving bind came, or room grew from 0."""
        self._pump(self._outbox(credential))

    def _timer_over(self, outbox: Outbox) -> None:
        outbox.timer = None
        self._pump(outbox)

    def _settled(self, message: Message) -> None:
        credential = message.credential
        if credential is not None:
            outbox = self._outboxes.get(credential.id) or self._outbox(credential)
            outbox.keys.discard(message.key)
            if outbox.reading:
                outbox.left.add(message.key)
            if not outbox.messages and outbox.on_disk:
                self._pump(outbox)

    # -- age -------------------------------------------------------------------------------------

    def _is_out_of_date(self, message: Message) -> bool:
        credential = message.credential
        keep_s = 0 if credential is None else credential.receipt_keep_s
        return message.final_at_ms + keep_s * 1000 < self._clock.now_ms()

    def _abandon(self, outbox: Outbox, message: Message) -> None:
        self._counters.notifications["smpp", "abandoned"] += 1
        message.notified = Notified.ABANDONED
        self._fates.event(message, EventKind.NOTIFICATION_ABANDONED, "nobody bound in time")
        self._journal.change(message)
        outbox.keys.discard(message.key)
        outbox.left.add(message.key)

    async def sweep(self) -> None:
        """Service: abandons what absent customers are owed for too long, a page at a time."""
        while True:
            await self._clock.sleep(SWEEP_S)
            for credential in list(self._credentials.values()):
                try:
                    await self._sweep_one(credential)
                except StoreUnavailable:
                    break

    async def _sweep_one(self, credential: Credential) -> None:
        outbox = self._outbox(credential)
        past = 0
        while True:
            self._journal.require_store()
            rows = await self._store.owed_notifications(credential.id, past, READ_AT_ONCE)
            for row in rows:
                past = row.key
                if row.key not in outbox.keys:
                    message = restored(row, self._accounts, self._credentials)
                    if self._is_out_of_date(message):
                        self._abandon(outbox, message)
            if len(rows) < READ_AT_ONCE:
                return

    # -- disk ------------------------------------------------------------------------------------

    async def _read(self, outbox: Outbox) -> None:
        """Reads back owed notifications that memory does not hold."""
        stale = self._journal.uncommitted_keys()
        outbox.left.clear()
        try:
            self._journal.require_store()  # that they were told could not be kept
            rows = await self._store.owed_notifications(
                outbox.credential.id, outbox.read_past, READ_AT_ONCE
            )
        except StoreUnavailable:
            outbox.reading = False
            outbox.timer = outbox.timer or self._clock.call_later(
                RETRY_READ_S, self._timer_over, outbox
            )
            return
        for row in rows:
            outbox.read_past = row.key
            if row.key in outbox.keys or row.key in stale or row.key in outbox.left:
                continue
            outbox.keys.add(row.key)
            outbox.messages.append(restored(row, self._accounts, self._credentials))
        outbox.reading = False
        if len(rows) < READ_AT_ONCE:
            # What was left behind meanwhile may have any key: then once more from the beginning.
            outbox.on_disk, outbox.dropped, outbox.read_past = outbox.dropped, False, 0
        self._pump(outbox)
