from gateway.flow.linger import FULL_GROUP, MOST_S, TICK_S, Linger
from tests.support.clock import FakeClock


def after_traffic(rows_per_ms: float, clock: FakeClock) -> Linger:
    """A linger that has seen a steady stream for a while."""
    linger = Linger(clock)
    for _ in range(50):
        clock.advance(0.002)
        linger.closed(round(rows_per_ms * 2))
    return linger


def test_a_lone_slow_client_never_waits() -> None:
    linger = after_traffic(0.1, FakeClock())
    assert linger.begin(1) == 0.0


def test_a_full_group_never_waits() -> None:
    linger = after_traffic(50, FakeClock())
    assert linger.is_full(FULL_GROUP)
    assert linger.begin(FULL_GROUP) == 0.0


def test_a_stream_is_worth_a_wait_of_5_ms_at_most() -> None:
    clock = FakeClock()
    linger = after_traffic(4, clock)
    waited, rows = 0.0, 1
    delay_s = linger.begin(rows)
    assert TICK_S <= delay_s <= MOST_S
    while delay_s:
        clock.advance(delay_s)
        waited += delay_s
        rows += 4
        delay_s = linger.again(rows)
    assert 0.004 <= waited <= MOST_S + 1e-9


def test_a_wait_ends_when_the_group_is_full() -> None:
    linger = after_traffic(4, FakeClock())
    assert linger.begin(1)
    assert linger.again(FULL_GROUP) == 0.0


def test_waits_in_vain_are_left_out_for_a_while() -> None:
    """A closed-loop client: its next row waits for our answer."""
    clock = FakeClock()
    linger = after_traffic(4, clock)
    groups = waits = 0
    for _ in range(500):
        groups += 1
        if linger.begin(10):
            waits += 1
            assert linger.again(10) == 0.0
        clock.advance(0.0025)
        linger.closed(10)
    assert waits < groups / 20


def test_a_wait_that_pays_makes_the_next_ones_usual_again() -> None:
    clock = FakeClock()
    linger = after_traffic(4, clock)
    assert linger.begin(10)
    assert linger.again(10) == 0.0  # in vain
    skipped = 0
    while not linger.begin(10):
        skipped += 1
        clock.advance(0.0025)
        linger.closed(10)
    assert skipped == 2
    assert linger.again(14) > 0.0
    assert linger.again(14) == 0.0


def test_the_rate_is_forgotten_when_traffic_ends() -> None:
    clock = FakeClock()
    linger = after_traffic(10, clock)
    assert linger.begin(1)
    clock.advance(1.0)
    linger.closed(1)
    assert linger.begin(1) == 0.0
