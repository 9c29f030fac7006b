"""The journal: group commit of everything that must be on disk.

Theory of operation.  Flows append accepts, changes and events to the open group; at most one group
is being written.  What *forces* a commit (an accept, a receipt) starts the next one as soon as the
engine is free; what does not (sent, acknowledged) rides along, at most `RIDE_ALONG_S` late.  A
short linger gathers more rows per transaction, but only while it pays: it is skipped for a lone
small-window client, whose next row cannot come before our answer, and past `FULL_GROUP` rows.

Only when a group is on disk are its customers answered, its messages dispatched and its receipts
acknowledged.  When the store is unavailable the accepts of the group are refused and everything
else is kept and written again, so nothing that was acknowledged is lost.  The same holds for those
who wait behind a group whose commit takes longer than `STALL_S`; the group itself must wait for the
store's word, because a refusal of what is on disk would be a lie.

While the store is not `available` nothing is accepted, no receipt is taken and no attempt may
begin, so what waits in memory is bounded by what was on its way when it went.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from gateway.domain.account import DOOR_NAMES, Account
from gateway.domain.charge import Charge
from gateway.domain.commit_group import (
    CommitGroup,
    DoorText,
    IdempotencyRow,
    LedgerKind,
    MessageEvent,
    NewBatch,
    NewWebhookDelivery,
    ParkedReceipt,
)
from gateway.domain.errors import (
    CreditConflict,
    Refusal,
    RefusalCode,
    StoreRejected,
    StoreUnavailable,
)
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Batch, Changed, Message, Part, Submission
from gateway.flow.flight import Accepted, Flight, Stored, is_asked_for
from gateway.flow.linger import Linger
from gateway.flow.outage import Outage
from gateway.ports import Clock, CommitEngine, Timer
from gateway.runtime.metrics import Counters

# Bound once: reaching a member through its class costs eight times a global.
_NO = Changed.NO
_RIDING = Changed.RIDING
_FORCED = Changed.FORCED

log = logging.getLogger("postern.journal")

RIDE_ALONG_S = 0.02
RETRY_FIRST_S, RETRY_MOST_S = 0.2, 1.0
# Of one commit, after which nobody else is kept waiting: six flushes of a disk that takes 500 ms.
STALL_S = 3.0


class Journal:
    """One writer, one transaction in flight."""

    def __init__(
        self,
        engine: CommitEngine,
        clock: Clock,
        counters: Counters,
        *,
        max_pending: int = 50_000,
        first_group_id: int = 0,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._counters = counters
        self._max_pending = max_pending
        self._next_group_id = first_group_id
        self._linger = Linger(clock)
        self._open = Flight()
        self._changed: list[Message] = []  # for the next group
        self._riding: list[Message] = []  # newest changes that force nothing
        self._aging: list[Message] = []  # those of the tick before
        self._changed_parts: list[Part] = []
        self._forced = 0
        self._flights: list[Flight] = []  # to be written next, in order: retries and halves
        self._writing: Flight | None = None
        self._flush_timer: Timer | None = None
        self._flush_soon = False
        self._ride_timer: Timer | None = None
        self._retry_timer: Timer | None = None
        self._rereading = False  # balances, after a conflict
        self._retry_s = RETRY_FIRST_S
        self._stall_timer: Timer | None = None
        self._writing_since = 0.0
        self._outage = Outage(clock)
        self._probes: list[asyncio.Future[bool]] = []
        self._idle_waiters: list[Callable[[], object]] = []
        self.available = True
        # `available` is True again, and whoever waited for the commit has been told.
        self.on_recovered: Callable[[], object] = lambda: None
        self.on_accepted: Callable[[list[Message]], None] = lambda _: None
        # Reads the balances of these accounts again, then calls back: nothing is written meanwhile.
        self.on_credit_conflict: Callable[[frozenset[int], Callable[[], None]], object] = (
            lambda _account_ids, done: done()
        )

    # -- state -----------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Accepts that wait for their commit."""
        flights = [self._open, *self._flights]
        if self._writing is not None:
            flights.append(self._writing)
        return sum(len(flight.accepts) for flight in flights)

    @property
    def is_idle(self) -> bool:
        """Whether everything appended is on disk."""
        waiting = (self._writing, *self._flights, *self._changed, *self._riding, *self._aging)
        self._open.recount()
        return not (any(w is not None for w in waiting) or self._open.rows or self._open.after)

    @property
    def trouble(self) -> str:
        """Why the store takes no writes; empty while it does."""
        return self._outage.reason

    def require_store(self) -> None:
        """For flows that read the store in order to change it.

        Raises:
            StoreUnavailable: it takes no writes; what it reads can wait for better times on disk.
        """
        if not self.available:
            raise StoreUnavailable(self._outage.reason)

    async def writable(self) -> bool:
        """Whether a write reaches the disk now: makes one when nobody else does."""
        if not self.available:
            return False
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._probes.append(told)
        self._force(0)
        return await told

    def refusal(self) -> Refusal | None:
        """Why a submission cannot be accepted now, or None."""
        if not self.available:
            self._outage.refused += 1
            return Refusal(RefusalCode.STORE_UNAVAILABLE, self._outage.reason)
        if self._forced > self._max_pending:
            return Refusal(RefusalCode.BUSY, "the commit queue is full")
        return None

    def uncommitted_money(self, account_id: int) -> tuple[int, int]:
        """What memory has moved and no group has written: balance and hold, in micro-units."""
        balance = held = 0
        self._open.recount()
        for flight in (self._open, self._writing, *self._flights):
            for change in flight.group.credit if flight is not None else ():
                if change.account_id == account_id:
                    balance += change.balance_micros
                    held += change.held_micros
        return balance, held

    def uncommitted_keys(self) -> set[int]:
        """Keys of messages whose newest change is not on disk yet."""
        # A message that something has forced since may still stand among the riding ones.
        keys = {m.key for m in (*self._changed, *self._riding, *self._aging) if m.changed}
        keys.update(self._open.group.notified_keys)
        for flight in (self._writing, *self._flights):
            if flight is not None:
                keys.update(change[0] for change in flight.group.message_changes)
                keys.update(flight.group.notified_keys)
        return keys

    # -- what flows append -----------------------------------------------------------------------

    def accept(self, submission: Submission, message: Message) -> None:
        """A message whose price is already reserved in memory."""
        flight = self._open
        flight.accepts.append((submission.answer, submission.token, message))
        flight.group.members.append(message)
        if submission.door_text:
            flight.group.door_texts.append(DoorText(message.key, submission.door_text))
        if submission.idempotency is not None:
            self._keep_answer(submission, message, message.account)
        self._force(1)

    def accept_batch(self, submission: Submission, batch: Batch) -> None:
        """All messages of a batch; its content is stored once."""
        flight = self._open
        account = submission.credential.account
        flight.accepts.append((submission.answer, submission.token, batch))
        flight.group.members.extend(batch.messages)
        octets, data_coding, esm_class, tlvs = submission.opaque or (None, None, None, None)
        flight.group.new_batches.append(
            NewBatch(
                key=batch.key,
                account_id=account.id,
                text=submission.text,
                octets=octets,
                data_coding=data_coding,
                esm_class=esm_class,
                tlvs=tlvs,
                message_count=len(batch.messages),
            )
        )
        if submission.door_text:
            flight.group.door_texts.append(DoorText(batch.key, submission.door_text))
        if submission.idempotency is not None:
            self._keep_answer(submission, batch, account)
        self._force(len(batch.messages))

    def accept_charge(
        self,
        charge: Charge,
        answer: Callable[[Any, Charge | Refusal], None],
        token: object,
        batch: NewBatch | None = None,
        stored_answer: IdempotencyRow | None = None,
    ) -> None:
        """A charge whose money is already reserved in memory; `answer` follows as for a message."""
        self._open.take_charge(charge, answer, token, batch, stored_answer)
        self._force(1 + len(self._open.fed))

    def end_recipient(self, message: Message, before: MessageState) -> None:
        """The recipient of a bulk that `message` was made of ends with it, in the same group."""
        self._open.end_recipient(message, before)

    def change(self, message: Message) -> None:
        """The message's new state rides along: one to two ticks late, `RIDE_ALONG_S` at most.

        Not with the very next commit: the receipt often follows within milliseconds, and then one
        row is written instead of two.
        """
        if message.changed == _NO:
            message.changed = _RIDING
            self._riding.append(message)
            if self._ride_timer is None:
                self._touch()

    def change_now(
        self, message: Message, stored: Stored | None = None, token: object = None
    ) -> None:
        """The message's new state forces a commit; then `stored(token, True)`."""
        if message.changed != _FORCED:
            message.changed = _FORCED
            self._changed.append(message)
        if stored is not None:
            self._open.after.append((stored, token))
        self._force(1)

    def mark_notified(self, message: Message) -> None:
        """The customer has the notification; rides with the next commit."""
        if message.changed:
            return  # its row is written anyway
        self._open.group.notified_keys.append(message.key)
        if self._ride_timer is None:
            self._touch()

    def also_after_commit(self, stored: Stored, token: object) -> None:
        """Calls `stored(token, True)` after the commit that something else in this turn forces."""
        self._open.after.append((stored, token))

    def change_part(self, part: Part) -> None:
        """The part's new state rides with the next commit."""
        if not part.changed:
            part.changed = True
            self._changed_parts.append(part)
        self._touch()

    def after_commit(self, stored: Stored, token: object) -> None:
        """Calls `stored(token, True)` when everything appended so far is on disk."""
        self._open.after.append((stored, token))
        self._force(1)

    def move_money(
        self, message: Message, kind: LedgerKind, balance_micros: int, held_micros: int
    ) -> None:
        """A refund, or a hold that ends; both amounts signed.

        The caller has moved memory already.  The message's row goes with its money, whatever else
        of it only rides along: between two groups they would contradict each other.
        """
        if message.changed != _FORCED:
            message.changed = _FORCED
            self._changed.append(message)
        self._open.money.append((message.key, message.account, kind, balance_micros, held_micros))
        self._touch()

    def event(self, event: MessageEvent) -> None:
        """Something deviated."""
        self._open.group.events.append(event)
        self._touch()

    def park(self, receipt: ParkedReceipt, stored: Stored, token: object) -> None:
        """A receipt nobody waits for yet: on disk, then acknowledged."""
        self._open.group.parked_receipts.append(receipt)
        self.after_commit(stored, token)

    def unpark(self, provider_id: int, provider_message_id: str) -> None:
        """A parked receipt found its message."""
        self._open.group.matched_receipts.append((provider_id, provider_message_id))
        self._touch()

    def owe_webhook(self, delivery: NewWebhookDelivery) -> None:
        """A notification owed to a URL; commits with the fate it tells of."""
        self._open.group.new_webhook_deliveries.append(delivery)
        self._touch()

    def _keep_answer(
        self, submission: Submission, result: Message | Batch, account: Account
    ) -> None:
        key, render = submission.idempotency, submission.render
        if key is None or render is None:
            raise ValueError("an idempotent submission needs its key and its render")
        status, body = render(result)
        row = IdempotencyRow(
            account.id, key.endpoint, key.key_digest, key.body_digest, status, body,
            self._clock.now_ms(),
        )  # fmt: skip
        self._open.answers.append((result.key, row))

    # -- when to write ---------------------------------------------------------------------------

    def _touch(self) -> None:
        if self._ride_timer is None:
            self._ride_timer = self._clock.call_later(RIDE_ALONG_S / 2, self._ride)

    def _ride(self) -> None:
        """Half a ride: what was aging goes with the next group, what is new begins to age."""
        self._ride_timer = None
        self._board(self._aging)
        self._aging, self._riding = self._riding, []
        if self._aging:
            self._touch()
        if self._writing is None and not self._flush_soon:
            self._flush()

    def _board(self, messages: list[Message]) -> None:
        """Takes along those that nothing has forced since."""
        for message in messages:
            if message.changed == _RIDING:
                message.changed = _FORCED
                self._changed.append(message)

    def _force(self, rows: int) -> None:
        self._forced += rows
        if self._writing is not None or self._flush_soon or self._retry_timer is not None:
            return
        if self._flush_timer is not None:
            if self._linger.is_full(self._forced):
                self._flush_timer.cancel()
                self._flush_timer = None
                self._soon()
            return
        self._schedule()

    def _schedule(self) -> None:
        delay_s = self._linger.begin(self._forced)
        if delay_s:
            self._flush_timer = self._clock.call_later(delay_s, self._lingered)
        else:
            self._soon()

    def _soon(self) -> None:
        # Not at once: the rest of this loop turn's PDUs belong to the same group.
        self._flush_soon = True
        self._clock.call_soon(self._flush)

    def _lingered(self) -> None:
        self._flush_timer = None
        more_s = self._linger.again(self._forced)
        if more_s:
            self._flush_timer = self._clock.call_later(more_s, self._lingered)
        else:
            self._flush()

    # -- writing ---------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._flush_soon = False
        if self._writing is not None or self._retry_timer is not None or self._rereading:
            return
        if not self._flights:
            flight = self._close_group()
            if flight is None:
                if not self._riding and not self._aging:
                    self._tell_idle()
                return
            self._flights.append(flight)
        self._write(self._flights.pop(0))

    def _close_group(self) -> Flight | None:
        """Snapshots the open group and opens a new one; None when there is nothing to write."""
        flight = self._open
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        self._linger.closed(self._forced)
        self._forced = 0
        flight.close(self._changed, self._changed_parts, self._clock.now_ms())
        if self._probes:
            flight.rows = max(1, flight.rows)
        if not flight.rows and not flight.after and not flight.accepts:
            return None
        self._changed, self._changed_parts = [], []
        self._open = Flight()
        return flight

    def _write(self, flight: Flight) -> None:
        self._writing = flight
        self._next_group_id += 1
        flight.group.id = self._next_group_id
        if flight.rows:
            self._writing_since = self._clock.monotonic()
            if self._stall_timer is None:
                self._stall_timer = self._clock.call_later(STALL_S, self._look_for_stall)
            self._engine.commit(flight.group, self._written)
        else:
            # Only waiters: what they wait for is in groups already written.
            self._clock.call_soon(self._written, flight.group, None)

    def _written(self, group: CommitGroup, error: Exception | None) -> None:
        flight, self._writing = self._writing, None
        if flight is None or flight.group is not group:
            raise RuntimeError("the engine answered for a group that is not being written")
        if error is None:
            self._committed(flight)
        elif isinstance(error, CreditConflict):
            self._counters.commits_failed += 1
            self._refuse_accounts(flight, error)
        elif isinstance(error, StoreRejected):
            self._counters.commits_failed += 1
            self._separate(flight, error)
        else:
            self._counters.commits_failed += 1
            self._suspend(flight, error)
        self._go_on()

    def _go_on(self) -> None:
        """Starts the next group, or sees to it that something will."""
        if self._retry_timer is not None or self._writing is not None or self._rereading:
            return
        if self._flights:
            self._flush()
        elif self._forced:
            if self._flush_timer is None and not self._flush_soon:
                self._schedule()
        elif not self._flush_soon and self._ride_timer is None:
            self._flush()

    def _committed(self, flight: Flight) -> None:
        counters = self._counters
        counters.commits += 1
        counters.rows_committed += flight.rows
        for line in flight.group.ledger:
            currency = flight.currencies[line.account_id]
            if line.amount_micros < 0:  # by its sign: a fee may be given back
                counters.charged_micros[currency] -= line.amount_micros
            else:
                counters.refunded_micros[currency] += line.amount_micros
        was_available = self.available
        if not was_available:
            self.available = True
            self._retry_s = RETRY_FIRST_S
            self._outage.end()
        if flight.rows:
            self._tell_probes(True)
        if flight.accepts:
            self._tell_accepted(flight)
        for stored, token in flight.after:
            stored(token, True)
        if not was_available:
            self.on_recovered()

    def _tell_accepted(self, flight: Flight) -> None:
        accepted = self._counters.accepted
        for answer, token, result in flight.accepts:
            if type(result) is Message:
                accepted[DOOR_NAMES[result.door], result.account.name] += 1
            elif type(result) is Batch:
                first = result.messages[0]
                accepted[DOOR_NAMES[first.door], first.account.name] += len(result.messages)
            elif isinstance(result, Charge) and result.begun_count:
                accepted[DOOR_NAMES[result.door], result.account.name] += result.begun_count
            answer(token, result)
        self.on_accepted(flight.group.members)
        if flight.fed:
            self.on_accepted(flight.fed)

    def _tell_probes(self, is_on_disk: bool) -> None:
        probes, self._probes = self._probes, []
        for told in probes:
            if not told.done():  # else nobody waits for it any more
                told.set_result(is_on_disk)

    # -- failures --------------------------------------------------------------------------------

    def _suspend(self, flight: Flight, error: Exception) -> None:
        """The store is away: refuse the accepts, keep the rest, try again later."""
        self._turn_away(str(error), flight)
        # Even an empty group goes again: it is the probe that finds the store back.
        flight.rows = max(1, flight.rows)
        self._flights.insert(0, flight)
        self._retry_timer = self._clock.call_later(self._retry_s, self._retry)
        self._retry_s = min(RETRY_MOST_S, self._retry_s * 2)

    def _look_for_stall(self) -> None:
        """One timer for all groups: it looks again until none is being written."""
        self._stall_timer = None
        if self._writing is None:
            return
        left_s = self._writing_since + STALL_S - self._clock.monotonic()
        if left_s > 0.0:
            self._stall_timer = self._clock.call_later(left_s, self._look_for_stall)
        else:
            self._turn_away(f"a commit has taken more than {STALL_S:g} s and has not ended")

    def _turn_away(self, reason: str, *flights: Flight) -> None:
        """Refuses the accepts of `flights` and of all that are not being written."""
        self.available = False
        self._outage.begin(reason)
        refusal = Refusal(RefusalCode.STORE_UNAVAILABLE, reason)
        # Those that gathered meanwhile would wait for an unknown time.
        for waiting in (*flights, *self._flights, self._open):
            self._outage.refused += sum(map(is_asked_for, waiting.accepts))
            self._refuse(waiting, list(waiting.accepts), refusal)
        self._forced = 0
        self._tell_probes(False)

    def _refuse(self, flight: Flight, losers: list[Accepted], refusal: Refusal) -> None:
        for _, _, result in filter(is_asked_for, losers):
            door = result.messages[0].door if isinstance(result, Batch) else result.door
            self._counters.refused[DOOR_NAMES[door], refusal.code] += 1
        flight.refuse(losers, refusal)

    def _retry(self) -> None:
        self._retry_timer = None
        self._flush()

    def _refuse_accounts(self, flight: Flight, conflict: CreditConflict) -> None:
        """The stored balances are lower than ours: refuse these accounts' accepts, go again."""
        losers = flight.accepts_of(conflict.account_ids)
        if not losers:
            # Nothing left in it is guarded: a defect, and never a silent one.
            self._suspend(flight, conflict)
            return
        self._refuse(flight, losers, Refusal(RefusalCode.NO_CREDIT, "the stored balance is lower"))
        self._flights.insert(0, flight)
        self._rereading = True
        self.on_credit_conflict(conflict.account_ids, self._reread)

    def _reread(self) -> None:
        self._rereading = False
        self._go_on()

    def _separate(self, flight: Flight, error: StoreRejected) -> None:
        """One row is at fault: keep it apart from the others by halves."""
        pieces = flight.halves()
        if pieces is not None:
            self._flights[:0] = pieces
            return
        log.error(
            "store.rejected",
            extra={"fields": {"reason": str(error), "keys": flight.message_keys()}},
        )
        refusal = Refusal(RefusalCode.TEXT_INVALID, str(error))
        self._refuse(flight, list(flight.accepts), refusal)
        rest = flight.without_rows()
        if rest is not None:
            self._flights.insert(0, rest)

    # -- stop ------------------------------------------------------------------------------------

    def flush_soon(self) -> None:
        """Writes what is open without waiting for anything to force it."""
        self._board(self._aging)
        self._board(self._riding)
        self._aging, self._riding = [], []
        if self._writing is None and not self._flush_soon:
            self._soon()

    def when_idle(self, callback: Callable[[], object]) -> None:
        """Calls back once nothing is open or being written."""
        self._idle_waiters.append(callback)
        self.flush_soon()

    def _tell_idle(self) -> None:
        waiters, self._idle_waiters = self._idle_waiters, []
        for waiter in waiters:
            waiter()
