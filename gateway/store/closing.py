"""Closing lines: what the ledger keeps of old charges and refunds.

A busy account gets hundreds of ledger lines a second, one per commit group.  Past the age of
retention those of one account and one UTC day become one line, `CLOSING`, with the id and the
balance of the last of them.  Openings, top-ups and adjustments stay as they are, and part the day's
lines where they stand between them; so each line still continues the one before it.
"""

# ruff: noqa: S608 - statements are built from names and numbers of our own

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from gateway.domain.commit_group import LedgerKind
from gateway.store.engine import Engine, Row, placeholders

T = TypeVar("T")

MOST_MESSAGES = 2**31 - 1  # in one line: the column's bound on PostgreSQL
MOST_AT_ONCE = 512  # rows per statement
_DAY_MS = 86_400_000
_FOLDED = (LedgerKind.CHARGE, LedgerKind.REFUND, LedgerKind.CLOSING)
_LINES = (
    "SELECT id, account_id, kind, amount_micros, message_count, at_ms, balance_micros"
    " FROM ledger WHERE id > ? ORDER BY id LIMIT ?"
)
_INSERT = (
    "INSERT INTO ledger"
    " (id, account_id, kind, amount_micros, message_count, at_ms, note, balance_micros) VALUES "
)
_VALUES = "(?, ?, ?, ?, ?, ?, '', ?)"


@dataclass(slots=True)
class _Run:
    """Lines of one account that become one; fields as the line's."""

    id: int
    account_id: int
    kind: int
    amount_micros: int
    message_count: int
    at_ms: int
    balance_micros: int

    def takes(self, line: Row) -> bool:
        """Whether this line of the same account, the next one, can join."""
        message_count: int = self.message_count + line[4]
        return message_count <= MOST_MESSAGES and line[5] // _DAY_MS == self.at_ms // _DAY_MS

    def take(self, line: Row) -> None:
        """`message_count` of a closing line: charges less refunds."""
        if self.kind != LedgerKind.CLOSING:
            self.message_count = _charged_count(self.kind, self.message_count)
            self.kind = LedgerKind.CLOSING
        self.id, self.at_ms, self.balance_micros = line[0], line[5], line[6]
        self.amount_micros += line[3]
        self.message_count += _charged_count(line[2], line[4])

    def row(self) -> Row:
        """What `_VALUES` takes."""
        return (
            self.id, self.account_id, self.kind, self.amount_micros, self.message_count,
            self.at_ms, self.balance_micros,
        )  # fmt: skip


class Closing:
    """Folds from the oldest line on, and remembers how far it came; a new one looks from the start.

    Nobody else writes the ledger meanwhile but at its end.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._looked_at = 0
        self._last: dict[int, _Run | None] = {}  # of each account; None: its last line stays

    async def fold(self, before_ms: int, limit: int) -> int:
        """Looks at the next `limit` lines made before `before_ms`; returns how many there were.

        Raises:
            StoreUnavailable: the store takes no writes; nothing was folded, or it is not known.
        """
        lines = await self._engine.fetch(_LINES, self._looked_at, limit)
        # A line later than its followers (the clock was wrong) holds them up: no gap in a run.
        young = next((n for n, line in enumerate(lines) if line[5] >= before_ms), len(lines))
        del lines[young:]
        if not lines:
            return 0
        gone, closings = self._plan(lines)
        if gone:
            try:
                await self._replace(gone, closings)
            except BaseException:
                self._looked_at = 0
                self._last.clear()
                raise
        self._looked_at = lines[-1][0]
        return len(lines)

    def _plan(self, lines: list[Row]) -> tuple[list[int], list[Row]]:
        """The ids that go, and the lines that come for them."""
        gone: list[int] = []
        changed: dict[int, _Run] = {}  # by the identity of the run
        for line in lines:
            account_id, kind = line[1], line[2]
            run = self._last.get(account_id)
            if kind not in _FOLDED:
                self._last[account_id] = None
            elif run is None or not run.takes(line):
                self._last[account_id] = _Run(*line)
            else:
                gone.append(run.id)
                run.take(line)
                changed[id(run)] = run
        gone += [run.id for run in changed.values()]
        return gone, [run.row() for run in changed.values()]

    async def _replace(self, gone: list[int], closings: list[Row]) -> None:
        async with self._engine.transaction() as transaction:
            for ids in _cut(gone):
                await transaction.execute(
                    f"DELETE FROM ledger WHERE id IN ({placeholders(len(ids))})", *ids
                )
            for rows in _cut(closings):
                await transaction.execute(
                    _INSERT + ", ".join([_VALUES] * len(rows)), *chain.from_iterable(rows)
                )


def _cut(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """In powers of two, so that there are few statements to prepare."""
    start = 0
    while rest := len(items) - start:
        size = min(MOST_AT_ONCE, 1 << rest.bit_length() - 1)
        yield items[start : start + size]
        start += size


def _charged_count(kind: int, message_count: int) -> int:
    return -message_count if kind == LedgerKind.REFUND else message_count
