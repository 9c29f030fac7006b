"""Additive increase, multiplicative decrease; every instant is an argument."""

import pytest

from gateway.policy.pace import BURST_S, FEW, FIRST_PAUSE_S, MOST_PAUSE_S, Pace

NOW = 1000.0


def left_in(pace: Pace, since: float, seconds: float, step: float = 0.01) -> int:
    """Parts that leave when one is offered at every step."""
    left, now = 0, since
    while now < since + seconds:
        while not pace.delay_s(1, now):
            left += 1
        now += step
    return left


def slow_down(pace: Pace, now: float) -> int:
    """Complains until that has an effect; how often it took."""
    complaints = 1
    while not pace.throttled(now):
        complaints += 1
    return complaints


def test_without_a_contracted_rate_nothing_waits() -> None:
    pace = Pace(0)
    assert [pace.delay_s(255, NOW) for _ in range(100)] == [0.0] * 100
    assert not pace.is_slowed


def test_the_contracted_rate_is_kept() -> None:
    pace = Pace(100)
    burst = round(100 * BURST_S)
    assert left_in(pace, NOW, 10.0) == pytest.approx(1000 + burst, abs=2)
    assert not pace.is_slowed


def test_the_wait_is_long_enough_and_no_longer() -> None:
    pace = Pace(10)
    assert pace.delay_s(1, NOW) == 0.0  # the burst
    delay_s = pace.delay_s(1, NOW)
    assert delay_s == pytest.approx(0.1)
    assert pace.delay_s(1, NOW + 0.9 * delay_s) > 0.0
    assert pace.delay_s(1, NOW + 1.001 * delay_s) == 0.0


def test_a_message_larger_than_the_burst_leaves_and_is_paid_for_afterwards() -> None:
    pace = Pace(10)
    assert pace.delay_s(20, NOW) == 0.0
    assert pace.delay_s(1, NOW) == pytest.approx(2.0)


def test_slow_down_pauses_and_halves_the_rate() -> None:
    pace = Pace(100)
    slow_down(pace, NOW)
    assert pace.is_slowed
    assert pace.current == 50
    assert pace.delay_s(1, NOW) == pytest.approx(FIRST_PAUSE_S)
    assert pace.delay_s(1, NOW + FIRST_PAUSE_S) == 0.0


def test_an_unlimited_provider_is_slowed_from_the_rate_it_was_given() -> None:
    pace = Pace(0)
    for n in range(200):
        pace.delay_s(1, NOW + n * 0.005)
    slow_down(pace, NOW + 1.0)
    assert pace.current == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize(
    ("rate_per_s", "complaints"), [(5, 1), (10, 2), (49, 4), (200, 5), (1000, 21)]
)
def test_complaints_about_a_few_numbers_change_nothing(rate_per_s: int, complaints: int) -> None:
    pace = Pace(0)
    for n in range(rate_per_s):
        pace.delay_s(1, NOW + n / rate_per_s)
    assert slow_down(pace, NOW + 0.999) == complaints


def test_a_number_in_five_hundred_is_throttled_for_ever_and_the_rest_keeps_its_speed() -> None:
    pace, now = Pace(0), NOW
    for n in range(20_000):
        assert pace.delay_s(1, now) == 0.0
        if n % 500 == 499:
            pace.throttled(now)
        now += 1 / 400
    assert not pace.is_slowed


def test_a_number_now_and_then_is_borne_at_any_rate() -> None:
    pace, now = Pace(0), NOW
    for n in range(2_000):
        assert pace.delay_s(1, now) == 0.0
        if n % 20 == 19:
            pace.throttled(now)
        now += 0.1
    assert not pace.is_slowed


def test_what_left_long_ago_makes_up_for_nothing() -> None:
    pace = Pace(0)
    pace.delay_s(1000, NOW)
    pace.delay_s(1, NOW + 5.0)
    assert pace.throttled(NOW + 5.0)


def test_while_nothing_is_taken_every_complaint_counts() -> None:
    pace, later = Pace(1000), NOW + 10.0
    pace.delay_s(100, NOW)
    assert slow_down(pace, NOW) == FEW + 1
    pace.delay_s(100, later)
    assert pace.throttled(later)
    pace.taken()
    pace.delay_s(100, later + 10.0)
    assert not pace.throttled(later + 10.0)


def test_further_answers_of_one_window_slow_down_once() -> None:
    pace = Pace(100)
    for n in range(10):
        pace.throttled(NOW + n * 0.01)
    assert pace.current == 50
    # The pause counts from the last of them.
    assert pace.delay_s(1, NOW + 0.09) == pytest.approx(FIRST_PAUSE_S)


def test_it_never_falls_below_one_part_a_second() -> None:
    pace = Pace(3)
    for n in range(10):
        pace.throttled(NOW + n)
    assert pace.current == 1


def test_it_recovers_by_a_tenth_of_the_throttled_rate_each_second() -> None:
    pace = Pace(100)
    slow_down(pace, NOW)
    pace.delay_s(1, NOW + 2.0)
    assert pace.current == pytest.approx(70)
    pace.delay_s(1, NOW + 5.1)
    assert pace.current == 100
    assert not pace.is_slowed


def test_an_unlimited_provider_is_unlimited_again() -> None:
    pace = Pace(0)
    pace.delay_s(100, NOW)
    slow_down(pace, NOW + 1.0)
    assert pace.current == pytest.approx(50)
    pace.delay_s(1, NOW + 15.0)  # 50 + 14 * 10 = 190
    assert pace.is_slowed
    pace.delay_s(1, NOW + 16.1)
    assert not pace.is_slowed
    assert [pace.delay_s(255, NOW + 16.2) for _ in range(100)] == [0.0] * 100


def persist(pace: Pace, now: float, times: int) -> list[float]:
    """The pauses of a provider that says "slow down" to the first part after each."""
    pauses = []
    for n in range(times):
        if n:
            pace.throttled(now)
        else:
            slow_down(pace, now)
        pauses.append(pace.delay_s(1, now))
        now += pauses[-1] + 0.25  # the answer takes its time
    return pauses


def test_pauses_double_up_to_the_longest_while_the_provider_goes_on() -> None:
    assert persist(Pace(100), NOW, 9) == pytest.approx(
        [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, MOST_PAUSE_S, MOST_PAUSE_S, MOST_PAUSE_S]
    )


def test_after_a_quiet_time_the_pause_is_the_first_again() -> None:
    pace = Pace(100)
    persist(pace, NOW, 6)
    assert persist(pace, NOW + 1000.0, 2) == pytest.approx([0.1, 0.2])


def test_a_later_answer_never_shortens_a_pause() -> None:
    pace = Pace(100)
    persist(pace, NOW, 6)
    until = NOW + 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 3.2 + 5 * 0.25
    for at in (until - 3.0, until - 2.0, until - 1.0):
        pace.throttled(at)
        assert at + pace.delay_s(1, at) >= until - 1e-6


def test_the_pause_grows_only_while_nothing_is_taken() -> None:
    stuck, moving = Pace(100), Pace(100)
    for n in range(4):
        now = NOW + n * 1.0
        slow_down(stuck, now)
        slow_down(moving, now)
        if n < 3:
            moving.taken()
    now = NOW + 3.0
    assert moving.delay_s(1, now) == pytest.approx(FIRST_PAUSE_S)
    assert stuck.delay_s(1, now) == pytest.approx(FIRST_PAUSE_S * 8)
