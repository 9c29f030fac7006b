"""A store on plain dicts with the semantics of the real ones, that fails when a test says so.

It is `ports.CommitEngine`, `MessageStore`, `AccountStore` and `Retention` in one.  After every commit
it proves the money: nothing can go wrong between two groups without a test noticing.
"""

from collections.abc import Callable, Collection, Sequence

from gateway.domain.commit_group import (
    CommitGroup,
    LedgerKind,
    MessageEvent,
    NewBatch,
    NewWebhookDelivery,
    ParkedReceipt,
    PartChange,
    StoredMessage,
    StoredPart,
)
from gateway.domain.errors import CreditConflict, StoreRejected, StoreUnavailable
from gateway.domain.identity import (
    CredentialKind,
    Origin,
    SenderState,
    SenderVerification,
    StoredAccount,
    StoredCredential,
    StoredSender,
)
from gateway.domain.lifecycle import MessageState, MoneyState, Notified, is_final
from gateway.domain.message import IdempotencyKey, StoredAnswer
from gateway.domain.provider_id import canonical_id
from gateway.domain.receipt import AwaitedReceipt
from tests.support.clock import FakeClock, settle

Done = Callable[[CommitGroup, Exception | None], None]
_MUTABLE = (
    "state", "money", "provider_id", "provider_message_id", "attempts", "due_at_ms", "sent_at_ms",
    "final_at_ms", "error", "notified",
)  # fmt: skip


class Secrets:
    async def get_or_create(self, name: str, octets: int) -> bytes:
        return name.encode().ljust(octets, b".")


class MemoryStore:
    """Commits end in the clock's next turn, or by `complete` while `by_hand` is set."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.by_hand = False
        self.unavailable = False  # writes and reads fail
        self.failures: list[Exception] = []  # what the next commits end with
        self.poison: set[object] = set()  # message keys, texts, ids: a row with one is rejected
        self.reads = 0  # pages of queued rows
        self.slow_reads = False  # reads take their snapshot at once and return turns later
        self.accounts = self.messages = self.retention = self.senders = self.blocked = (
            self.bulks
        ) = self
        self.secrets = Secrets()
        self.writing: tuple[CommitGroup, Done] | None = None
        self.groups: list[CommitGroup] = []
        self.attempts = 0  # groups handed over, failed ones included
        self.state_conflicts = 0
        self.rows: dict[int, StoredMessage] = {}
        self.batches: dict[int, NewBatch] = {}
        self.parts: dict[tuple[int, int], PartChange] = {}
        self.timeline: list[MessageEvent] = []
        self.parked: list[ParkedReceipt] = []
        self.ledger_closed_before_ms = 0
        self.deliveries: list[NewWebhookDelivery] = []
        self.answers: dict[tuple[int, str, bytes], tuple[int, StoredAnswer]] = {}
        self.ledger: list[tuple[int, int, int]] = []  # account id, kind, amount
        self.account_rows: dict[int, StoredAccount] = {}
        self.credential_rows: dict[int, StoredCredential] = {}
        self.sender_rows: dict[tuple[int, str], StoredSender] = {}
        self.senders_counted_to = 0  # a message's key
        self.blocked_rows: set[tuple[int, int]] = set()

    # -- ports.CommitEngine ----------------------------------------------------------------------

    def commit(self, group: CommitGroup, done: Done) -> None:
        assert self.writing is None, "a second group before the first has ended"
        self.attempts += 1
        self.writing = group, done
        if not self.by_hand:
            self.clock.call_soon(self.complete)

    def complete(self) -> None:
        """Ends the group under way."""
        assert self.writing is not None, "nothing is being written"
        (group, done), self.writing = self.writing, None
        error: Exception | None = None
        if self.unavailable:
            error = StoreUnavailable("switched off")
        elif self.failures:
            error = self.failures.pop(0)
        else:
            try:
                self._apply(group)
            except (CreditConflict, StoreRejected) as failure:
                error = failure
        done(group, error)

    def _apply(self, group: CommitGroup) -> None:
        self._check_rows(group)
        self._move_money(group)
        for batch in group.new_batches:
            self.batches[batch.key] = batch
        for row in group.new_messages:
            assert row[0] not in self.rows, "the same message twice"
            self.rows[row[0]] = StoredMessage(
                *row, MessageState.QUEUED, None, None, 0, 0, 0, "", Notified.NONE
            )
        for change in group.message_changes:
            key, was_state, *values = change
            stored = self.rows.get(key)
            if stored is None or stored.state != was_state:
                self.state_conflicts += 1
                continue
            columns = dict(zip(_MUTABLE, values, strict=True))
            columns["state"] = MessageState(columns["state"])
            self.rows[key] = stored._replace(**columns)
        for part in group.part_changes:
            self.parts[part.message_key, part.n] = part
        for key in group.notified_keys:
            if self.rows[key].notified == Notified.PENDING:
                self.rows[key] = self.rows[key]._replace(notified=Notified.DONE)
        self.timeline += group.events
        for answer in group.idempotency:
            self.answers[answer.account_id, answer.endpoint, answer.key_digest] = (
                answer.at_ms,
                StoredAnswer(answer.body_digest, answer.status, answer.body),
            )
        self.parked += group.parked_receipts
        matched = set(group.matched_receipts)
        self.parked = [p for p in self.parked if (p[0], p[1]) not in matched]
        self.deliveries += group.new_webhook_deliveries
        self.groups.append(group)
        self.prove_money()

    def _check_rows(self, group: CommitGroup) -> None:
        if not self.poison:
            return
        for name in CommitGroup.__slots__:
            rows = getattr(group, name)
            if name not in ("id", "members") and any(
                self.poison.intersection(row if isinstance(row, tuple) else (row,)) for row in rows
            ):
                raise StoreRejected(f"a poisoned row in {name}")

    def _move_money(self, group: CommitGroup) -> None:
        rows = dict(self.account_rows)
        conflicts = set()
        for change in group.credit:
            row = rows[change.account_id]
            row = row._replace(
                balance_micros=row.balance_micros + change.balance_micros,
                held_micros=row.held_micros + change.held_micros,
            )
            if change.guarded and row.balance_micros - row.held_micros < row.limit_micros:
                conflicts.add(row.id)
            rows[row.id] = row
        if conflicts:
            raise CreditConflict(frozenset(conflicts))
        self.account_rows = rows
        self.ledger += [(line[0], line[1], line[2]) for line in group.ledger]

    def prove_money(self) -> None:
        """The ledger identity, as it must hold after every commit."""
        for account in self.account_rows.values():
            messages = [row for row in self.rows.values() if row.account_id == account.id]
            lines = [line for line in self.ledger if line[0] == account.id]
            charged = sum(m.charge_micros for m in messages if m.money == MoneyState.CHARGED)
            held = sum(m.charge_micros for m in messages if m.money == MoneyState.HELD)
            assert account.balance_micros == sum(amount for _, _, amount in lines), lines
            moved = sum(a for _, k, a in lines if k in (LedgerKind.CHARGE, LedgerKind.REFUND))
            assert moved == -charged, (moved, charged)
            assert account.held_micros == held, (account.held_micros, held)
            assert account.balance_micros - account.held_micros >= account.limit_micros

    def top_up(self, account_id: int, amount_micros: int) -> None:
        """Behind the daemon's back: positive or negative."""
        row = self.account_rows[account_id]
        self.account_rows[account_id] = row._replace(
            balance_micros=row.balance_micros + amount_micros
        )
        self.ledger.append((account_id, LedgerKind.TOP_UP, amount_micros))

    # -- ports.MessageStore ----------------------------------------------------------------------

    async def _read(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("switched off")

    async def _slowly(self) -> None:
        """A slow disk: the snapshot is taken, its rows arrive later."""
        while self.slow_reads:
            await settle(1)

    def row(self, key: int) -> StoredMessage:
        """A row with its batch's content and its parts."""
        row = self.rows[key]
        if row.batch_key is not None:
            batch = self.batches[row.batch_key]
            row = row._replace(
                text=batch.text, octets=batch.octets, data_coding=batch.data_coding,
                esm_class=batch.esm_class, tlvs=batch.tlvs,
            )  # fmt: skip
        parts = sorted(part for (message_key, _), part in self.parts.items() if message_key == key)
        return row._replace(parts=tuple(StoredPart(*part[1:]) for part in parts))

    def _find(self, wanted: Callable[[StoredMessage], bool]) -> list[StoredMessage]:
        return [self.row(key) for key in sorted(self.rows) if wanted(self.rows[key])]

    async def next_key(self, after: int) -> int:
        await self._read()
        return min((key for key in self.rows if key > after), default=0)

    async def last_key(self) -> int:
        await self._read()
        return max([0, *self.rows, *self.batches])

    async def queues(self) -> list[tuple[int, int]]:
        await self._read()
        queued = self._find(lambda row: row.state == MessageState.QUEUED)
        return sorted({(row.account_id, row.priority) for row in queued})

    async def queued(
        self, account_id: int, priority: int, after: tuple[int, int], due_before_ms: int, limit: int
    ) -> list[StoredMessage]:
        self.reads += 1
        await self._read()
        rows = self._find(
            lambda row: (
                row.state == MessageState.QUEUED
                and (row.account_id, row.priority) == (account_id, priority)
                and (row.due_at_ms, row.key) > after
                and row.due_at_ms < due_before_ms
            )
        )
        await self._slowly()
        return sorted(rows, key=lambda row: (row.due_at_ms, row.key))[:limit]

    async def next_due_ms(
        self, account_id: int, priority: int, after: tuple[int, int]
    ) -> int | None:
        rows = await self.queued(account_id, priority, after, 1 << 62, 1)
        return rows[0].due_at_ms if rows else None

    async def expired(self, now_ms: int, after_key: int, limit: int) -> list[StoredMessage]:
        await self._read()
        rows = self._find(
            lambda row: (
                row.state == MessageState.QUEUED
                and row.key > after_key
                and row.expires_at_ms <= now_ms
            )
        )
        await self._slowly()
        return rows[:limit]

    async def in_flight(self, from_key: int, to_key: int, limit: int) -> list[StoredMessage]:
        await self._read()
        states = (MessageState.ATTEMPTED, MessageState.SENT)
        rows = self._find(lambda row: row.state in states and from_key < row.key <= to_key)
        await self._slowly()
        return rows[:limit]

    async def by_provider_message_id(
        self, provider_id: int, ids: Sequence[str]
    ) -> list[StoredMessage]:
        await self._read()
        forms = {canonical_id(id) for id in ids if id}
        rows = [
            row
            for row in self._find(
                lambda row: not is_final(row.state) or row.state == MessageState.UNKNOWN
            )
            if any(
                p.provider_id == provider_id
                and p.provider_message_id
                and canonical_id(p.provider_message_id) in forms
                for p in (row, *row.parts)
            )
        ]
        await self._slowly()
        return rows

    async def awaited(
        self, provider_id: int, after: tuple[str, int], limit: int
    ) -> list[AwaitedReceipt]:
        await self._read()
        found = sorted(
            AwaitedReceipt(
                (canonical_id(row.provider_message_id), row.key),
                row.provider_message_id, row.recipient, row.sent_at_ms,
            )
            for row in self.rows.values()
            if row.provider_id == provider_id
            and row.state == MessageState.SENT
            and row.provider_message_id
        )  # fmt: skip
        await self._slowly()
        return [item for item in found if item.position > after][:limit]

    async def owed_notifications(
        self, credential_id: int, after_key: int, limit: int
    ) -> list[StoredMessage]:
        await self._read()
        rows = self._find(
            lambda row: (
                row.notified == Notified.PENDING
                and row.credential_id == credential_id
                and row.key > after_key
            )
        )
        await self._slowly()
        return rows[:limit]

    async def parked_receipts(self, limit: int) -> list[ParkedReceipt]:
        await self._read()
        return self.parked[:limit]

    async def message(self, key: int) -> StoredMessage | None:
        await self._read()
        return self.row(key) if key in self.rows else None

    async def events(self, key: int) -> list[MessageEvent]:
        await self._read()
        return [event for event in self.timeline if event.message_key == key]

    async def stored_answer(
        self, account_id: int, key: IdempotencyKey, since_ms: int
    ) -> StoredAnswer | None:
        await self._read()
        at_ms, answer = self.answers.get((account_id, key.endpoint, key.key_digest), (0, None))
        return answer if at_ms >= since_ms else None

    # -- ports.AccountStore ----------------------------------------------------------------------

    async def load(self) -> list[StoredAccount]:
        await self._read()
        rows = list(self.account_rows.values())
        await self._slowly()
        return rows

    async def declare(
        self, name: str, currency: str, limit_micros: int, opening_micros: int, at_ms: int
    ) -> StoredAccount:
        await self._read()
        for row in self.account_rows.values():
            if row.name == name:
                row = row._replace(limit_micros=limit_micros, origin=Origin.FILE, enabled=True)
                self.account_rows[row.id] = row
                return row
        id = len(self.account_rows) + 1
        row = StoredAccount(
            id, name, currency, opening_micros, 0, limit_micros, opening_micros, Origin.FILE, True
        )
        self.account_rows[id] = row
        self.ledger.append((id, LedgerKind.OPENING, opening_micros))
        return row

    async def disable_undeclared(self, names: Collection[str]) -> list[str]:
        await self._read()
        gone = [
            row
            for row in self.account_rows.values()
            if row.origin == Origin.FILE and row.enabled and row.name not in names
        ]
        for row in gone:
            self.account_rows[row.id] = row._replace(enabled=False)
        return [row.name for row in gone]

    async def load_credentials(self) -> list[StoredCredential]:
        await self._read()
        return list(self.credential_rows.values())

    async def declare_credential(self, account_id: int, kind: CredentialKind, name: str) -> int:
        await self._read()
        for row in self.credential_rows.values():
            if (row.account_id, row.kind, row.name) == (account_id, kind, name):
                self.credential_rows[row.id] = row._replace(enabled=True)
                return row.id
        return self.add_credential(account_id, kind, name, Origin.FILE)

    def add_credential(
        self,
        account_id: int,
        kind: CredentialKind,
        name: str,
        origin: Origin,
        digest: bytes | None = None,
        password_hash: str | None = None,
    ) -> int:
        """A row, made by the file or by an operator's command."""
        id = len(self.credential_rows) + 1
        self.credential_rows[id] = StoredCredential(
            id, account_id, kind, name, digest, password_hash, "{}", origin, True
        )
        return id

    async def disable_undeclared_credentials(self, ids: Collection[int]) -> list[int]:
        await self._read()
        gone = [
            row
            for row in self.credential_rows.values()
            if row.origin == Origin.FILE and row.enabled and row.id not in ids
        ]
        for row in gone:
            self.credential_rows[row.id] = row._replace(enabled=False)
        return [row.id for row in gone]

    # -- ports.SenderStore -----------------------------------------------------------------------

    async def load_senders(self, account_id: int | None = None) -> list[StoredSender]:
        await self._read()
        rows = self.sender_rows.values()
        return [row for row in rows if account_id in (None, row.account_id)]

    async def set_sender(
        self,
        account_id: int,
        name: str,
        state: SenderState,
        verification: SenderVerification,
        reason: str,
        origin: Origin,
        at_ms: int,
    ) -> None:
        await self._read()
        known = self.sender_rows.get((account_id, name))
        row = known or self._new_sender(account_id, name, at_ms)
        row = row._replace(
            state=state, verification=verification, reason=reason, origin=origin,
            changed_at_ms=at_ms,
            approved_at_ms=(row.approved_at_ms or at_ms) * (state == SenderState.APPROVED),
            verified_at_ms=(row.verified_at_ms or at_ms)
            * (verification == SenderVerification.VERIFIED),
        )  # fmt: skip
        self.sender_rows[account_id, name] = row._replace(
            is_default=row.is_default and row.may_send
        )

    async def request_sender(self, account_id: int, name: str, at_ms: int) -> StoredSender | None:
        await self._read()
        if (account_id, name) in self.sender_rows:
            return None
        row = self.sender_rows[account_id, name] = self._new_sender(account_id, name, at_ms)
        return row

    def _new_sender(self, account_id: int, name: str, at_ms: int) -> StoredSender:
        id = max((row.id for row in self.sender_rows.values()), default=0) + 1
        return StoredSender(
            id, account_id, name, SenderState.PENDING, SenderVerification.PENDING, "",
            Origin.STORE, False, 0, at_ms, 0, 0, at_ms,
        )  # fmt: skip

    async def make_default(self, account_id: int, sender_id: int) -> bool:
        await self._read()
        own = {n: r for n, r in self.sender_rows.items() if r.account_id == account_id}
        if not any(r.id == sender_id and r.may_send for r in own.values()):
            return False
        for name, row in own.items():
            self.sender_rows[name] = row._replace(is_default=row.id == sender_id)
        return True

    async def delete_sender(self, sender_id: int) -> bool:
        await self._read()
        for name, row in self.sender_rows.items():
            if row.id == sender_id and not row.message_count:
                del self.sender_rows[name]
                return True
        return False

    async def count_messages(self, limit: int) -> int:
        await self._read()
        rows = self._find(lambda row: row.key > self.senders_counted_to)
        rows = sorted(rows, key=lambda row: row.key)[:limit]
        for row in rows:
            self.senders_counted_to = row.key
            sender = self.sender_rows.get((row.account_id, row.sender))
            if sender is not None:
                self.sender_rows[row.account_id, row.sender] = sender._replace(
                    message_count=sender.message_count + 1
                )
        return len(rows)

    # -- ports.BlockedStore ----------------------------------------------------------------------

    async def page(self, after: tuple[int, int], limit: int) -> list[tuple[int, int]]:
        await self._read()
        return sorted(row for row in self.blocked_rows if row > after)[:limit]

    async def block(self, account_id: int, numbers: Collection[int]) -> None:
        await self._read()
        self.blocked_rows |= {(account_id, number) for number in numbers}

    async def unblock(self, account_id: int, numbers: Collection[int]) -> None:
        await self._read()
        self.blocked_rows -= {(account_id, number) for number in numbers}

    # -- ports.Retention -------------------------------------------------------------------------

    async def purge_finished(self, before_key: int, limit: int) -> int:
        await self._read()
        finished = [
            row.key
            for row in self._find(lambda row: is_final(row.state) and row.key < before_key)
            if row.notified != Notified.PENDING
        ]
        for key in finished[:limit]:
            del self.rows[key]
        return len(finished[:limit])

    async def purge_bulks(self, before_key: int, limit: int) -> int:
        await self._read()
        return 0  # it keeps none: `tests.support.inline_store` does

    async def purge_answers(self, before_ms: int, limit: int) -> int:
        await self._read()
        old = [name for name, (at_ms, _) in self.answers.items() if at_ms < before_ms][:limit]
        for name in old:
            del self.answers[name]
        return len(old)

    async def purge_parked_receipts(self, before_ms: int, limit: int) -> int:
        await self._read()
        old = [receipt for receipt in self.parked if receipt.at_ms < before_ms][:limit]
        for receipt in old:
            self.parked.remove(receipt)
        return len(old)

    async def close_ledger(self, before_ms: int, limit: int) -> int:
        await self._read()
        self.ledger_closed_before_ms = before_ms
        return 0
