import pytest

from benchmarks.latency import percentile, slots, summarize


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1.0), (1, 1.0), (50, 50.0), (99, 99.0), (99.5, 100.0), (100, 100.0)]
)
def test_percentile_is_the_nearest_rank(percent, value):
    assert percentile([float(n) for n in range(1, 101)], percent) == value


def test_percentile_of_one_value_is_that_value():
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0


def test_percentile_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_summary_leaves_out_the_slots_that_were_never_filled():
    durations_s = slots(6)
    durations_s[1], durations_s[3], durations_s[4] = 0.003, 0.001, 0.002
    assert summarize(durations_s) == {"p50": 2.0, "p99": 3.0, "max": 3.0}


def test_summary_of_no_measurement_is_zero():
    assert summarize(slots(3)) == {"p50": 0.0, "p99": 0.0, "max": 0.0}
