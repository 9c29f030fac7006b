"""Bulks in memory, for the tests of the doors that send them: `ports.Bulks` and `ports.BulkIntake`.

A small honest heart: one price, distinct recipients, credit, one commit with the stored answer.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Collection, Sequence

from gateway.domain.account import Account, Credential, Door
from gateway.domain.bulk import (
    BulkOrder,
    BulkQuote,
    BulkRecipient,
    BulkState,
    BulkView,
    RecipientState,
)
from gateway.domain.errors import Refusal, RefusalCode, StoreUnavailable
from gateway.domain.message import IdempotencyKey, StoredAnswer
from gateway.domain.sms_text import measure
from gateway.ports import BulkChoice, Clock, RenderBulk
from tests.support.doors import FakeReader

PART_MICROS = 1_000_000  # 1 = one part, as in the currency CREDIT
MOST_SCANNED = 10_000

_NUMBER = re.compile(r"\+?[1-9][0-9]{7,14}")
_S = RecipientState
_GOOD = {_S.DELIVERED, _S.HANDED_OVER, _S.UNKNOWN}


class FakeBulk:
    """A bulk; `states[n - 1]` is what became of recipient n."""

    def __init__(self, view: BulkView, numbers: list[str], states: list[RecipientState]) -> None:
        self.first_view = view
        self.state = view.state
        self.numbers = numbers
        self.states = states
        self.changed_at_ms = 0

    @property
    def view(self) -> BulkView:
        return self.first_view._replace(state=self.state, counts=dict(Counter(self.states)))

    def shown(self, n: int) -> BulkRecipient:
        state = self.states[n - 1]
        if state == _S.PENDING and self.state == BulkState.CANCELLED:
            state = _S.CANCELLED
        changed_at_ms = 0 if state == _S.PENDING else self.changed_at_ms
        return BulkRecipient(n, self.numbers[n - 1], state, changed_at_ms)


class FakeIntake:
    """`ports.BulkIntake`."""

    def __init__(
        self, bulks: "FakeBulks", credential: Credential, door: Door, is_kept: bool
    ) -> None:
        self._bulks = bulks
        self.credential = credential
        self.door = door
        self.is_kept = is_kept
        self.sizes: list[int] = []  # of each `add`
        self.recipients: dict[str, RecipientState] = {}
        self.was_abandoned = False
        self.order: BulkOrder | None = None

    async def add(self, numbers: Sequence[str]) -> None:
        self.sizes.append(len(numbers))
        self._bulks.check()
        for written in numbers:
            if _NUMBER.fullmatch(written) is None:
                self.recipients[written] = _S.INVALID
            else:
                digits = written.removeprefix("+")
                is_blocked = digits in self._bulks.blocked
                self.recipients[digits] = _S.BLOCKED if is_blocked else _S.PENDING
        self._bulks.taken_in.set()
        await asyncio.sleep(0)

    @property
    def valid(self) -> int:
        return sum(state == _S.PENDING for state in self.recipients.values())

    def quote(self, text: str) -> BulkQuote | Refusal:
        alphabet, parts = measure(text)
        total = PART_MICROS * parts * self.valid
        return BulkQuote(len(self.recipients), self.valid, alphabet, parts, total)

    async def commit(
        self, order: BulkOrder, idempotency: IdempotencyKey | None, render: RenderBulk
    ) -> BulkView | Refusal:
        self.order = order
        await self._bulks.may_commit.wait()
        return self._bulks.commit(self, order, idempotency, render)

    async def abandon(self) -> None:
        self.was_abandoned = True
        self._bulks.abandoned.set()


class FakeBulks:
    """`ports.Bulks`.

    `refusal` refuses every commit; `unavailable` fails whatever needs the store; commits wait while
    `may_commit` is clear.
    """

    def __init__(self, reader: FakeReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self.intakes: list[FakeIntake] = []
        self.bulks: dict[int, FakeBulk] = {}
        self.blocked: set[str] = set()
        self.refusal: Refusal | None = None
        self.unavailable = False
        self.taken_in = asyncio.Event()
        self.abandoned = asyncio.Event()
        self.may_commit = asyncio.Event()
        self.may_commit.set()

    def check(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("disk full")

    def begin(self, credential: Credential, door: Door, *, is_kept: bool = True) -> FakeIntake:
        intake = FakeIntake(self, credential, door, is_kept)
        self.intakes.append(intake)
        return intake

    def commit(
        self,
        intake: FakeIntake,
        order: BulkOrder,
        idempotency: IdempotencyKey | None,
        render: RenderBulk,
    ) -> BulkView | Refusal:
        self.check()
        account = intake.credential.account
        quote = intake.quote(order.text)
        assert isinstance(quote, BulkQuote)
        assert intake.is_kept, "a dry run was committed"
        if self.refusal is not None:
            return self.refusal
        if account.available_micros - quote.total_micros < account.limit_micros:
            return Refusal(RefusalCode.NO_CREDIT)
        is_scheduled = order.due_at_ms > self._clock.now_ms()
        if is_scheduled:
            account.held_micros += quote.total_micros
        else:
            account.balance_micros -= quote.total_micros
        bulk = self.add(
            account,
            order,
            intake.recipients,
            BulkState.SCHEDULED if is_scheduled else BulkState.RUNNING,
        )
        if idempotency is not None:
            status, body = render(bulk.view)
            name = (account.id, idempotency.endpoint, idempotency.key_digest)
            self._reader.answers[name] = StoredAnswer(idempotency.body_digest, status, body)
        return bulk.view

    def add(
        self,
        account: Account,
        order: BulkOrder,
        recipients: dict[str, RecipientState],
        state: BulkState,
    ) -> FakeBulk:
        """A bulk as it is after its commit."""
        _, parts = measure(order.text)
        valid = sum(state == _S.PENDING for state in recipients.values())
        view = BulkView(
            len(self.bulks) + 1, account.id, state, order.sender, order.text, len(recipients),
            parts, PART_MICROS * parts * valid, order.due_at_ms, self._clock.now_ms(), {},
        )  # fmt: skip
        bulk = FakeBulk(view, list(recipients), list(recipients.values()))
        bulk.changed_at_ms = self._clock.now_ms()
        self.bulks[view.key] = bulk
        return bulk

    async def bulk(self, key: int) -> BulkView | None:
        self.check()
        found = self.bulks.get(key)
        return None if found is None else found.view

    async def list(
        self, account: Account, chosen: BulkChoice, page: int, limit: int
    ) -> tuple[Sequence[BulkView], int]:
        self.check()
        views = [
            bulk.view
            for bulk in reversed(self.bulks.values())
            if bulk.view.account_id == account.id and chosen in (BulkChoice.ALL, _choice(bulk.view))
        ]
        return views[(page - 1) * limit : page * limit], len(views)

    async def recipients(
        self, view: BulkView, after_n: int, states: Collection[RecipientState], limit: int
    ) -> tuple[Sequence[BulkRecipient], int | None]:
        self.check()
        bulk = self.bulks[view.key]
        end = min(after_n + MOST_SCANNED, view.recipients)
        found = []
        for n in range(after_n + 1, end + 1):
            recipient = bulk.shown(n)
            if not states or recipient.state in states:
                found.append(recipient)
                if len(found) == limit:
                    end = n
                    break
        return found, end if end < view.recipients else None

    async def cancel(self, view: BulkView) -> int | None:
        self.check()
        bulk = self.bulks[view.key]
        if bulk.state != BulkState.SCHEDULED:
            return None
        bulk.state = BulkState.CANCELLED
        return view.total_micros


def _choice(view: BulkView) -> BulkChoice:
    if view.state == BulkState.SCHEDULED:
        return BulkChoice.SCHEDULED
    if view.state == BulkState.CANCELLED:
        return BulkChoice.CANCELLED
    if view.counts.get(_S.PENDING):
        return BulkChoice.PENDING
    return BulkChoice.SENT if _GOOD & view.counts.keys() else BulkChoice.FAILED
