"""One bulk on its way in: numbers are checked, told apart, priced and written as they come.

Theory of operation.  Nothing of it may hold up the loop or fill the memory, two million numbers
included.  They are taken in pieces of some hundred; every `ROWS_AT_ONCE` rows go to disk in a cold
transaction that takes turns with the traffic.  What is left of them goes with the commit, so that a
bulk of few recipients costs no write of its own.  Repeated numbers are found in shards: one set of
two million integers would stop the loop whenever it grows.

Prices and routes are those of the moment the intake began.  Which route a message takes is found
when it leaves; a number that no route or no rate covers cannot be charged and counts as invalid.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.domain.account import Account, Credential, Door
from gateway.domain.bulk import BulkOrder, BulkQuote, BulkState, BulkView, RecipientState
from gateway.domain.bulk_rows import NewBulk, UnfedRecipient
from gateway.domain.errors import Refusal
from gateway.domain.message import Channel, IdempotencyKey
from gateway.domain.sms_text import is_storable
from gateway.flow.admission import measured
from gateway.flow.switchboard import Switchboard
from gateway.policy.blocklist import Blocklist
from gateway.policy.numbering import NumberPlan
from gateway.ports import BulkStore, Clock, RenderBulk

PIECE = 400  # numbers per turn of the loop: less than a millisecond
ROWS_AT_ONCE = 2_000
SHARDS = 8_192  # of two million numbers, each is far from the size where a set grows slowly
FREED_AT_ONCE = 64  # shards per turn of the loop: to free two million numbers takes its time too
MOST_WRITTEN = 64  # characters kept of what is no number

_SMS = Channel.SMS
_PENDING = int(RecipientState.PENDING)
_INVALID = int(RecipientState.INVALID)
_BLOCKED = int(RecipientState.BLOCKED)
_NO_CLASS = -1
_SHARD_OF = SHARDS - 1
_HASH_BITS = (1 << 60) - 1


class Taken:
    """What has been taken in so far, and how it is decided."""

    __slots__ = (
        "_account", "_blocklist", "_classes", "_digits", "_numbers", "_routes", "_shards",
        "_tariff", "blocked", "counts", "key", "n", "prices", "rows",
    )  # fmt: skip

    def __init__(
        self,
        key: int,
        account: Account,
        numbers: NumberPlan,
        switchboard: Switchboard,
        blocklist: Blocklist,
    ) -> None:
        self._account = account
        self._numbers = numbers
        self._blocklist = blocklist
        self._routes = switchboard.routes
        self._tariff = switchboard.tariff
        self._digits = switchboard.digits
        self._classes: dict[str, int] = {}  # by as many leading digits as any rule looks at
        self._shards: defaultdict[int, set[int]] = defaultdict(set)
        self.key = key
        self.n = 0  # distinct recipients
        self.blocked = 0
        self.prices: list[int] = []  # of one part, by class
        self.counts: list[int] = []  # valid recipients, by class
        # Not on disk yet: `NewBulkRecipient`s as plain tuples, at a third of the price.
        self.rows: list[Any] = []

    @property
    def valid(self) -> int:
        """How many will be charged."""
        return sum(self.counts)

    @property
    def charged(self) -> int:
        """How many of those cost something."""
        return sum(count for price, count in zip(self.prices, self.counts, strict=True) if price)

    def pending(self) -> list[UnfedRecipient]:
        """The valid ones that are not on disk yet."""
        return [
            UnfedRecipient(n, recipient, price_class)
            for _, n, recipient, state, price_class, _ in self.rows
            if state == _PENDING
        ]

    def total_micros(self, parts: int) -> int:
        """Price of all of them at `parts` each."""
        return parts * sum(map(int.__mul__, self.prices, self.counts))

    def known_numbers(self) -> list[set[int]]:
        """Hands over the memory of what was taken; from here on nothing more is."""
        shards = list(self._shards.values())
        self._shards.clear()
        return shards

    def take(self, written: Sequence[str], now_ms: int) -> None:
        """Decides about some numbers, in their order."""
        account, key, n = self._account, self.key, self.n
        region, check = account.region, account.number_check
        normalise, accepts = self._numbers.normalise, self._numbers.accepts
        blocked = self._blocklist.blocked if self._blocklist.size else None
        shards, classes, width = self._shards, self._classes, self._digits
        counts, append = self.counts, self.rows.append
        for raw in written:
            digits = normalise(raw, region)
            if digits is None or not accepts(digits, check):
                # Below 0 no number is: what cannot be read repeats itself as well.
                digits, number = "", ~(hash(raw) & _HASH_BITS)
            else:
                number = int(digits)
            shard = shards[number & _SHARD_OF]
            if number in shard:
                continue
            shard.add(number)
            n += 1
            price_class = classes.get(digits[:width]) if digits else _NO_CLASS
            if price_class is None:
                price_class = self._class_of(digits)
            if price_class < 0:
                append((key, n, _storable(raw), _INVALID, 0, now_ms))
            elif blocked is not None and blocked(account.id, digits):
                self.blocked += 1
                append((key, n, digits, _BLOCKED, 0, now_ms))
            else:
                counts[price_class] += 1
                append((key, n, digits, _PENDING, price_class, 0))
        self.n = n

    def _class_of(self, digits: str) -> int:
        """The price class of all numbers that begin like this one, -1 when none can be charged."""
        account = self._account
        price = self._tariff.price_micros(_SMS.name.lower(), account.currency, digits)
        price_class = _NO_CLASS
        if price is not None and self._routes.covers(_SMS, account.id, digits):
            if price not in self.prices:
                self.prices.append(price)
                self.counts.append(0)
            price_class = self.prices.index(price)
        self._classes[digits[: self._digits]] = price_class
        return price_class


class BulkIntake:
    """`ports.BulkIntake`."""

    def __init__(
        self,
        taken: Taken,
        credential: Credential,
        door: Door,
        store: BulkStore,
        clock: Clock,
        *,
        is_kept: bool,
        commit: "Commit",
        remove: Callable[[int], object],
    ) -> None:
        self.taken = taken
        self.credential = credential
        self.door = door
        self._store = store
        self._clock = clock
        self._is_kept = is_kept
        self._commit = commit
        self._remove = remove
        self._is_on_disk = False  # its row, and some recipients
        self.is_handed_over = False  # to the journal: what becomes of it is decided there

    async def add(self, numbers: Sequence[str]) -> None:
        """Takes some recipients as the customer wrote them."""
        taken, last = self.taken, len(numbers) - PIECE
        for at in range(0, len(numbers), PIECE):
            taken.take(numbers[at : at + PIECE], self._clock.now_ms())
            if len(taken.rows) >= ROWS_AT_ONCE:
                await self._write()
            elif at < last:
                await self._clock.sleep(0)

    async def _write(self) -> None:
        """The first rows go to disk, or nowhere when they are only counted."""
        taken = self.taken
        rows, taken.rows = taken.rows[:ROWS_AT_ONCE], taken.rows[ROWS_AT_ONCE:]
        if not self._is_kept:
            await self._clock.sleep(0)
            return
        intake = None if self._is_on_disk else self._intake_row()
        self._is_on_disk = True  # from here on there may be something to remove
        await self._store.take_in(rows, intake)

    def _intake_row(self) -> NewBulk:
        return NewBulk(
            key=self.taken.key, account_id=self.credential.account.id,
            credential_id=self.credential.id, door=self.door, state=BulkState.INTAKE, sender="",
            money=0, alphabet=0, parts=0, recipients=0, valid=0, total_micros=0, unfed_micros=0,
            unfed_count=0, fed_n=0, due_at_ms=0, created_at_ms=self._clock.now_ms(), classes="[]",
            pending=0, invalid=0, blocked=0,
        )  # fmt: skip

    def quote(self, text: str) -> BulkQuote | Refusal:
        """What it costs so far."""
        content = measured(text)
        if isinstance(content, Refusal):
            return content
        alphabet, parts = content
        taken = self.taken
        return BulkQuote(taken.n, taken.valid, alphabet, parts, taken.total_micros(parts))

    async def commit(
        self, order: BulkOrder, idempotency: IdempotencyKey | None, render: RenderBulk
    ) -> BulkView | Refusal:
        """Charges or holds the price and makes the bulk real, in one commit with its answer."""
        result = await self._commit(self, order, idempotency, render)
        if isinstance(result, Refusal):
            self.drop()
        await self._free()
        return result

    async def abandon(self) -> None:
        """The customer went away: nothing is charged, unless the commit had begun."""
        if not self.is_handed_over:
            self.drop()
        await self._free()

    def drop(self) -> None:
        """What was taken in is removed, beside the traffic."""
        if self._is_on_disk:
            self._is_on_disk = False
            self._remove(self.taken.key)

    async def _free(self) -> None:
        shards = self.taken.known_numbers()
        while len(shards) > FREED_AT_ONCE:
            del shards[-FREED_AT_ONCE:]
            await self._clock.sleep(0)


Commit = Callable[
    [BulkIntake, BulkOrder, IdempotencyKey | None, RenderBulk], Awaitable[BulkView | Refusal]
]


def _storable(raw: str) -> str:
    """The beginning of what a customer wrote, as every store can keep it."""
    written = raw[:MOST_WRITTEN]
    return written if is_storable(written) else ascii(written)[1:-1]
