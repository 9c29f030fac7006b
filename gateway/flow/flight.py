"""A commit group on its way to disk, with the live objects that wait for it.

Snapshots the open group into rows when it closes, and takes a group apart when the store refuses
it. Credit lines are always derived from what the flight still holds, so taking members out keeps
them true.
"""

from collections.abc import Callable, Iterable
from typing import Any

from gateway.domain.account import Account
from gateway.domain.bulk_rows import COUNTED, BulkCounts, BulkRecipientChange, BulkRows
from gateway.domain.charge import Charge
from gateway.domain.commit_group import (
    CommitGroup,
    CreditChange,
    IdempotencyRow,
    LedgerKind,
    LedgerLine,
    MessageChange,
    NewBatch,
    PartChange,
)
from gateway.domain.errors import Refusal
from gateway.domain.lifecycle import MessageState, MoneyState
from gateway.domain.message import Batch, Changed, Message, Part

# Bound once: reaching a member through its class costs eight times a global.
_HELD = MoneyState.HELD

Stored = Callable[[object, bool], None]
Result = Message | Batch | Charge
Accepted = tuple[Callable[[Any, Any], None], object, Result]  # answer, its token, ...
Moved = tuple[int, Account, LedgerKind, int, int]  # message key, ..., balance and held delta
Ended = tuple[int, int, int, int, int, int]  # message key, bulk key, n, its state before, now, when

UNSTORABLE = "unstorable"  # in the place of an error text that the store refuses

# Lists of a group that stand for themselves: they go where the rest of a split flight goes.
_LOOSE_ROWS = (
    "part_changes", "notified_keys", "events", "parked_receipts", "matched_receipts",
    "new_webhook_deliveries",
)  # fmt: skip
_ROWS = ("message_changes", *_LOOSE_ROWS)  # of a flight without accepts


class Flight:
    """One commit group.  `rows` counts what it writes; 0 means only waiters."""

    __slots__ = (
        "accepts", "after", "answers", "closed_at_ms", "currencies", "ended", "fed", "group",
        "money", "rows",
    )  # fmt: skip

    def __init__(self) -> None:
        self.group = CommitGroup()
        self.accepts: list[Accepted] = []
        self.answers: list[tuple[int, IdempotencyRow]] = []  # (key of the result, its row)
        self.after: list[tuple[Stored, object]] = []
        self.money: list[Moved] = []  # by changes; it goes with the row of its message, always
        self.fed: list[Message] = []  # of bulks, which have paid for them
        self.ended: list[Ended] = []  # recipients of bulks; each goes with the row of its message
        self.currencies: dict[int, str] = {}  # of the accounts in its ledger lines, by id
        self.rows = 0
        self.closed_at_ms = 0

    def take_charge(
        self,
        charge: Charge,
        answer: Callable[[Any, Any], None],
        token: object,
        batch: NewBatch | None,
        stored_answer: IdempotencyRow | None,
    ) -> None:
        """A charge; that of a bulk comes with its rows, and at its beginning with its `batch`."""
        self.accepts.append((answer, token, charge))
        if charge.bulk is not None:
            self.fed.extend(charge.bulk.messages)
        if batch is not None:
            self.group.new_batches.append(batch)
        if stored_answer is not None:
            self.answers.append((charge.key, stored_answer))

    def end_recipient(self, message: Message, before: MessageState) -> None:
        """The recipient of a bulk that `message` was made of ends with it."""
        if message.batch_key is None:
            raise ValueError(f"message {message.key} is numbered in a bulk and names none")
        n = -message.door_note
        self.ended.append(
            (message.key, message.batch_key, n, before, message.state, message.final_at_ms)
        )

    def close(self, changed: list[Message], parts: list[Part], now_ms: int) -> None:
        """Turns live objects into rows."""
        group = self.group
        self.closed_at_ms = now_ms
        if group.members or self.fed:
            group.new_messages = _new_rows(group.members + self.fed)
        if changed:
            group.message_changes = _change_rows(changed)
        if parts:
            group.part_changes = _part_rows(parts)
        self.recount()

    def recount(self) -> None:
        """Derives the credit lines and the number of rows from what it holds now."""
        group = self.group
        group.idempotency = [row for _, row in self.answers]
        charges = [result for _, _, result in self.accepts if type(result) is Charge]
        group.credit, group.ledger = _credit(
            group.members, charges, self.money, self.closed_at_ms, self.currencies
        )
        self._recount_bulks([charge.bulk for charge in charges if charge.bulk is not None])
        self.rows = (
            len(group.new_messages)
            + len(group.message_changes)
            + len(self.money)
            + len(charges)
            + len(group.new_bulk_recipients)
            + sum(len(getattr(group, name)) for name in _LOOSE_ROWS)
        )

    def _recount_bulks(self, bulks: list[BulkRows]) -> None:
        group = self.group
        group.new_bulks = [bulk.bulk for bulk in bulks if bulk.bulk is not None]
        group.new_bulk_recipients = [row for bulk in bulks for row in bulk.recipients]
        group.bulk_steps = [bulk.step for bulk in bulks if bulk.step is not None]
        group.recipient_changes, group.bulk_counts = _ends(self.ended)
        group.bulk_counts += [bulk.counts for bulk in bulks if bulk.counts is not None]

    def accepts_of(self, account_ids: frozenset[int]) -> list[Accepted]:
        """The accepts of these accounts that spend something."""
        return [a for a in self.accepts if _spender(a[2]) in account_ids]

    def refuse(self, losers: list[Accepted], refusal: Refusal) -> None:
        """Takes `losers` out, gives their reserved credit back and answers them."""
        if not losers:
            return
        keys = _keys_of(losers)
        for message in self.group.members:
            if message.key in keys:
                give_back(message)
        for _, _, result in losers:
            if type(result) is Charge:
                result.account.balance_micros -= result.balance_micros
                result.account.held_micros -= result.held_micros
        self._keep([a for a in self.accepts if a[2].key not in keys], lambda key: key not in keys)
        for answer, token, _ in losers:
            answer(token, refusal)

    def _keep(self, accepts: list[Accepted], wanted: Callable[[int], bool]) -> None:
        group = self.group
        self.accepts = accepts
        self.answers = [(key, row) for key, row in self.answers if wanted(key)]
        group.members = [m for m in group.members if wanted(m.key)]
        self.fed = [m for m in self.fed if wanted(m.key)]
        group.new_messages = [row for row in group.new_messages if wanted(row[0])]
        group.new_batches = [row for row in group.new_batches if wanted(row.key)]
        group.door_texts = [row for row in group.door_texts if wanted(row.key)]
        self.recount()

    def message_keys(self) -> list[int]:
        """Keys of the message rows it writes."""
        group = self.group
        return [row[0] for row in group.new_messages] + [c[0] for c in group.message_changes]

    def halves(self) -> "list[Flight] | None":
        """Smaller flights with the same content, in order; None when it cannot be split."""
        if self.accepts:
            rest = self._without_accepts()
            if rest is None and len(self.accepts) == 1:
                return None
            middle = (len(self.accepts) + 1) // 2
            chosen = [self._only(half) for half in (self.accepts[:middle], self.accepts[middle:])]
            return [f for f in (rest, *chosen) if f is not None]
        rows = [(name, row) for name in _ROWS for row in getattr(self.group, name)]
        if len(rows) < 2:
            return self._without_texts()
        first = Flight()
        first.closed_at_ms = self.closed_at_ms
        first._take(rows[: len(rows) // 2], self.money, self.ended)
        self._take(rows[len(rows) // 2 :], self.money, self.ended)
        return [first, self]

    def _take(self, rows: list[tuple[str, Any]], money: list[Moved], ended: list[Ended]) -> None:
        """Writes these rows, named by their lists, with what goes with them, and no others."""
        for name in _ROWS:
            setattr(self.group, name, [row for of, row in rows if of == name])
        keys = {change[0] for change in self.group.message_changes}
        self.money = [moved for moved in money if moved[0] in keys]
        self.ended = [end for end in ended if end[0] in keys]
        self.recount()

    def _without_texts(self) -> "list[Flight] | None":
        """A lone change that is refused: its state and money matter more than a provider's words.

        First the error text goes, then the provider's id; None when it has neither.
        """
        if not self.group.message_changes:
            return None
        change = MessageChange._make(self.group.message_changes[0])
        if change.error not in ("", UNSTORABLE):
            change = change._replace(error=UNSTORABLE)
        elif change.provider_message_id is not None:
            change = change._replace(provider_message_id=None)
        else:
            return None
        self.group.message_changes = [change]
        return [self]

    def _without_accepts(self) -> "Flight | None":
        rest = Flight()
        rest.closed_at_ms = self.closed_at_ms
        rest.after, rest.money, rest.ended = self.after, self.money, self.ended
        rest.group.message_changes = self.group.message_changes
        for name in _LOOSE_ROWS:
            setattr(rest.group, name, getattr(self.group, name))
        rest.recount()
        return rest if rest.rows or rest.after else None

    def without_rows(self) -> "Flight | None":
        """Who waits, when every row is given up; None if nobody.

        The money of a row that is not written has not moved: memory takes it back.
        """
        for _, account, _, balance_micros, held_micros in self.money:
            account.balance_micros -= balance_micros
            account.held_micros -= held_micros
        if not self.after:
            return None
        rest = Flight()
        rest.closed_at_ms = self.closed_at_ms
        rest.after = self.after
        return rest

    def _only(self, accepts: list[Accepted]) -> "Flight | None":
        if not accepts:
            return None
        part, source = Flight(), self.group
        part.closed_at_ms = self.closed_at_ms
        keys = _keys_of(accepts)
        part.answers, part.fed = self.answers, self.fed
        part.group.members, part.group.new_messages = source.members, source.new_messages
        part.group.new_batches, part.group.door_texts = source.new_batches, source.door_texts
        part._keep(accepts, keys.__contains__)
        return part


def give_back(message: Message) -> None:
    """Returns in memory what admission reserved for a message that was never stored."""
    if message.money == _HELD:
        message.account.held_micros -= message.charge_micros
    elif message.money == MoneyState.CHARGED:
        message.account.balance_micros += message.charge_micros
    message.money = MoneyState.NONE


def is_asked_for(accepted: Accepted) -> bool:
    """False for a step of a bulk, which no customer waits for."""
    result = accepted[2]
    return not isinstance(result, Charge) or result.is_asked_for


def _spender(result: Result) -> int | None:
    """The account that pays for it; None when it takes nothing."""
    if isinstance(result, Charge) and not result.spends:
        return None
    account = result.messages[0].account if isinstance(result, Batch) else result.account
    return account.id


def _keys_of(accepts: Iterable[Accepted]) -> set[int]:
    keys: set[int] = set()
    for _, _, result in accepts:
        keys.add(result.key)
        if isinstance(result, Batch):
            keys.update(m.key for m in result.messages)
        elif isinstance(result, Charge) and result.bulk is not None:
            keys.update(m.key for m in result.bulk.messages)
    return keys


# --- rows ---------------------------------------------------------------------------------------


# Members of an enum as the plain integers they are: a store binds those eight times faster.
_PLAIN = tuple(range(64))


def _new_rows(members: list[Message]) -> list[Any]:
    """NewMessage rows as plain tuples (a NamedTuple's constructor costs half of the whole row)."""
    rows: list[Any] = []
    for m in members:
        opaque = m.opaque
        batch_key = m.batch_key
        if opaque is None or batch_key is not None:
            octets = data_coding = esm_class = tlvs = None
        else:
            octets, data_coding, esm_class, tlvs = opaque
        credential = m.credential
        rows.append(
            (
                m.key, m.account.id, None if credential is None else credential.id,
                _PLAIN[m.door], _PLAIN[m.channel], batch_key, m.priority, m.sender, m.recipient,
                m.text if batch_key is None else None, octets, data_coding, esm_class, tlvs,
                _PLAIN[m.alphabet], m.part_count, m.charge_micros, _PLAIN[m.money],
                _PLAIN[m.notify_when], m.door_note, m.due_at_ms, m.expires_at_ms,
            )
        )  # fmt: skip
    return rows


_UNCHANGED = Changed.NO


def _change_rows(changed: list[Message]) -> list[Any]:
    """MessageChange rows; from here on the object's stored state is its state."""
    rows: list[Any] = []
    for m in changed:
        m.changed = _UNCHANGED
        state = m.state
        rows.append(
            (
                m.key, _PLAIN[m.stored_state], _PLAIN[state], _PLAIN[m.money], m.provider_id,
                m.provider_message_id, m.attempts, m.due_at_ms, m.sent_at_ms, m.final_at_ms,
                m.error, _PLAIN[m.notified],
            )
        )  # fmt: skip
        m.stored_state = state
    return rows


def _part_rows(parts: list[Part]) -> list[PartChange]:
    rows = []
    for part in parts:
        part.changed = False
        rows.append(
            PartChange(
                part.message.key, part.n, part.provider_id, part.provider_message_id, part.state
            )
        )
    return rows


# Where `BulkCounts` has a state; what is not final counts as pending.
_PENDING_AT = 0
_PLACE = {int(state): at for at, state in enumerate(COUNTED)}


def _ends(ended: list[Ended]) -> tuple[list[BulkRecipientChange], list[BulkCounts]]:
    """One change per recipient, the last, and one line of counts per bulk."""
    changes: dict[tuple[int, int], BulkRecipientChange] = {}
    counts: dict[int, list[int]] = {}
    for _, bulk_key, n, before, state, at_ms in ended:
        changes[bulk_key, n] = BulkRecipientChange(bulk_key, n, _PLAIN[state], at_ms)
        moved = counts.get(bulk_key)
        if moved is None:
            moved = counts[bulk_key] = [0] * len(COUNTED)
        moved[_PLACE.get(before, _PENDING_AT)] -= 1
        moved[_PLACE[state]] += 1
    return list(changes.values()), [BulkCounts(key, *moved) for key, moved in counts.items()]


def _credit(
    members: list[Message],
    charges: list[Charge],
    money: list[Moved],
    at_ms: int,
    currencies: dict[int, str],
) -> tuple[list[CreditChange], list[LedgerLine]]:
    """One credit change per account, one ledger line per account and kind, and per charge.

    Notes the currencies.
    """
    charged: dict[int, list[int]] = {}  # account id -> [micros, messages]
    held: dict[int, int] = {}
    for m in members:
        amount = m.charge_micros
        if not amount:
            continue
        account_id = m.account.id
        if m.money == _HELD:
            held[account_id] = held.get(account_id, 0) + amount
        else:
            total = charged.get(account_id)
            if total is None:
                charged[account_id] = [amount, 1]
                currencies[account_id] = m.account.currency
            else:
                total[0] += amount
                total[1] += 1
    spenders = charged.keys() | held.keys()
    lines = {(id_, LedgerKind.CHARGE): [-total[0], total[1]] for id_, total in charged.items()}
    for _, account, kind, balance_micros, held_micros in money:
        if balance_micros:
            currencies[account.id] = account.currency
            line = lines.setdefault((account.id, kind), [0, 0])
            line[0] += balance_micros
            line[1] += 1
        if held_micros:
            held[account.id] = held.get(account.id, 0) + held_micros
    balance: dict[int, int] = {}
    for (account_id, _), (micros, _) in lines.items():
        balance[account_id] = balance.get(account_id, 0) + micros
    for charge in charges:
        account_id = charge.account.id
        if not charge.balance_micros and not charge.held_micros:
            continue
        if charge.spends:
            spenders = spenders | {account_id}
        currencies[account_id] = charge.account.currency
        balance[account_id] = balance.get(account_id, 0) + charge.balance_micros
        held[account_id] = held.get(account_id, 0) + charge.held_micros
    changes = [
        CreditChange(id_, balance.get(id_, 0), held.get(id_, 0), id_ in spenders)
        for id_ in balance.keys() | held.keys()
    ]
    ledger = [
        LedgerLine(account_id, kind, micros, count, at_ms, "")
        for (account_id, kind), (micros, count) in lines.items()
    ]
    ledger += [
        LedgerLine(c.account.id, c.kind, c.balance_micros, c.message_count, at_ms, c.note)
        for c in charges
        if c.balance_micros
    ]
    return changes, ledger
