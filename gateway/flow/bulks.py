"""Bulks: their beginning, their cancelling and what doors may ask of them (`ports.Bulks`).

A bulk begins in one commit: its row, its text, its price and the answer its customer waits for.
One of few recipients brings its messages along; those of a larger one are made by the feeder.
Whether a scheduled bulk starts or is cancelled is decided under one lock, and on disk once more.
"""

import asyncio
import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

from gateway.domain.account import DOOR_NAMES, Account, ChargeAt, Credential, Door
from gateway.domain.bulk import (
    BulkOrder,
    BulkRecipient,
    BulkState,
    BulkView,
    RecipientState,
)
from gateway.domain.bulk_rows import (
    COUNTED,
    BulkCounts,
    BulkRows,
    BulkStep,
    NewBulk,
    StoredBulk,
)
from gateway.domain.charge import Charge
from gateway.domain.commit_group import IdempotencyRow, LedgerKind, NewBatch
from gateway.domain.errors import Refusal, RefusalCode, StoreUnavailable
from gateway.domain.keys import KeyMaker
from gateway.domain.lifecycle import MoneyState
from gateway.domain.message import IdempotencyKey, Message, Submission
from gateway.domain.sms_text import Alphabet
from gateway.flow.admission import Admission, measured
from gateway.flow.bulk_feeder import BulkFeeder, FeedingBulk
from gateway.flow.bulk_intake import BulkIntake, Taken
from gateway.flow.bulk_removal import BulkRemoval
from gateway.flow.journal import Journal
from gateway.flow.switchboard import Switchboard
from gateway.policy.blocklist import Blocklist
from gateway.policy.numbering import NumberPlan
from gateway.ports import BulkChoice, BulkStore, Clock, RenderBulk
from gateway.runtime.metrics import Counters

FED_AT_ONCE = 500  # recipients of a bulk that brings its messages along
MOST_SCANNED = 10_000  # numbers one page of recipients looks at, see `ports.BulkStore`

_COUNTS = (*COUNTED, RecipientState.INVALID, RecipientState.BLOCKED)


class _Begun(NamedTuple):
    """A bulk whose commit is under way."""

    intake: BulkIntake
    row: NewBulk
    text: str
    decided: "asyncio.Future[Refusal | None]"


class Bulks:
    """`ports.Bulks`."""

    def __init__(
        self,
        store: BulkStore,
        admission: Admission,
        journal: Journal,
        switchboard: Switchboard,
        numbers: NumberPlan,
        blocklist: Blocklist,
        keys: KeyMaker,
        clock: Clock,
        feeder: BulkFeeder,
        removal: BulkRemoval,
        counters: Counters,
    ) -> None:
        self._store = store
        self._admission = admission
        self._journal = journal
        self._switchboard = switchboard
        self._numbers = numbers
        self._blocklist = blocklist
        self._keys = keys
        self._clock = clock
        self._feeder = feeder
        self._removal = removal
        self._counters = counters

    # -- intake ----------------------------------------------------------------------------------

    def begin(self, credential: Credential, door: Door, *, is_kept: bool = True) -> BulkIntake:
        """A new intake; one that is not kept only counts and prices."""
        key = self._keys.next(self._clock.now_ms())
        return BulkIntake(
            Taken(key, credential.account, self._numbers, self._switchboard, self._blocklist),
            credential,
            door,
            self._store,
            self._clock,
            is_kept=is_kept,
            commit=self._commit,
            remove=self._removal.add,
        )

    async def _commit(
        self,
        intake: BulkIntake,
        order: BulkOrder,
        idempotency: IdempotencyKey | None,
        render: RenderBulk,
    ) -> BulkView | Refusal:
        row = self._decide(intake, order)
        if isinstance(row, Refusal):
            self._counters.refused[DOOR_NAMES[intake.door], row.code] += 1
            return row
        view = _view_of_new(row, order.text)
        stored_answer = None
        if idempotency is not None:
            stored_answer = self._answer_row(row.account_id, idempotency, render(view))
        charge = _charge(intake, row, self._messages(intake, row, order.text))
        account = charge.account
        account.balance_micros += charge.balance_micros
        account.held_micros += charge.held_micros
        decided: asyncio.Future[Refusal | None] = asyncio.get_running_loop().create_future()
        batch = NewBatch(row.key, row.account_id, order.text, None, None, None, None, row.valid)
        intake.is_handed_over = True
        begun = _Begun(intake, row, order.text, decided)
        self._journal.accept_charge(charge, self._begun, begun, batch, stored_answer)
        # Shielded: whoever asked may go away, the bulk is real all the same.
        return await asyncio.shield(decided) or view

    def _decide(self, intake: BulkIntake, order: BulkOrder) -> NewBulk | Refusal:
        """The row of the bulk, its price not reserved yet."""
        taken, credential = intake.taken, intake.credential
        submission = Submission(
            credential, intake.door, order.sender, order.text, _no_answer, due_at_ms=order.due_at_ms
        )
        content = self._admission.refusal_of_content(submission) or measured(order.text)
        if isinstance(content, Refusal):
            return content
        if not taken.valid:
            return Refusal(RefusalCode.RECIPIENT_INVALID, "no valid recipient")
        parts = content[1]
        total = taken.total_micros(parts)
        account = credential.account
        if total and account.available_micros - total < account.limit_micros:
            return Refusal(RefusalCode.NO_CREDIT, "the available amount is too low")
        now_ms = self._clock.now_ms()
        is_scheduled = order.due_at_ms > now_ms
        is_fed = not is_scheduled and taken.n <= FED_AT_ONCE
        # A larger one is slowed down while it is fed.
        refusal = self._admission.throttle(credential, parts * taken.valid) if is_fed else None
        if refusal is not None:
            return refusal
        row = _row(intake, order, content, now_ms)
        if is_scheduled:
            return row._replace(state=int(BulkState.SCHEDULED))
        return row._replace(unfed_micros=0, unfed_count=0, fed_n=taken.n) if is_fed else row

    def _messages(self, intake: BulkIntake, row: NewBulk, text: str) -> Sequence[Message]:
        """Those of a bulk that is fed by its own commit."""
        if row.fed_n != row.recipients:
            return ()
        bulk = FeedingBulk(row, text, intake.credential.account, intake.credential)
        return self._feeder.messages_of(bulk, intake.taken.pending())

    def _answer_row(
        self, account_id: int, key: IdempotencyKey, answer: tuple[int, bytes]
    ) -> IdempotencyRow:
        return IdempotencyRow(
            account_id, key.endpoint, key.key_digest, key.body_digest, *answer,
            self._clock.now_ms(),
        )  # fmt: skip

    def _begun(self, token: _Begun, result: Charge | Refusal) -> None:
        intake, row, text, decided = token
        if isinstance(result, Refusal):
            intake.drop()
        elif row.state == BulkState.SCHEDULED:
            self._feeder.schedule(row.due_at_ms)
        elif row.fed_n < row.recipients:
            self._feeder.feed(FeedingBulk(row, text, intake.credential.account, intake.credential))
        if not decided.done():
            decided.set_result(result if isinstance(result, Refusal) else None)

    # -- queries ---------------------------------------------------------------------------------

    async def bulk(self, key: int) -> BulkView | None:
        """One bulk, or None; an intake is none yet."""
        row = await self._store.bulk(key)
        return None if row is None else _view_of(row)

    async def list(
        self, account: Account, chosen: BulkChoice, page: int, limit: int
    ) -> tuple[Sequence[BulkView], int]:
        """Page `page` (from 1) of the account's bulks, newest first, and how many there are."""
        rows, count = await self._store.list(account.id, chosen, (page - 1) * limit, limit)
        return [_view_of(row) for row in rows], count

    async def recipients(
        self, view: BulkView, after_n: int, states: Collection[RecipientState], limit: int
    ) -> tuple[Sequence[BulkRecipient], int | None]:
        """Those past `after_n` in one of `states` (none = all), in order; and where to go on."""
        is_cancelled = view.state == BulkState.CANCELLED
        wanted = {*states}
        if is_cancelled and states:
            # Their rows are as they were: a cancelled bulk touches none of them.
            wanted.discard(RecipientState.PENDING)
            if RecipientState.CANCELLED in wanted:
                wanted.add(RecipientState.PENDING)
            if not wanted:
                return [], None
        rows = await self._store.recipients(view.key, after_n, wanted, limit)
        found = [BulkRecipient(n, to, RecipientState(s), at_ms) for n, to, s, at_ms in rows]
        if is_cancelled:
            found = [_cancelled(each, view.cancelled_at_ms) for each in found]
        end = found[-1].n if len(found) == limit else after_n + MOST_SCANNED
        return found, end if end < view.recipients else None

    # -- cancelling ------------------------------------------------------------------------------

    async def cancel(self, view: BulkView) -> int | None:
        """Ends a SCHEDULED bulk before it starts; what it releases, in micro-units."""
        starting = self._feeder.starting
        await starting.acquire()
        decided = None
        try:
            self._journal.require_store()
            row = await self._store.bulk(view.key)
            if row is None or row.state != BulkState.SCHEDULED:
                return None
            decided = self._feeder.commit(self._cancelling(row))
        finally:
            if decided is None:
                starting.release()
        # Held to the end of the commit, whether or not anybody still waits for it.
        decided.add_done_callback(lambda _: starting.release())
        refusal = await asyncio.shield(decided)
        if refusal is not None:
            raise StoreUnavailable(refusal.reason)
        return row.unfed_micros

    def _cancelling(self, row: StoredBulk) -> Charge:
        account = self._feeder.account(row.account_id)
        account.held_micros -= row.unfed_micros
        step = BulkStep(
            row.key, row.state, row.fed_n, int(BulkState.CANCELLED),
            int(MoneyState.REFUNDED if row.unfed_micros else MoneyState.NONE), row.fed_n, 0, 0,
            self._clock.now_ms(),
        )  # fmt: skip
        moved = dict.fromkeys(BulkCounts._fields[1:], 0)
        moved.update(pending=-row.pending, cancelled=row.pending)
        return Charge(
            row.key, account, Door(row.door), LedgerKind.REFUND, 0, -row.unfed_micros,
            bulk=BulkRows(step=step, counts=BulkCounts(row.key, **moved)),
        )  # fmt: skip


def _no_answer(_token: object, _result: object) -> None:
    """Of a submission that is only looked at."""


def _row(
    intake: BulkIntake, order: BulkOrder, content: tuple[Alphabet, int], now_ms: int
) -> NewBulk:
    """A bulk that runs, none of it fed."""
    taken, account = intake.taken, intake.credential.account
    alphabet, parts = content
    total = taken.total_micros(parts)
    if not total:
        money = MoneyState.NONE
    elif account.charge_at == ChargeAt.ACCEPT and order.due_at_ms <= now_ms:
        money = MoneyState.CHARGED
    else:
        money = MoneyState.HELD
    return NewBulk(
        key=taken.key, account_id=account.id, credential_id=intake.credential.id,
        door=int(intake.door), state=int(BulkState.RUNNING), sender=order.sender, money=int(money),
        alphabet=int(alphabet), parts=parts, recipients=taken.n, valid=taken.valid,
        total_micros=total, unfed_micros=total, unfed_count=taken.charged, fed_n=0,
        due_at_ms=order.due_at_ms, created_at_ms=now_ms, classes=json.dumps(taken.prices),
        pending=taken.valid, invalid=taken.n - taken.valid - taken.blocked, blocked=taken.blocked,
    )  # fmt: skip


def _charge(intake: BulkIntake, row: NewBulk, messages: Sequence[Message]) -> Charge:
    """The whole price of a bulk, and everything that is written with it."""
    is_held = row.money == MoneyState.HELD
    return Charge(
        row.key, intake.credential.account, intake.door, LedgerKind.CHARGE,
        0 if is_held else -row.total_micros, row.total_micros if is_held else 0,
        message_count=intake.taken.charged,
        bulk=BulkRows(row, intake.taken.rows, messages=messages),
    )  # fmt: skip


def _cancelled(recipient: BulkRecipient, at_ms: int) -> BulkRecipient:
    if recipient.state != RecipientState.PENDING:
        return recipient
    return recipient._replace(state=RecipientState.CANCELLED, changed_at_ms=at_ms)


def _view_of_new(row: NewBulk, text: str) -> BulkView:
    others = dict.fromkeys(StoredBulk._fields, 0)
    return _view_of(StoredBulk._make({**others, **row._asdict(), "text": text}.values()))


def _view_of(row: StoredBulk) -> BulkView:
    counts = {state: getattr(row, state.name.lower()) for state in _COUNTS}
    return BulkView(
        row.key, row.account_id, BulkState(row.state), row.sender, row.text, row.recipients,
        row.parts, row.total_micros, row.due_at_ms, row.created_at_ms,
        {state: count for state, count in counts.items() if count}, row.cancelled_at_ms,
    )  # fmt: skip
