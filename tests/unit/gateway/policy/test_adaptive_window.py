"""Additive increase, multiplicative decrease; every instant is an argument."""

from gateway.policy.adaptive_window import AdaptiveWindow

NOW = 1000.0


def test_untouched_it_leaves_the_wires_room_alone() -> None:
    window = AdaptiveWindow()
    window.answered(100)
    assert window.limit is None
    assert window.room(37, 63) == 37


def test_a_complaint_halves_what_was_outstanding() -> None:
    window = AdaptiveWindow()
    window.shrink(60, NOW)
    assert window.limit == 30
    assert window.room(90, 10) == 20
    assert window.room(40, 60) == -30  # none may go
    assert window.room(1, 0) == 1


def test_further_complaints_about_one_window_count_once() -> None:
    window = AdaptiveWindow()
    for n in range(10):
        window.shrink(64, NOW + n * 0.01)
    assert window.limit == 32
    window.shrink(64, NOW + 1.0)
    assert window.limit == 16


def test_it_never_falls_below_one() -> None:
    window = AdaptiveWindow()
    for n in range(20):
        window.shrink(8, NOW + n)
    assert window.limit == 1
    assert window.room(100, 0) == 1


def test_it_grows_by_one_for_every_window_that_is_answered_and_ends_at_the_wires_own() -> None:
    window = AdaptiveWindow()
    window.shrink(20, NOW)
    for _ in range(10):
        window.answered(12)
    assert window.limit is not None
    assert 10.9 < window.limit <= 11.1
    for _ in range(12):
        window.answered(12)
    assert window.limit is None
