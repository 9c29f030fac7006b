from itertools import product

import pytest

from gateway.domain.lifecycle import (
    FINAL_STATES,
    MOVES,
    MessageState,
    NotifyWhen,
    is_final,
    wants_notification,
)

S = MessageState


def test_the_table_has_a_row_for_every_state() -> None:
    assert set(MOVES) == set(S)


def test_final_states_are_the_seven() -> None:
    assert {s for s in S if is_final(s)} == FINAL_STATES
    assert len(FINAL_STATES) == 7


@pytest.mark.parametrize("state", sorted(FINAL_STATES - {S.UNKNOWN}))
def test_a_final_state_is_final_once(state: S) -> None:
    assert MOVES[state] == frozenset()


def test_unknown_may_still_become_what_a_receipt_says() -> None:
    assert MOVES[S.UNKNOWN] == {S.DELIVERED, S.FAILED, S.REJECTED, S.EXPIRED}


def test_nothing_moves_to_itself_and_only_an_attempt_goes_back_to_queued() -> None:
    assert [s for s in S if s in MOVES[s]] == []
    assert {s for s in S if S.QUEUED in MOVES[s]} == {S.ATTEMPTED, S.SENT}


@pytest.mark.parametrize("state", [S.QUEUED, S.ATTEMPTED, S.SENT])
def test_every_final_state_can_be_reached(state: S) -> None:
    assert MOVES[state] >= FINAL_STATES


SUCCESSES = {S.DELIVERED, S.HANDED_OVER}


@pytest.mark.parametrize(("when", "state"), list(product(NotifyWhen, sorted(FINAL_STATES))))
def test_the_customer_hears_of_what_he_asked_for(when: NotifyWhen, state: S) -> None:
    wanted = {
        NotifyWhen.NEVER: False,
        NotifyWhen.ALWAYS: True,
        NotifyWhen.FAILURE: state not in SUCCESSES,
        NotifyWhen.SUCCESS: state in SUCCESSES,
    }
    assert wants_notification(when, state) is wanted[when]
