"""The feeder: makes messages of the recipients of running bulks, at the pace of the providers.

Theory of operation.  One service for all bulks.  A page of recipients becomes messages in one
commit group, and the same group moves the bulk on to the end of the page: so each recipient becomes
a message once, whatever dies in between, and a group that is refused is simply made again.  The
price was taken when the bulk began; a page takes its share out of the bulk's own money without a
line in the ledger.

A class of an account is fed while fewer than `AHEAD` of its messages wait in memory, and only by
half of what the account's rate allows: what comes in by the other doors meanwhile goes first.  The
bulks of a class take turns, page by page.  A scheduled bulk starts when it is due; that, and
cancelling it, hold `starting`.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from gateway.domain.account import Account, ChargeAt, Credential, Door
from gateway.domain.bulk import BulkState
from gateway.domain.bulk_rows import BulkRows, BulkStep, NewBulk, StoredBulk, UnfedRecipient
from gateway.domain.charge import Charge
from gateway.domain.commit_group import LedgerKind
from gateway.domain.errors import Refusal, StoreUnavailable
from gateway.domain.keys import KeyMaker, key_time_ms
from gateway.domain.lifecycle import MoneyState, NotifyWhen
from gateway.domain.message import DEFAULT_PRIORITY, Message
from gateway.domain.sms_text import Alphabet
from gateway.flow.backlog import Backlogs
from gateway.flow.journal import Journal
from gateway.policy.throttle import level, take
from gateway.ports import BulkStore, Clock

log = logging.getLogger("postern.bulks")

PAGE = 250  # recipients per commit: some milliseconds of the loop
AHEAD = 1_000  # messages of a class that wait in memory before the feeder pauses
BULK_PRIORITY = 0
PAUSE_S = 0.05  # until the next look, while something is to be fed and nothing may
RETRY_S = 1.0  # after the store refused
LONGEST_WAIT_S = 1.0  # between two looks at the wall clock, while a bulk is scheduled
STARTED_AT_ONCE = 100


class FeedingBulk:
    """A running bulk as the feeder holds it."""

    __slots__ = (
        "account", "alphabet", "credential", "door", "fed_n", "key", "money", "parts", "prices",
        "priority", "recipients", "sender", "text", "unfed_count", "unfed_micros",
    )  # fmt: skip

    def __init__(
        self,
        row: NewBulk | StoredBulk,
        text: str,
        account: Account,
        credential: Credential | None,
    ) -> None:
        self.key = row.key
        self.account = account
        self.credential = credential
        self.door = Door(row.door)
        self.sender = row.sender
        self.text = text
        self.alphabet = Alphabet(row.alphabet)
        self.parts = row.parts
        self.prices: list[int] = json.loads(row.classes)
        self.money = MoneyState(row.money)
        self.priority = BULK_PRIORITY if row.valid > 1 else DEFAULT_PRIORITY
        self.recipients = row.recipients
        self.fed_n = row.fed_n
        self.unfed_micros = row.unfed_micros
        self.unfed_count = row.unfed_count

    @property
    def is_fed(self) -> bool:
        """Whether every recipient that could become a message is one."""
        return self.fed_n >= self.recipients


class BulkFeeder:
    """Service for the supervisor: `run`."""

    def __init__(
        self,
        store: BulkStore,
        journal: Journal,
        backlogs: Backlogs,
        keys: KeyMaker,
        clock: Clock,
        *,
        accounts: dict[int, Account],
        credentials: dict[int, Credential],
        validity_s: int,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._store = store
        self._journal = journal
        self._backlogs = backlogs
        self._keys = keys
        self._clock = clock
        self._accounts = accounts
        self._credentials = credentials
        self._validity_ms = validity_s * 1000
        self._is_stopping = is_stopping
        # By (account id, class): whose turn it is next.
        self._turns: dict[tuple[int, int], deque[FeedingBulk]] = {}
        self._due_at_ms = 0  # of the next scheduled bulk; 0 = none
        self._something_came = asyncio.Event()
        self.starting = asyncio.Lock()

    # -- what the bulks flow asks ----------------------------------------------------------------

    def feed(self, bulk: FeedingBulk) -> None:
        """A bulk that runs, from where it stands."""
        self._turns.setdefault((bulk.account.id, bulk.priority), deque()).append(bulk)
        self._something_came.set()

    def schedule(self, due_at_ms: int) -> None:
        """A bulk that is on disk and starts later."""
        if not self._due_at_ms or due_at_ms < self._due_at_ms:
            self._due_at_ms = due_at_ms
        self._something_came.set()

    def account(self, id: int) -> Account:
        """The live account of a row."""
        return self._accounts[id]

    def messages_of(self, bulk: FeedingBulk, recipients: Iterable[UnfedRecipient]) -> list[Message]:
        """Messages of these recipients, ready for a commit group."""
        now_ms, keys = self._clock.now_ms(), self._keys
        prices = [price * bulk.parts for price in bulk.prices]
        messages = []
        for n, recipient, price_class in recipients:
            key = keys.next(now_ms)
            due_at_ms = key_time_ms(key)
            cost = prices[price_class]
            messages.append(
                Message(
                    key, bulk.account, bulk.credential, bulk.door, bulk.sender, recipient,
                    bulk.text, None, bulk.alphabet, bulk.parts, cost,
                    bulk.money if cost else MoneyState.NONE, NotifyWhen.ALWAYS, bulk.priority,
                    due_at_ms, due_at_ms + self._validity_ms, -n, bulk.key,
                )
            )  # fmt: skip
        return messages

    def commit(self, charge: Charge) -> "asyncio.Future[Refusal | None]":
        """A step of a bulk, its money moved in memory just now; gives None once it is on disk."""
        decided: asyncio.Future[Refusal | None] = asyncio.get_running_loop().create_future()
        self._journal.accept_charge(charge, _tell, decided)
        return decided

    # -- the service -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Service: resumes what was running, then feeds and starts bulks as their time comes."""
        await self._resume()
        while True:
            self._something_came.clear()
            try:
                await self.start_due()
                may_go_on = await self.feed_once()
            except StoreUnavailable:
                await self._clock.sleep(RETRY_S)
                continue
            if may_go_on:
                continue
            if self._turns:
                await self._clock.sleep(PAUSE_S)
            else:
                await self._wait()

    async def _resume(self) -> None:
        while True:
            try:
                rows = await self._store.unfed()
                due_at_ms = await self._store.next_due_ms()
            except StoreUnavailable:
                await self._clock.sleep(RETRY_S)
                continue
            # One that came in meanwhile is here already.
            known = {bulk.key for turns in self._turns.values() for bulk in turns}
            for row in rows:
                if row.key not in known:
                    self.feed(self._of_row(row))
            if due_at_ms is not None:
                self.schedule(due_at_ms)
            return

    def _of_row(self, row: StoredBulk) -> FeedingBulk:
        account, credential = (
            self._accounts[row.account_id],
            self._credentials.get(row.credential_id),
        )
        return FeedingBulk(row, row.text, account, credential)

    async def _wait(self) -> None:
        """Until something comes, or until a scheduled bulk may be due."""
        timer = None
        if self._due_at_ms:
            left_s = (self._due_at_ms - self._clock.now_ms()) / 1000
            wait_s = min(LONGEST_WAIT_S, max(0.0, left_s))
            timer = self._clock.call_later(wait_s, self._something_came.set)
        try:
            await self._something_came.wait()
        finally:
            if timer is not None:
                timer.cancel()

    # -- feeding ---------------------------------------------------------------------------------

    async def feed_once(self) -> bool:
        """One page of one bulk of every account and class that has room; whether any was fed.

        Raises:
            StoreUnavailable: a page is not on disk; it is made again.
        """
        has_fed = False
        failure: StoreUnavailable | None = None
        for which, turns in list(self._turns.items()):
            bulk = turns[0]
            room = self._take_room(bulk, *which)
            if not room:
                continue
            turns.rotate(-1)
            try:
                await self._feed_page(bulk, room)
            except StoreUnavailable as error:
                failure = error  # perhaps of this page alone: the others have their turn
                continue
            has_fed = True
            if bulk.is_fed:
                turns.remove(bulk)
                if not turns:
                    del self._turns[which]
        if failure is not None:
            raise failure
        return has_fed

    def _take_room(self, bulk: FeedingBulk, account_id: int, priority: int) -> int:
        """How many recipients of `bulk` become messages now; their parts are taken off the rate."""
        if self._is_stopping():
            return 0
        room = min(PAGE, self._backlogs.room(account_id, priority, AHEAD))
        throttles = [
            (owner.throttle, owner.rate_per_s)
            for owner in (bulk.account, bulk.credential)
            if owner is not None and owner.rate_per_s
        ]
        now = self._clock.monotonic() if throttles else 0.0
        for bucket, rate in throttles:
            # The other half of a second's worth is for what comes in meanwhile.
            spare = level(bucket, rate, rate, now) - rate / 2
            room = min(room, max(int(spare // bulk.parts), int(spare * 2 >= rate)))
        for bucket, rate in throttles:
            take(bucket, rate, rate, room * bulk.parts, now)
        return room

    async def _feed_page(self, bulk: FeedingBulk, room: int) -> None:
        self._journal.require_store()
        recipients = await self._store.pending_recipients(bulk.key, bulk.fed_n, room)
        messages = self.messages_of(bulk, recipients)
        step = self._step(bulk, messages, is_last=len(recipients) < room)
        refusal = await self.commit(
            Charge(
                bulk.key, bulk.account, bulk.door, LedgerKind.CHARGE, 0,
                bulk=BulkRows(step=step, messages=messages),
            )
        )  # fmt: skip
        if refusal is not None:
            raise StoreUnavailable(refusal.reason)
        bulk.fed_n = step.fed_n
        bulk.unfed_micros, bulk.unfed_count = step.unfed_micros, step.unfed_count

    def _step(self, bulk: FeedingBulk, messages: Sequence[Message], *, is_last: bool) -> BulkStep:
        costs = [message.charge_micros for message in messages if message.charge_micros]
        fed_n = bulk.recipients if is_last else -messages[-1].door_note
        return BulkStep(
            bulk.key, int(BulkState.RUNNING), bulk.fed_n, int(BulkState.RUNNING), int(bulk.money),
            fed_n, bulk.unfed_micros - sum(costs), bulk.unfed_count - len(costs), 0,
        )  # fmt: skip

    # -- starting --------------------------------------------------------------------------------

    async def start_due(self) -> None:
        """Starts the scheduled bulks whose time has come.

        Raises:
            StoreUnavailable: some have not started; they are still due.
        """
        if not self._due_at_ms or self._is_stopping() or self._clock.now_ms() < self._due_at_ms:
            return
        async with self.starting:
            self._journal.require_store()
            self._due_at_ms = 0  # one that is scheduled from here on sets it again
            now_ms = self._clock.now_ms()
            try:
                rows = await self._store.due(now_ms, STARTED_AT_ONCE)
                await self._start(rows)
                due_at_ms = await self._store.next_due_ms()
            except StoreUnavailable:
                self.schedule(now_ms)
                raise
            if due_at_ms is not None:
                self.schedule(due_at_ms)

    async def _start(self, rows: Sequence[StoredBulk]) -> None:
        """All of them in one commit; raises StoreUnavailable when some could not start."""
        charges = [self._starting(row) for row in rows]
        refusals = [await decided for decided in list(map(self.commit, charges))]
        for row, charge, refusal in zip(rows, charges, refusals, strict=True):
            if refusal is None:
                assert charge.bulk is not None and charge.bulk.step is not None  # noqa: S101, PT018
                self.feed(self._of_row(row._replace(money=charge.bulk.step.money)))
        refused = [refusal for refusal in refusals if refusal is not None]
        if refused:
            raise StoreUnavailable(refused[0].reason)

    def _starting(self, row: StoredBulk) -> Charge:
        """What was held becomes a charge, for an account that is charged at accept."""
        account = self._accounts[row.account_id]
        is_charged = row.money == MoneyState.HELD and account.charge_at == ChargeAt.ACCEPT
        total = row.unfed_micros if is_charged else 0
        account.balance_micros -= total
        account.held_micros -= total
        step = BulkStep(
            row.key, int(BulkState.SCHEDULED), row.fed_n, int(BulkState.RUNNING),
            int(MoneyState.CHARGED) if is_charged else row.money, row.fed_n, row.unfed_micros,
            row.unfed_count, 0,
        )  # fmt: skip
        return Charge(
            row.key, account, Door(row.door), LedgerKind.CHARGE, -total, -total,
            message_count=row.unfed_count, bulk=BulkRows(step=step),
        )  # fmt: skip


def _tell(decided: "asyncio.Future[Refusal | None]", result: Charge | Refusal) -> None:
    if not decided.done():  # cancelled: nobody waits for it any more
        decided.set_result(result if isinstance(result, Refusal) else None)
