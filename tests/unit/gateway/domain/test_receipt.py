from itertools import permutations, product

import pytest

from gateway.domain.lifecycle import FINAL_STATES, MOVES, MessageState, is_final
from gateway.domain.receipt import Receipt, combined_parts, merged_state

S = MessageState


@pytest.mark.parametrize(("current", "reported"), list(product(S, S)))
def test_a_receipt_only_makes_moves_the_machine_has(current: S, reported: S) -> None:
    new = merged_state(current, reported)
    assert new is None or (new == reported and new in MOVES[current])


@pytest.mark.parametrize("current", list(S))
def test_an_intermediate_report_moves_nothing(current: S) -> None:
    assert merged_state(current, S.SENT) is None


@pytest.mark.parametrize("reported", sorted(FINAL_STATES))
def test_the_first_final_one_wins(reported: S) -> None:
    assert merged_state(S.SENT, reported) == reported
    for later in FINAL_STATES:
        expected = later if reported == S.UNKNOWN and later in MOVES[S.UNKNOWN] else None
        assert merged_state(reported, later) == expected


@pytest.mark.parametrize(
    ("parts", "fate"),
    [
        ([S.DELIVERED, S.DELIVERED], S.DELIVERED),
        ([S.DELIVERED, S.SENT], None),
        ([S.DELIVERED, S.QUEUED], None),
        ([S.FAILED, S.SENT], S.FAILED),
        ([S.EXPIRED, S.QUEUED, S.DELIVERED], S.EXPIRED),
        ([S.REJECTED, S.UNKNOWN], S.REJECTED),
        ([S.UNKNOWN, S.DELIVERED], S.UNKNOWN),
        ([S.UNKNOWN, S.SENT], None),
        ([S.HANDED_OVER, S.HANDED_OVER], S.HANDED_OVER),
        ([S.HANDED_OVER, S.DELIVERED], S.HANDED_OVER),
    ],
)
def test_the_fate_of_parts(parts: list[S], fate: S | None) -> None:
    for order in permutations(parts):
        assert combined_parts(list(order)) == fate
    assert fate is None or is_final(fate)


def test_a_receipt_shows_itself() -> None:
    assert repr(Receipt("a1", S.FAILED, "005")) == "Receipt('a1', FAILED, '005')"
