import pytest

from gateway.policy.throttle import level, take, wait_s


def test_a_fresh_bucket_is_full() -> None:
    bucket = [0.0, 0.0]
    assert [take(bucket, 10, 5, 1, 100.0) for _ in range(6)] == [True] * 5 + [False]


def test_tokens_come_back_with_time_up_to_the_burst() -> None:
    bucket = [0.0, 100.0]
    assert not take(bucket, 10, 5, 1, 100.09)
    assert take(bucket, 10, 5, 1, 100.11)
    assert [take(bucket, 10, 5, 1, 200.0) for _ in range(6)] == [True] * 5 + [False]


def test_more_than_a_burst_passes_a_full_bucket_and_leaves_a_debt() -> None:
    bucket = [0.0, 0.0]
    assert take(bucket, 10, 5, 12, 100.0)
    assert not take(bucket, 10, 5, 1, 100.7)
    assert take(bucket, 10, 5, 1, 100.81)
    assert not take([4.9, 100.0], 10, 5, 12, 100.0)


def test_a_refusal_costs_nothing() -> None:
    bucket = [0.5, 100.0]
    for _ in range(10):
        assert not take(bucket, 10, 5, 1, 100.0)
    assert bucket[0] == 0.5


def test_the_wait_is_until_the_tokens_are_there() -> None:
    assert wait_s([0.0, 1.0], 10, 2) == pytest.approx(0.2)
    assert wait_s([3.0, 1.0], 10, 2) == 0.0


def test_the_level_is_what_could_be_taken_now() -> None:
    assert level([0.0, 0.0], 10, 20, 5.0) == 20  # fresh
    bucket = [4.0, 1.0]
    assert level(bucket, 10, 20, 1.5) == 9
    assert level(bucket, 10, 20, 9.0) == 20
    assert level([-5.0, 1.0], 10, 20, 1.0) == -5
    assert bucket == [4.0, 1.0]
