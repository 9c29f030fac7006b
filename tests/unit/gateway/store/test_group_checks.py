"""The money of a group, before and after its statements."""

import pytest

from gateway.domain.commit_group import CreditChange, LedgerKind, LedgerLine
from gateway.domain.errors import CreditConflict, StoreRejected
from gateway.store.group_checks import check_credit_taken, ledger_rows, merged_credit


def test_changes_of_different_accounts_are_left_alone() -> None:
    changes = [CreditChange(1, -5, 0, True), CreditChange(2, 5, 1, False)]
    assert merged_credit(changes) is changes


def test_changes_of_one_account_are_summed_and_stay_guarded() -> None:
    changes = [
        CreditChange(1, -5, 2, False),
        CreditChange(2, 1, 0, False),
        CreditChange(1, 3, -1, True),
        CreditChange(1, 1, 0, False),
    ]
    assert merged_credit(changes) == [CreditChange(1, -1, 1, True), CreditChange(2, 1, 0, False)]


def test_all_taken() -> None:
    check_credit_taken([CreditChange(1, 1, 0, True)], {1: 1})


def test_guarded_ones_that_were_not_taken_conflict() -> None:
    changes = [CreditChange(n, -1, 0, True) for n in (1, 2, 3)]
    with pytest.raises(CreditConflict) as caught:
        check_credit_taken(changes, {2: 7})
    assert caught.value.account_ids == {1, 3}


def test_unguarded_one_that_was_not_taken_has_no_row() -> None:
    changes = [CreditChange(1, -1, 0, True), CreditChange(2, 1, 0, False)]
    with pytest.raises(StoreRejected, match="account 2, which has no row"):
        check_credit_taken(changes, {})


def test_running_balances_end_at_the_balance() -> None:
    lines = [
        LedgerLine(account, LedgerKind.CHARGE, amount, 1, 1, "")
        for account, amount in ((1, -5), (2, 3), (1, 2), (1, -1))
    ]
    assert [row[-1] for row in ledger_rows(lines, {1: 10, 2: 3})] == [9, 3, 11, 10]
    assert [row[:-1] for row in ledger_rows(lines, {1: 10, 2: 3})] == lines


def test_line_of_an_account_without_change() -> None:
    with pytest.raises(StoreRejected, match="account 9 without a credit change"):
        ledger_rows([LedgerLine(9, LedgerKind.REFUND, 1, 1, 1, "")], {1: 1})
