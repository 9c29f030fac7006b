"""The audit of the money: every account recomputed from its rows (`postern ledger verify`).

Reads ledger and messages whole, in pages by key, and needs to see them as of one moment: give it
the `fetch` of a `gateway.store.snapshot` or of a transaction.  It knows nothing of what the daemon
has in memory and nothing of policies: only what must be true of the rows under all of them.
"""

# ruff: noqa: S608 - statements are built from names and numbers of our own

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.domain.commit_group import EventKind, LedgerKind
from gateway.domain.errors import StoreRejected
from gateway.domain.lifecycle import FIRST_FINAL, MessageState, MoneyState
from gateway.domain.money import format_amount
from gateway.store.engine import Fetch, Row

PAGE = 50_000
MOST_NAMED = 20  # messages and ledger lines at fault that are told one by one

_TAKEN, _BACK = (LedgerKind.CHARGE, LedgerKind.CLOSING), (LedgerKind.REFUND,)
_FREE, _HELD, _CHARGED, _REFUNDED = MoneyState

# What no message may be, whatever its account's policies.  A message delivered after it had ended
# `unknown` keeps the money of that end: the one case of a delivery that was given back.
_LATE = (
    "EXISTS (SELECT 1 FROM event e WHERE e.message_key = m.key"
    f" AND e.kind = {EventKind.LATE_RECEIPT:d})"
)
_FAULTS = (
    ("has a price and was never paid", f"money = {_FREE:d}"),
    ("has ended and its price is still held", f"money = {_HELD:d} AND state >= {FIRST_FINAL:d}"),
    (
        "is on its way though its price was given back",
        f"money = {_REFUNDED:d} AND state < {FIRST_FINAL:d}",
    ),
    (
        "was handed over though its price was given back",
        f"money = {_REFUNDED:d} AND state = {MessageState.HANDED_OVER:d}",
    ),
    (
        "was delivered though its price was given back",
        f"money = {_REFUNDED:d} AND state = {MessageState.DELIVERED:d} AND NOT {_LATE}",
    ),
)
_ANY_FAULT = " OR ".join(f"({condition})" for _, condition in _FAULTS)

_ACCOUNTS = (
    "SELECT a.id, a.name, a.currency, a.balance_micros, a.held_micros, a.limit_micros,"
    " coalesce(p.message_count, 0), coalesce(p.charged_micros, 0)"
    " FROM account a LEFT JOIN purged_total p ON p.account_id = a.id ORDER BY a.name"
)
_LINES = (
    "SELECT id, account_id, kind, amount_micros, message_count, at_ms, balance_micros"
    " FROM ledger WHERE id > ?{of_account} ORDER BY id LIMIT ?"
)
_PAGE = (
    "SELECT key, account_id, charge_micros, money, state FROM message"
    " WHERE key > ?{of_account} ORDER BY key LIMIT ?"
)


def _sum(what: str, money: MoneyState) -> str:
    """Over the rows whose money is there."""
    return f"CAST(sum(CASE WHEN money = {money:d} THEN {what} ELSE 0 END) AS bigint)"


# What bulks have paid for recipients that are no messages yet.
_BULKS = (
    f"SELECT account_id, {_sum('unfed_micros', _HELD)}, {_sum('unfed_micros', _CHARGED)},"
    f" {_sum('unfed_count', _CHARGED)} FROM bulk"
    " WHERE state > 0 AND unfed_micros <> 0{of_account} GROUP BY account_id"
)
_COUNT = "CASE WHEN charge_micros <> 0 THEN 1 ELSE 0 END"
_MESSAGES = (
    f"SELECT account_id, max(key), count(*), {_sum('charge_micros', _HELD)},"
    f" {_sum('charge_micros', _CHARGED)}, {_sum(_COUNT, _CHARGED)},"
    f" CAST(sum(CASE WHEN charge_micros <> 0 AND ({_ANY_FAULT}) THEN 1 ELSE 0 END) AS bigint)"
    f" FROM ({_PAGE}) AS m GROUP BY account_id"
)
_FAULTY = (
    "SELECT key, CASE "
    + " ".join(f"WHEN {condition} THEN {n}" for n, (_, condition) in enumerate(_FAULTS))
    + f" END FROM ({_PAGE}) AS m WHERE account_id = ? AND charge_micros <> 0 AND ({_ANY_FAULT})"
    f" ORDER BY key LIMIT {MOST_NAMED}"
)


class FaultyMessage(NamedTuple):
    """A message whose own columns contradict each other."""

    key: int
    reason: str


@dataclass(slots=True, kw_only=True)
class AccountAudit:
    """What an account's row says, and what its lines and messages add up to.

    Amounts are micro-units of `currency`.  `moved_*` is what the ledger says of messages: charges
    and what came back of them; `charged_*` what the messages themselves say.
    """

    id: int
    name: str
    currency: str
    balance_micros: int
    held_micros: int
    limit_micros: int
    purged_count: int
    purged_micros: int
    line_count: int = 0
    line_total_micros: int = 0
    last_balance_micros: int = 0
    last_at_ms: int = 0
    has_spent: bool = False  # at `last_at_ms`
    lowest_spent_micros: int | None = None  # the lowest balance that spending has left
    moved_micros: int = 0
    moved_count: int = 0
    broken_line_count: int = 0
    broken_lines: list[str] = field(default_factory=list)
    message_count: int = 0
    open_holds_micros: int = 0
    charged_micros: int = 0
    charged_count: int = 0
    faulty_count: int = 0
    faulty: list[FaultyMessage] = field(default_factory=list)

    def add_line(
        self,
        id: int,
        kind: int,
        amount_micros: int,
        message_count: int,
        at_ms: int,
        balance_micros: int,
    ) -> None:
        """Takes the next line of the ledger."""
        if at_ms != self.last_at_ms:
            self._end_moment()
            self.last_at_ms = at_ms
        self.has_spent |= amount_micros < 0
        self.line_count += 1
        self.line_total_micros += amount_micros
        due = self.last_balance_micros + amount_micros
        self.last_balance_micros = balance_micros
        if balance_micros != due:
            self.broken_line_count += 1
            if len(self.broken_lines) < MOST_NAMED:
                self.broken_lines.append(
                    f"ledger line {id} leaves {format_amount(balance_micros)}, the line before it "
                    f"and its amount make {format_amount(due)}"
                )
        if kind in _TAKEN or kind in _BACK:
            self.moved_micros += amount_micros
            self.moved_count += message_count if kind in _TAKEN else -message_count

    def _end_moment(self) -> None:
        """One commit writes a charge before the refund that pays for it: only its end counts."""
        if self.has_spent:
            lowest = self.lowest_spent_micros
            if lowest is None or self.last_balance_micros < lowest:
                self.lowest_spent_micros = self.last_balance_micros
        self.has_spent = False

    def differences(self) -> list[str]:
        """What does not agree, one text each; empty when the account is sound."""
        pairs = (
            ("its balance", self.balance_micros,
             "the sum of its ledger lines", self.line_total_micros),
            ("its balance", self.balance_micros,
             "the balance on its last ledger line", self.last_balance_micros),
            ("its held amount", self.held_micros,
             "the prices of its held messages", self.open_holds_micros),
            ("charges minus refunds", -self.moved_micros,
             "the prices of its charged messages", self.charged_micros + self.purged_micros),
        )  # fmt: skip
        found = [
            f"{left} is {format_amount(a)}, {right} is {format_amount(b)}"
            for left, a, right, b in pairs
            if a != b
        ]
        # How many of the purged ones had been charged is not kept.
        if not 0 <= self.moved_count - self.charged_count <= self.purged_count:
            found.append(
                f"charges minus refunds are of {self.moved_count} messages, those charged are "
                f"{self.charged_count} and {self.purged_count} purged"
            )
        found += self.broken_lines
        if self.broken_line_count > len(self.broken_lines):
            found.append(f"ledger lines that do not continue: {self.broken_line_count}")
        if self.faulty_count:
            found.append(f"messages that contradict themselves: {self.faulty_count}")
        return found

    def remarks(self) -> list[str]:
        """What may be wrong or may have its reason, because limits of the past are not kept."""
        available = self.balance_micros - self.held_micros
        lowest = [available]
        if self.lowest_spent_micros is not None:
            lowest.append(self.lowest_spent_micros)
        if min(lowest) >= self.limit_micros:
            return []
        return [
            f"it was spent down to {format_amount(min(lowest))}, its limit is "
            f"{format_amount(self.limit_micros)}: right only if the limit was raised since"
        ]


class LedgerAudit:
    """`progress(rows)` is called after each page with the rows read so far."""

    def __init__(
        self, fetch: Fetch, progress: Callable[[int], object] = lambda _rows: None
    ) -> None:
        self._fetch = fetch
        self._progress = progress
        self._rows = 0

    async def run(self, account: str | None = None) -> list[AccountAudit]:
        """Recomputes every account, or the one named `account`; in order of their names.

        Rows of an account that has no row of its own count as those of an account "#id".

        Raises:
            StoreRejected: there is no such account.
            StoreUnavailable: the store cannot be read.
        """
        audits = {row[0]: _audit(row) for row in await self._fetch(_ACCOUNTS)}
        id = None
        if account is not None:
            id = _id_of(account, audits)
            audits = {id: audits[id]}
        await self._read_lines(audits, id)
        await self._read_messages(audits, id)
        await self._read_bulks(audits, id)
        return list(audits.values())

    async def _read_lines(self, audits: dict[int, AccountAudit], id: int | None) -> None:
        sql = _LINES.format(of_account=_of_account(id))
        last = 0
        while rows := await self._fetch(sql, last, PAGE):
            for line_id, account_id, *line in rows:
                _of(audits, account_id).add_line(line_id, *line)
            last = rows[-1][0]
            self._count(len(rows))

    async def _read_messages(self, audits: dict[int, AccountAudit], id: int | None) -> None:
        sql = _MESSAGES.format(of_account=_of_account(id))
        last = 0
        while sums := await self._fetch(sql, last, PAGE):
            for account_id, _, count, held, charged, charged_count, faulty in sums:
                audit = _of(audits, account_id)
                audit.message_count += count
                audit.open_holds_micros += held
                audit.charged_micros += charged
                audit.charged_count += charged_count
                audit.faulty_count += faulty
                if faulty and len(audit.faulty) < MOST_NAMED:
                    await self._name_faulty(audit, last, id)
            last = max(row[1] for row in sums)
            self._count(sum(row[2] for row in sums))

    async def _read_bulks(self, audits: dict[int, AccountAudit], id: int | None) -> None:
        sql = _BULKS.format(of_account=_of_account(id))
        for account_id, held, charged, charged_count in await self._fetch(sql):
            audit = _of(audits, account_id)
            audit.open_holds_micros += held
            audit.charged_micros += charged
            audit.charged_count += charged_count

    async def _name_faulty(self, audit: AccountAudit, after: int, id: int | None) -> None:
        sql = _FAULTY.format(of_account=_of_account(id))
        room = MOST_NAMED - len(audit.faulty)
        rows = await self._fetch(sql, after, PAGE, audit.id)
        audit.faulty += [FaultyMessage(key, _FAULTS[n][0]) for key, n in rows[:room]]

    def _count(self, rows: int) -> None:
        self._rows += rows
        self._progress(self._rows)


def differences_of(audits: Iterable[AccountAudit]) -> list[str]:
    """All differences, each with its account and with the messages at fault."""
    found = []
    for audit in audits:
        found += [f"account {audit.name!r}: {text}" for text in audit.differences()]
        found += [
            f"account {audit.name!r}: message {message.key:016x} {message.reason}"
            for message in audit.faulty
        ]
    return found


def _audit(row: Row) -> AccountAudit:
    id, name, currency, balance, held, limit, purged_count, purged_micros = row
    return AccountAudit(
        id=id,
        name=name,
        currency=currency,
        balance_micros=balance,
        held_micros=held,
        limit_micros=limit,
        purged_count=purged_count,
        purged_micros=purged_micros,
    )


def _id_of(account: str, audits: dict[int, AccountAudit]) -> int:
    for id, audit in audits.items():
        if audit.name == account:
            return id
    known = ", ".join(audit.name for audit in list(audits.values())[:MOST_NAMED])
    raise StoreRejected(f"there is no account {account!r}; accounts: {known or 'none'}")


def _of(audits: dict[int, AccountAudit], account_id: int) -> AccountAudit:
    audit = audits.get(account_id)
    if audit is None:
        audit = audits[account_id] = _audit((account_id, f"#{account_id}", "", 0, 0, 0, 0, 0))
    return audit


def _of_account(id: int | None) -> str:
    return "" if id is None else f" AND account_id = {id:d}"
