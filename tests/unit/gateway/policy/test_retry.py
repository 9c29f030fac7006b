import pytest

from gateway.policy.retry import reconnect_delay_s, retry_delay_s


def test_the_table_says_how_long() -> None:
    assert [retry_delay_s((5, 30), n, 0.0) for n in (1, 2, 3)] == [5, 30, None]
    assert retry_delay_s((), 1, 0.0) is None


def test_a_draw_spreads_by_a_fifth() -> None:
    assert retry_delay_s((10,), 1, 0.999) == pytest.approx(12, abs=0.01)


def test_reconnecting_doubles_up_to_a_bound() -> None:
    assert [reconnect_delay_s(n, 0.0) for n in (1, 2, 3, 4)] == [0.2, 0.4, 0.8, 1.6]
    assert reconnect_delay_s(10_000, 0.0) == 30.0


def test_reconnecting_is_spread_by_half() -> None:
    assert reconnect_delay_s(1, 0.999) == pytest.approx(0.1, abs=0.001)
