"""The circuit's rule; its timer is the owner's."""

import pytest

from gateway.policy.breaker import FIRST_PAUSE_S, MOST_PAUSE_S, Breaker, Circuit


def opened(limit: int = 3) -> Breaker:
    breaker = Breaker(limit)
    assert [breaker.failed("silence") for _ in range(limit)] == [False] * (limit - 1) + [True]
    return breaker


def test_so_many_failures_in_a_row_open_it() -> None:
    breaker = opened(3)
    assert breaker.circuit is Circuit.OPEN
    assert not breaker.may_send
    assert (breaker.reason, breaker.failures, breaker.pause_s) == ("silence", 3, FIRST_PAUSE_S)


def test_an_answer_in_between_begins_the_count_anew() -> None:
    breaker = Breaker(3)
    for _ in range(10):
        breaker.failed("silence")
        breaker.failed("silence")
        assert not breaker.answered(), "it was not open"
    assert breaker.may_send


def test_a_limit_of_zero_never_opens_it() -> None:
    breaker = Breaker(0)
    assert not any(breaker.failed("silence") for _ in range(1000))
    assert breaker.may_send


def test_answers_to_what_left_before_it_opened_do_not_close_it() -> None:
    breaker = opened()
    assert not breaker.answered()
    assert not breaker.failed("silence")
    assert breaker.circuit is Circuit.OPEN


def test_after_the_pause_one_message_may_pass_and_its_answer_closes_it() -> None:
    breaker = opened()
    breaker.pause_over()
    assert breaker.may_send
    breaker.probing()
    assert not breaker.may_send
    assert breaker.answered()
    assert breaker.may_send
    assert (breaker.failures, breaker.reason) == (0, "")


def test_each_probe_that_fails_doubles_the_pause_up_to_a_bound() -> None:
    breaker = opened()
    pauses = []
    for _ in range(6):
        breaker.pause_over()
        breaker.probing()
        assert breaker.failed("silence")
        assert not breaker.may_send
        pauses.append(breaker.pause_s)
    assert pauses == [10.0, 20.0, 40.0, MOST_PAUSE_S, MOST_PAUSE_S, MOST_PAUSE_S]


def test_a_probe_whose_link_was_lost_is_repeated_at_once() -> None:
    breaker = opened()
    breaker.pause_over()
    breaker.probing()
    breaker.inconclusive()
    assert breaker.may_send
    assert breaker.circuit is Circuit.HALF_OPEN


@pytest.mark.parametrize("step", ["pause_over", "probing", "inconclusive"])
def test_none_of_this_concerns_a_closed_circuit(step: str) -> None:
    breaker = Breaker(3)
    getattr(breaker, step)()
    assert breaker.may_send
