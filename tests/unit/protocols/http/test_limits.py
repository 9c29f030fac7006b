from protocols.http.limits import Allowance, RequestLimits
from tests.support.clock import FakeClock
from tests.support.doors import make_account


def test_counts_down_and_refuses_beyond_the_limit() -> None:
    limits, account = RequestLimits(FakeClock()), make_account()
    account.requests_per_min = 2
    assert limits.take(account, 60) == Allowance(2, 1, 0)
    assert limits.take(account, 60) == Allowance(2, 0, 0)
    assert limits.take(account, 60) == Allowance(2, 0, 60)


def test_the_window_starts_with_its_first_request_and_ends_after_a_minute() -> None:
    clock = FakeClock()
    limits, account = RequestLimits(clock), make_account()
    account.requests_per_min = 1
    clock.advance(42.5)
    limits.take(account, 60)
    clock.advance(59.5)
    assert limits.take(account, 60) == Allowance(1, 0, 1)
    clock.advance(0.5)
    assert limits.take(account, 60) == Allowance(1, 0, 0)
    assert limits.take(account, 60) == Allowance(1, 0, 60)


def test_refused_requests_do_not_lengthen_the_window() -> None:
    clock = FakeClock()
    limits, account = RequestLimits(clock), make_account()
    account.requests_per_min = 1
    for _ in range(5):
        limits.take(account, 60)
        clock.advance(10)
    clock.advance(10)
    assert limits.take(account, 60) == Allowance(1, 0, 0)


def test_an_account_without_its_own_limit_has_the_vendors() -> None:
    assert RequestLimits(FakeClock()).take(make_account(), 60) == Allowance(60, 59, 0)


def test_zero_means_no_limit() -> None:
    limits, account = RequestLimits(FakeClock()), make_account()
    account.requests_per_min = 0
    assert limits.take(account, 60) is None


def test_accounts_do_not_share_a_window() -> None:
    limits, first, second = RequestLimits(FakeClock()), make_account(1), make_account(2)
    limits.take(first, 60)
    assert limits.take(second, 60) == Allowance(60, 59, 0)


def test_doors_with_different_defaults_share_the_window() -> None:
    limits, account = RequestLimits(FakeClock()), make_account()
    limits.take(account, 60)
    assert limits.take(account, 200) == Allowance(200, 198, 0)


def test_a_limit_lowered_while_the_window_runs_holds_at_once() -> None:
    limits, account = RequestLimits(FakeClock()), make_account()
    for _ in range(5):
        limits.take(account, 60)
    account.requests_per_min = 3
    assert limits.take(account, 60) == Allowance(3, 0, 60)


def test_an_endpoint_may_have_a_limit_of_its_own() -> None:
    clock = FakeClock()
    limits = RequestLimits(clock)
    mine, yours = ("balance", 1, "192.0.2.1"), ("balance", 1, "192.0.2.2")
    assert limits.take_of(mine, 2, 60.0).retry_after_s == 0
    assert limits.take_of(mine, 2, 60.0).remaining == 0
    clock.advance(59)
    assert limits.take_of(mine, 2, 60.0).retry_after_s == 1
    assert limits.take_of(yours, 2, 60.0).remaining == 1
    clock.advance(1)
    assert limits.take_of(mine, 2, 60.0).remaining == 1


def test_windows_that_are_over_are_forgotten() -> None:
    clock = FakeClock()
    limits = RequestLimits(clock)
    for n in range(1000):
        limits.take_of(n, 1, 1.0)
    clock.advance(61)
    limits.take_of("new", 1, 1.0)
    assert len(limits._windows) == 1
