"""What a charge takes, and who waits for it."""

import pytest

from gateway.domain.account import Account, Door
from gateway.domain.bulk_rows import BulkRows, BulkStep, NewBulk
from gateway.domain.charge import Charge
from gateway.domain.commit_group import LedgerKind

STEP = BulkStep(11, 1, 0, 2, 2, 0, 0, 0, 0)
BULK = NewBulk._make([11, *[0] * (len(NewBulk._fields) - 1)])


def charge(balance: int, held: int = 0, bulk: BulkRows | None = None) -> Charge:
    account = Account(1, "acme")
    return Charge(11, account, Door.MESMS, LedgerKind.CHARGE, balance, held, bulk=bulk)


@pytest.mark.parametrize(
    ("balance", "held", "spends"),
    [
        (-5, 0, True),
        (0, 5, True),
        (-5, -5, False),  # a hold that becomes a charge
        (0, -5, False),
        (5, 0, False),
        (0, 0, False),
    ],
)
def test_it_spends_when_less_is_available_after_it(balance: int, held: int, spends: bool) -> None:
    assert charge(balance, held).spends is spends


def test_a_step_of_a_bulk_is_nobody_s_request() -> None:
    assert charge(-5).is_asked_for
    assert charge(-5, bulk=BulkRows(bulk=BULK)).is_asked_for
    assert not charge(0, bulk=BulkRows(step=STEP)).is_asked_for
