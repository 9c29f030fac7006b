"""What both engines check and compute around their own statements of a commit group."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from gateway.domain.commit_group import CommitGroup, CreditChange, LedgerLine
from gateway.domain.errors import CreditConflict, StoreRejected

log = logging.getLogger("postern.store")

LEDGER_COLUMNS = (*LedgerLine._fields, "balance_micros")
LedgerRow = tuple[int, int, int, int, int, str, int]


def merged_credit(changes: Sequence[CreditChange]) -> Sequence[CreditChange]:
    """At most one change per account; the guard of any holds for their sum.

    One statement updates all accounts of a group, and it would apply only one of two changes.
    """
    by_account: dict[int, CreditChange] = {}
    for change in changes:
        other = by_account.get(change.account_id)
        by_account[change.account_id] = change if other is None else _sum(other, change)
    return changes if len(by_account) == len(changes) else list(by_account.values())


def check_credit_taken(changes: Iterable[CreditChange], balances: Mapping[int, int]) -> None:
    """Finds the accounts whose row did not take its change; `balances` holds those that did.

    Raises:
        CreditConflict: guarded changes would break a limit.
        StoreRejected: an unguarded one names an account that does not exist.
    """
    missed = [change for change in changes if change.account_id not in balances]
    for change in missed:
        if not change.guarded:
            raise StoreRejected(f"credit change for account {change.account_id}, which has no row")
    if missed:
        raise CreditConflict(frozenset(change.account_id for change in missed))


def ledger_rows(lines: Sequence[LedgerLine], balances: Mapping[int, int]) -> list[LedgerRow]:
    """The lines with the account's balance after each; `balances` are those after all of them.

    Raises:
        StoreRejected: a line's account has no credit change in the same group.
    """
    rows: list[LedgerRow] = []
    after = dict(balances)
    for line in reversed(lines):
        balance = after.get(line.account_id)
        if balance is None:
            raise StoreRejected(
                f"ledger line for account {line.account_id} without a credit change in its group"
            )
        rows.append((*line, balance))
        after[line.account_id] = balance - line.amount_micros
    rows.reverse()
    return rows


def report_state_conflicts(group: CommitGroup, changed: int) -> None:
    """Says so when fewer message rows changed than asked: a defect in the flow, never in the data.

    The other rows of the group are sound and are kept.
    """
    expected = len(group.message_changes)
    if changed != expected:
        fields = {"group": group.id, "expected": expected, "changed": changed}
        log.error("store.state_conflict", extra={"fields": fields})


def check_bulks(expected: int, changed: int) -> None:
    """Makes sure that every bulk was where its step began: the price of its messages is at stake.

    Raises:
        StoreRejected: one was not; a defect in the flow, never in the data.
    """
    if changed != expected:
        raise StoreRejected(f"{expected - changed} bulks are not where their step begins")


def _sum(one: CreditChange, other: CreditChange) -> CreditChange:
    return CreditChange(
        one.account_id,
        one.balance_micros + other.balance_micros,
        one.held_micros + other.held_micros,
        one.guarded or other.guarded,
    )
